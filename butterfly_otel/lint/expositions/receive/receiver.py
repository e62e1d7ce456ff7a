"""Takes requests from several servers, and hands them over one after the other."""

from __future__ import annotations

from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from butterfly_otel.lint.expositions.receive.messages import Busy, decode, require_messages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    from butterfly_otel.lint.expositions.receive.address import Address
    from butterfly_otel.lint.expositions.receive.messages import Request

#: Requests that wait to be looked at, and seconds that one more waits for its place.
_WAITING: Final = 64
_PATIENCE: Final = 5.0


class Received(NamedTuple):
    """What has arrived.

    Attributes:
        address: Where it did.
        request: The request; None where it could not be read.
        problem: Why not.
    """

    address: Address
    request: ExportMetricsServiceRequest | None
    problem: str = ""


class Server(Protocol):
    """A server that has started."""

    address: Address

    def stop(self) -> None:
        """Stop listening; what is being answered is answered."""


class Receiver:
    """Listens until it is closed. Thread-safe.

    Args:
        addresses: Where.

    Attributes:
        listening: Where it does: ports that were 0 are those that were taken.

    Raises:
        TargetError: When it can't listen there, or what it needs is not installed.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        require_messages()
        self._queue: Queue[Received] = Queue(_WAITING)
        self._servers: list[Server] = []
        try:
            for address in addresses:
                self._servers.append(self._serve(address))
        except BaseException:
            self.close()
            raise
        self.listening = tuple(each.address for each in self._servers)

    def _serve(self, address: Address) -> Server:
        if address.protocol == "grpc":
            from butterfly_otel.lint.expositions.receive.by_grpc import GrpcServer  # noqa: PLC0415

            return GrpcServer(address, self.take)
        from butterfly_otel.lint.expositions.receive.by_http import HttpServer  # noqa: PLC0415

        return HttpServer(address, self.take)

    def __enter__(self) -> Receiver:  # noqa: PYI034 - Self is of 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def take(self, request: Request) -> None:
        """Take a request, as the servers do.

        Raises:
            ValueError: With what is wrong with it, which is handed over as well.
            Busy: When it is to be sent again.
        """
        try:
            received = Received(request.address, decode(request))
        except ValueError as error:
            self._put(Received(request.address, None, str(error)))
            raise
        self._put(received)

    def _put(self, received: Received) -> None:
        try:
            self._queue.put(received, timeout=_PATIENCE)
        except Full:
            raise Busy from None

    def next(self, timeout: float) -> Received | None:
        """Return what has arrived next; None where nothing does within ``timeout`` s."""
        try:
            return self._queue.get(timeout=timeout)
        except Empty:
            return None

    def close(self) -> None:
        """Stop listening."""
        for each in self._servers:
            each.stop()
