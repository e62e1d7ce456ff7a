"""OTLP by gRPC.

gRPC keeps threads of its own, which a forked child does not have. It copes with that unless
another thread is inside it at the fork, so a fork waits a moment for an export that is going on,
and ends that where the moment is over; the parent then sends it again. Where the process uses
gRPC for something else, that may be inside it. So a forked child sends on a thread that it
can give up, and says so when the first call never comes back.
"""

from __future__ import annotations

import logging
import zlib
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import grpc
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.otlp.answers import MOST_BYTES, Answer, of_message
from butterfly_otel.exporters.otlp.exporter import OtlpExporter
from butterfly_otel.exporters.otlp.secrets import Secrets, shown
from butterfly_otel.process.forks import call_around_fork, call_in_child

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_logger = logging.getLogger("butterfly_otel")

#: The path of the service, from its ``.proto`` file.
_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    # Else a megabyte becomes a gigabyte before anybody can look at its length.
    ("grpc.per_message_decompression", 0),
    # A forked child's channel must not share a connection with its parent's.
    ("grpc.use_local_subchannel_pool", 1),
)
_RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
_MOMENT = 0.5
#: A call comes back by its deadline where gRPC works; so much later it never will.
_GRACE = 2.0
_BROKEN = (
    "gRPC does not work in this forked process, because its parent was using it at the fork;"
    " call configure() in each worker before anything uses gRPC, or set otlp_protocol to"
    " http/protobuf"
)


