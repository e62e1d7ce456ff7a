"""TLS around a connection, in the connection's own thread and under its deadline."""

from __future__ import annotations

import io
import socket
import ssl
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from butterfly_otel.exporters.prometheus.securing.context import alternative_names
from butterfly_otel.exporters.prometheus.serving.stream import linger, source_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from butterfly_otel.exporters.prometheus.securing.refusals import Refusal, Refusals
    from butterfly_otel.exporters.prometheus.serving.stream import Stream

T = TypeVar("T")

_CHUNK: Final = 65_536
#: How a connection by TLS begins: a record of its handshake.
_HANDSHAKE: Final = b"\x16"
_PLAIN_ANSWER: Final = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\nThis port speaks HTTPS: begin the URL with https://.\n"
)
#: What OpenSSL calls it when a client has no certificate, or not the right one.
_OF_CERTIFICATES: Final = {"PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED"}


class TlsStream(io.RawIOBase):
    """A connection by TLS.

    The socket stays as it is, outside of what the ssl module makes, so that another thread may
    end it at any time: ``SSLSocket.shutdown()`` would turn it back into one without TLS.

    Args:
        connection: The connection.
        context: The context.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake(self, begun: bytes) -> None:
        """Do the handshake, of which the client has sent ``begun`` already.

        Raises:
            OSError: When there is none to be agreed on, or the client goes away.
        """
        self._incoming.write(begun)
        self._drive(self._tls.do_handshake)

    def certificate(self) -> Any:  # noqa: ANN401 - as the ssl module has it
        """Return the client's certificate, where it was verified."""
        return self._tls.getpeercert()

    def reader(self) -> io.BufferedReader:
        """Return what the client sends."""
        return io.BufferedReader(self, _CHUNK)

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read some of what the client has sent; 0 at its end."""
        view = memoryview(buffer).cast("B")
        try:
            # With a buffer it returns how much there is.
            return cast("int", self._drive(lambda: self._tls.read(len(view), view)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        left = memoryview(data)
        while left:
            sent = self._drive(partial(self._tls.write, left[:_CHUNK]))
            left = left[sent:]

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        self._connection.shutdown(socket.SHUT_WR)

    def _drive(self, step: Callable[[], T]) -> T:
        """Take a step of the protocol, with as much of the client's as it needs."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
                continue
            except ssl.SSLError:
                # There may be an alert that says why.
                with suppress(OSError):
                    self._flush()
                raise
            self._flush()
            return done

    def _receive(self) -> None:
        data = self._connection.recv(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._connection.sendall(self._outgoing.read())


class Handshakes:
    """Makes streams of connections by TLS. Thread-safe.

    Args:
        state: Returns the context, and the names of which a client's certificate must have one;
            asked at each connection, so that a certificate can change.
        refusals: Told of those that fail.
    """

    scheme = "https"

    def __init__(
        self,
        state: Callable[[], tuple[ssl.SSLContext, frozenset[str]]],
        refusals: Refusals,
    ) -> None:
        self._state = state
        self._refusals = refusals

    def open(self, connection: socket.socket, client: str) -> Stream:
        """Return the stream of a connection after its handshake.

        Raises:
            OSError: When the client goes away, fails or is refused, which is counted.
        """
        begun = connection.recv(_CHUNK)
        if not begun:
            # Somebody who looks whether the port is open, as load balancers do.
            raise ConnectionAbortedError
        if begun[:1] != _HANDSHAKE:
            self._refuse("plain_http", client)
            if begun[:1].isalpha():
                self._answer_plainly(connection)
            raise ConnectionAbortedError
        context, names = self._state()
        stream = TlsStream(connection, context)
        try:
            stream.shake(begun)
        except OSError as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            kind: Refusal = (
                "client_certificate" if reason in _OF_CERTIFICATES else "failed_handshake"
            )
            self._refuse(kind, client, getattr(error, "verify_message", "") or reason)
            _end(connection)
            raise
        if names and not names & alternative_names(stream.certificate()):
            self._refuse("client_certificate", client, "none of its names is allowed")
            with suppress(OSError):
                stream.finish()
                linger(connection)
            raise ConnectionAbortedError
        return stream

    def _refuse(self, reason: Refusal, client: str, detail: str = "") -> None:
        self._refusals.add(reason, source_of(client), detail)

    @staticmethod
    def _answer_plainly(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(_PLAIN_ANSWER)
            _end(connection)


def _end(connection: socket.socket) -> None:
    """Let a client read why, before the connection is closed."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        linger(connection)
