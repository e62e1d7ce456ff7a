"""OTLP by HTTP, in protobuf and in JSON."""

from __future__ import annotations

import os
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

from butterfly_otel.lint.expositions.fetch.errors import TargetError
from butterfly_otel.lint.expositions.receive.messages import (
    JSON,
    LARGEST,
    PROTOBUF,
    Busy,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.lint.expositions.receive.address import Address
    from butterfly_otel.lint.expositions.receive.messages import Take

#: What ends the path that exporters push to, Prometheus' own included.
_PATH: Final = "/v1/metrics"
#: Seconds a client may keep a connection without saying anything.
_PATIENCE: Final = 30.0
#: Seconds that what is being answered has in the end.
_GRACE: Final = 2.0
_LONGEST_LINE: Final = 256


class HttpServer:
    """Serves one address.

    Args:
        address: Where.
        take: Takes a request.

    Raises:
        TargetError: When it can't listen there.
    """

    def __init__(self, address: Address, take: Take) -> None:
        try:
            self._server = _Server(address, take)
        except OSError as error:
            reason = error.strerror or error
            raise TargetError(f"--otlp {address}: it can't be listened on: {reason}") from None
        self.address = self._server.listening
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.1,), name="butterfly-otlp", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; what is being answered is answered."""
        self._server.shutdown()
        self._server.server_close()
        self._server.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # On Windows, another process could then listen here as well.
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: Address, take: Take) -> None:
        if ":" in address.host:
            self.address_family = socket.AF_INET6
        super().__init__((address.host, address.port), _Handler)
        self.listening = address._replace(port=self.server_port)
        self.take = take
        self._asked = 0
        self._answered = Condition()

    def begin(self) -> None:
        """Note that a request is being answered."""
        with self._answered:
            self._asked += 1

    def end(self) -> None:
        """Note that it was."""
        with self._answered:
            self._asked -= 1
            self._answered.notify_all()

    def wait(self) -> None:
        """Wait until all are; connections that are kept open hold nothing up."""
        with self._answered:
            self._answered.wait_for(lambda: not self._asked, _GRACE)


class _Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: HTTPStatus, said: str) -> None:
        super().__init__(said)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - as it is made with
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_POST(self) -> None:
        """Take a request."""
        self.server.begin()
        try:
            self._post()
        finally:
            self.server.end()

    def _post(self) -> None:
        content_type = self.headers.get_content_type()
        try:
            self._take(content_type)
        except _Refused as refused:
            # What is left of the body would be taken for the next request.
            self.close_connection = True
            self._answer(refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode())
        else:
            self._answer(HTTPStatus.OK, content_type, b"{}" if content_type == JSON else b"")

    def _take(self, content_type: str) -> None:
        if not self.path.partition("?")[0].rstrip("/").endswith(_PATH):
            raise _Refused(HTTPStatus.NOT_FOUND, f"metrics are taken at {_PATH}")
        if content_type not in (PROTOBUF, JSON):
            raise _Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the Content-Type must be {PROTOBUF} or {JSON}"
            )
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        body = self._body()
        try:
            self.server.take(Request(self.server.listening, body, content_type, encoding))
        except ValueError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        except Busy:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy; send it again") from None

    def _body(self) -> bytes:
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                return b"".join(self._chunks())
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise _Refused(
                HTTPStatus.LENGTH_REQUIRED, "the length of the request is not told"
            ) from None
        return self._read(length)

    def _chunks(self) -> Iterator[bytes]:
        left = LARGEST
        while size := int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16):
            yield self._read(size, left)
            left -= size
            self.rfile.readline(_LONGEST_LINE)
        while self.rfile.readline(_LONGEST_LINE).strip():  # trailers
            pass

    def _read(self, length: int, most: int = LARGEST) -> bytes:
        if not 0 <= length <= most:
            said = f"a request may have {LARGEST >> 20} MiB"
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
        body = self.rfile.read(length)
        if len(body) < length:
            raise _Refused(HTTPStatus.BAD_REQUEST, "a request ends before its length")
        return body

    def do_GET(self) -> None:
        """Say how it is asked."""
        self.close_connection = True
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"metrics are sent by POST\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        """Say nothing."""
