"""The requests and answers of one connection, one after the other."""

from __future__ import annotations

import logging
from email.utils import formatdate
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from butterfly_otel.exporters.prometheus.serving.head import RefusedError, read_head
from butterfly_otel.exporters.prometheus.serving.site import Request, plain
from butterfly_otel.exporters.prometheus.serving.stream import linger

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from io import BufferedReader

    from butterfly_otel.exporters.prometheus.serving.connections import Connections
    from butterfly_otel.exporters.prometheus.serving.head import Head
    from butterfly_otel.exporters.prometheus.serving.site import Response
    from butterfly_otel.exporters.prometheus.serving.stream import Stream

_logger = logging.getLogger("butterfly_otel")

#: Seconds in which an answer must have been made and taken in.
_ANSWER_TIMEOUT: Final = 90.0
#: Seconds a connection may be idle: longer than the usual scrape intervals.
_IDLE_TIMEOUT: Final = 120.0
#: Bytes of a body that is read only to be able to go on.
_LARGEST_BODY: Final = 65_536


class Exchange:
    """Answers the requests of one connection.

    Args:
        connection: The connection; closed by whoever made this.
        stream: What it carries.
        client: The address of who has connected.
        respond: Answers a request; raises nothing.
        connections: Knows until when it may stay open.
        request_timeout: Seconds in which a request that has begun must have arrived.
    """

    def __init__(
        self,
        connection: socket.socket,
        stream: Stream,
        client: str,
        respond: Callable[[Request], Response],
        connections: Connections,
        request_timeout: float,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._client = client
        self._respond = respond
        self._connections = connections
        self._request_timeout = request_timeout

    def run(self) -> None:
        """Serve requests until the client, a deadline or the server ends it.

        Raises:
            OSError: When the client goes away in the middle.
        """
        with self._stream.reader() as received:
            goes_on = True
            # Blocks until a request begins; its end is what ends an idle connection.
            while goes_on and received.peek(1) and self._connections.is_heard(self._connection):
                self._connections.receive(self._connection, self._request_timeout)
                goes_on = self._serve_one(received) and self._connections.wait(
                    self._connection, _IDLE_TIMEOUT
                )
            self._stream.finish()

    def _serve_one(self, received: BufferedReader) -> bool:
        """Answer a request; tell whether the connection goes on."""
        try:
            head = read_head(received)
        except RefusedError as error:
            _logger.debug("A request was refused: %s", error.sentence)
            self._send(plain(error.status, error.sentence), head_only=False, keeps=False)
            self._linger()
            return False
        if head is None:
            return False
        keeps = head.keeps and _discard_body(head, received)
        self._connections.answer(self._connection, _ANSWER_TIMEOUT)
        request = Request(head.method, unquote(head.path), head.query, head.headers, self._client)
        response = self._respond(request)
        keeps = keeps and not self._connections.closed
        self._send(response, head_only=head.method == "HEAD", keeps=keeps)
        # As repr() has it: there is no control character in it, whatever a client has sent.
        _logger.debug("%s %r: %s", head.method, head.path, response.status)
        if not keeps and head.length != 0:
            self._linger()
        return keeps

    def _send(self, response: Response, *, head_only: bool, keeps: bool) -> None:
        headers = [
            ("Server", "butterfly-otel"),
            ("Date", formatdate(usegmt=True)),
            *response.headers,
        ]
        if not keeps:
            headers.append(("Connection", "close"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {response.status}\r\n{lines}\r\n".encode("latin-1", "replace")
        self._connections.send(self._connection)
        self._stream.send(head if head_only else head + response.body)

    def _linger(self) -> None:
        self._stream.finish()
        linger(self._connection)


def _discard_body(head: Head, received: BufferedReader) -> bool:
    """Read what a request has no business to bring; False where that is not worth it.

    Who waits for a word before it sends its body gets the answer at once instead, and can't
    tell whether to send it still.
    """
    if head.length is None or head.expects or head.length > _LARGEST_BODY:
        return False
    received.read(head.length)
    return True