class GrpcExporter(OtlpExporter):
    """Exports by OTLP/gRPC.

    Args:
        endpoint: URL. Only ``http://`` is sent in clear; any other, and one without a scheme,
            is TLS.
        headers: Sent with each request.
        compression: gRPC's.
        credentials: For TLS; gRPC's own authorities where there are none.
        timeout: Seconds each request may take, with connecting and all its retries.
        **settings: As for :class:`OtlpExporter`.

    Raises:
        ConfigurationError: When the URL has a user or a password, which gRPC can't send.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        compression: grpc.Compression | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        timeout: float = 10.0,
        **settings: Any,  # noqa: ANN401 - the base class's
    ) -> None:
        pairs = tuple(dict(headers).items())
        sender = GrpcSender(endpoint, pairs, compression, credentials)
        super().__init__(sender, "otlp_grpc_metric_exporter", timeout=timeout, **settings)


class GrpcSender:
    """Takes requests to one gRPC server.

    Attributes:
        shown: Where that is, as logs may show it.
    """

    def __init__(
        self,
        endpoint: str,
        headers: tuple[tuple[str, str], ...],
        compression: grpc.Compression | None,
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        if "@" in parts.netloc:
            msg = (
                "otlp_endpoint has a user or a password, which gRPC can't send; put an"
                " authorization into otlp_headers"
            )
            raise ConfigurationError(msg)
        self.shown = shown(endpoint) if parts.scheme else parts.netloc
        self._secrets = Secrets(endpoint, headers)
        self._target = parts.netloc or endpoint
        self._headers = tuple((name.lower(), value) for name, value in headers)
        self._compression = compression
        # Nothing but a URL that says so is sent in clear.
        self._clear = parts.scheme == "http"
        self._credentials = credentials
        self._inherited: list[object] = []
        self._forked = self._broken = self._closed = False
        self._begin()
        call_around_fork(self._before_fork, self._after_fork)
        call_in_child(self._restart)

    def _begin(self) -> None:
        self._state = Condition()
        self._busy = self._forking = False
        self._channel: grpc.Channel | None = None

    def pack(self, body: bytes) -> bytes:
        """Leave it to gRPC."""
        return body

    def send(self, packed: bytes, deadline: float) -> Answer:
        """Call the service."""
        if not self._forked:
            return self._send(packed, deadline)
        if self._broken:
            return Answer(delivered=False, reason=_BROKEN)
        found: list[Answer] = []
        calling = Thread(target=lambda: found.append(self._send(packed, deadline)), daemon=True)
        calling.start()
        calling.join(max(0.0, deadline - monotonic()) + _GRACE)
        if found:
            return found[0]
        self._broken = not self._closed
        return Answer(delivered=False, reason=_BROKEN if self._broken else "shut down")

    def _send(self, packed: bytes, deadline: float) -> Answer:
        with self._state:
            self._state.wait_for(lambda: not self._forking, _MOMENT)
            if self._closed:
                return Answer(delivered=False, reason="the exporter is shut down")
            if self._channel is None:
                self._channel = self._connect()
            channel, self._busy = self._channel, True
        try:
            seconds = max(0.0, deadline - monotonic())
            body = _callable(channel)(packed, timeout=seconds, metadata=self._headers)
        except grpc.RpcError as error:
            answer = self._failed(error)
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                # A channel that has failed tries again in its own time only, up to minutes later.
                self._disconnect()
            return answer
        except Exception as error:  # noqa: BLE001 - such as metadata that can't be sent
            # A channel that was closed for a fork: by the next attempt there is another.
            retry = channel is not self._channel
            reason = self._secrets.hide(f"{type(error).__name__}: {error}")
            return Answer(delivered=False, reason=reason, retry=retry, wait=0.0 if retry else None)
        finally:
            with self._state:
                self._busy = False
                self._state.notify_all()
        return self._answer(body)

    def _answer(self, body: bytes) -> Answer:
        if body.startswith(b"\x1f\x8b"):
            try:
                body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MOST_BYTES)
            except zlib.error:
                body = b"?"
        answer = of_message(body)
        if answer is None:
            return Answer(delivered=False, reason="the receiver's answer is not one of OTLP")
        return answer._replace(reason=self._secrets.hide(answer.reason))

    def _failed(self, error: Any) -> Answer:  # noqa: ANN401 - an RpcError that is a Call, too
        code: grpc.StatusCode = error.code()
        wait = _asked_to_wait(error)
        retry = code in _RETRYABLE
        # Only where the server says that it will have room again.
        retry = retry or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait is not None)
        if code is grpc.StatusCode.CANCELLED and self._channel is None:
            wait = 0.0  # ended for a fork
        reason = f"the receiver answered {code.name}: {error.details() or ''}"
        if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            reason = f"{code.name}: {error.details() or ''}"
        refused = code is grpc.StatusCode.INVALID_ARGUMENT
        return Answer(
            delivered=False,
            reason=self._secrets.hide(reason),
            retry=retry,
            wait=wait,
            refused=refused,
        )

    def _connect(self) -> grpc.Channel:
        if self._clear:
            return grpc.insecure_channel(self._target, _OPTIONS, self._compression)
        credentials = self._credentials or grpc.ssl_channel_credentials()
        return grpc.secure_channel(self._target, credentials, _OPTIONS, self._compression)

    def close(self) -> None:
        """End what is going on, and connect no more."""
        self._closed = True
        self._disconnect()

    def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _before_fork(self) -> None:
        """Let an export that is going on end, or end it."""
        self._forking = True
        if self._is_idle():
            return
        self._disconnect()
        self._is_idle()

    def _is_idle(self) -> bool:
        """Wait a moment; return whether no thread of ours is inside gRPC then."""
        # Not for ever: whoever holds it may be waiting for what forks.
        if not self._state.acquire(timeout=_MOMENT):
            return False
        try:
            return self._state.wait_for(lambda: not self._busy, _MOMENT)
        finally:
            self._state.release()

    def _after_fork(self) -> None:
        self._forking = False
        if self._state.acquire(timeout=_MOMENT):
            self._state.notify_all()
            self._state.release()

    def _restart(self) -> None:
        """Have a channel of its own in a forked child."""
        # Kept, because ending it takes threads and locks that only the parent has.
        self._inherited.append(self._channel)
        self._forked = True
        self._begin()


def _callable(channel: Any) -> Any:  # noqa: ANN401 - generic in what we don't have: messages
    """Return what calls the service with the bytes of a request."""
    return channel.unary_unary(_EXPORT, None, None)


def _asked_to_wait(error: Any) -> float | None:  # noqa: ANN401
    """Return the seconds of the ``RetryInfo`` that a server sends, None where it sends none."""
    trailing: dict[str, bytes] = dict(error.trailing_metadata() or ())
    found = trailing.get("google.rpc.retryinfo-bin")
    if found is None:
        return None
    try:
        delay = RetryInfo.FromString(found).retry_delay
    except Exception:  # noqa: BLE001 - whatever it sent
        return None
    return max(0.0, float(delay.seconds + delay.nanos / 1e9))
