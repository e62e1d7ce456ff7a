"""OTLP by gRPC."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.lint.expositions.fetch.errors import TargetError
from butterfly_otel.lint.expositions.receive.messages import LARGEST, Busy, Request

if TYPE_CHECKING:
    from butterfly_otel.lint.expositions.receive.address import Address
    from butterfly_otel.lint.expositions.receive.messages import Take

_SERVICE: Final = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_THREADS: Final = 4
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST),
    # Two that listen would each get a part.
    ("grpc.so_reuseport", 0),
)


class GrpcServer:
    """Serves one address; what is pushed of other signals is refused as gRPC does.

    Args:
        address: Where.
        take: Takes a request.

    Raises:
        TargetError: When it can't listen there, or grpcio is not installed.
    """

    def __init__(self, address: Address, take: Take) -> None:
        try:
            import grpc  # noqa: PLC0415 - only where it is asked for
        except ImportError:
            raise TargetError(
                f"--otlp {address} needs grpcio: pip install 'butterfly-otel[grpc]', or listen by"
                " HTTP, on http://host:port"
            ) from None

        def export(body: bytes, context: Any) -> bytes:  # noqa: ANN401 - of gRPC
            try:
                take(Request(self.address, body))
            except ValueError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            except Busy:
                context.abort(grpc.StatusCode.UNAVAILABLE, "busy; send it again")
            return b""

        pool = ThreadPoolExecutor(_THREADS, "butterfly-otlp")
        self._server = grpc.server(pool, options=_OPTIONS)
        handlers: dict[str, Any] = {"Export": grpc.unary_unary_rpc_method_handler(export)}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, handlers),)
        )
        try:
            port = self._server.add_insecure_port(address.place)
        except RuntimeError:
            port = 0  # what older releases return
        if not port:
            raise TargetError(
                f"--otlp {address}: it can't be listened on; is another process there?"
            )
        self.address = address._replace(port=port)
        self._server.start()

    def stop(self) -> None:
        """Stop listening; what is being answered is answered."""
        self._server.stop(grace=1).wait(timeout=5)
