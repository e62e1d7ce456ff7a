"""One request by HTTP, with an answer that is bounded in time and in size.

By ``http.client``, which follows no redirect, unpacks nothing and keeps no pool, so there is
nothing that a forked child would share or a finalizer would close. Its one connection is used
again while both sides like.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from butterfly_otel.exporters.otlp.answers import MOST_BYTES
from butterfly_otel.exporters.otlp.streams import Address, Stream, connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PORTS = {"http": 80, "https": 443}
#: What a connection that the other side has closed meanwhile ends with.
_STALE = (ConnectionError, HTTPException)
_MOST_HEADER = 1 << 16


class Response(NamedTuple):
    """An answer.

    Attributes:
        status: Its status.
        phrase: What comes after that.
        headers: Its headers, by names in lower case.
        body: As much of its body as came in time, and as is read of any.
        whole: Whether that is all.
    """

    status: int
    phrase: str
    headers: Mapping[str, str]
    body: bytes
    whole: bool


class _Connection(HTTPConnection):
    """A connection whose socket is made by us."""

    def __init__(self, host: str, port: int, stream: Stream) -> None:
        super().__init__(host, port)
        self.sock = stream
        self.auto_open = 0


class Client:
    """Posts to one URL. For one thread, but for :meth:`close`.

    The proxies of the environment (``HTTPS_PROXY``, ``NO_PROXY`` and so on) are used.

    Args:
        url: Complete, with a scheme of ``http`` or ``https``.
        context: For TLS.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._context = context
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._connection: _Connection | None = None
        self._stream: Stream | None = None
        self._closed = False

    def post(self, body: bytes, headers: Iterable[tuple[str, str]], deadline: float) -> Response:
        """Send a request and return the answer.

        Raises:
            OSError: When nobody answers, or not before the deadline.
            HTTPException: When what answers does not speak HTTP.
            ValueError: When a header can't be sent.
        """
        sent = [*headers]
        if self._connection is not None:
            try:
                return self._exchange(self._connection, body, sent, deadline)
            except _STALE:
                self._drop()
        return self._exchange(self._connect(deadline), body, sent, deadline)

    def _exchange(
        self,
        connection: _Connection,
        body: bytes,
        headers: Iterable[tuple[str, str]],
        deadline: float,
    ) -> Response:
        if self._closed:
            raise ConnectionAbortedError("the exporter is shut down")
        kept = False
        try:
            if self._stream is not None:
                self._stream.deadline = deadline
            connection.putrequest("POST", self._requested, skip_accept_encoding=True)
            for name, value in (*self._extra, *headers, ("Content-Length", str(len(body)))):
                connection.putheader(name, value)
            connection.endheaders(body)
            with connection.getresponse() as response:
                content, whole = _read(response)
                # Where shutting down ended it, an end is not that of the answer.
                whole = whole and not self._closed
                found = {name.lower(): value for name, value in response.getheaders()}
                kept = whole and not response.will_close
                return Response(response.status, response.reason, found, content, whole)
        finally:
            if not kept:
                self._drop()

    def _connect(self, deadline: float) -> _Connection:
        """Connect, by a proxy where the environment has one."""
        if self._closed:
            raise ConnectionAbortedError("the exporter is shut down")
        proxy, authorization = _proxy(self._place, self._host)
        stream = self._stream = Stream(
            connect(proxy or (self._host, self._port), deadline), deadline
        )
        try:
            by_proxy = proxy is not None and not self._secure
            self._requested = self._place + self._target if by_proxy else self._target
            self._extra = authorization if by_proxy else []
            if self._secure:
                if proxy is not None:
                    _tunnel(stream, f"{self._host}:{self._port}", authorization)
                stream.secure(self._context or ssl.create_default_context(), self._host)
        except BaseException:
            stream.close()
            raise
        self._connection = _Connection(self._host, self._port, stream)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection, self._stream = self._connection, None, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """End what another thread waits for, and connect no more."""
        self._closed = True
        stream = self._stream
        if stream is not None:
            stream.interrupt()
            stream.close()

    def abandon(self) -> None:
        """Leave the parent's connection alone in a forked child."""
        stream, self._connection, self._stream = self._stream, None, None
        if stream is not None:
            stream.abandon()


def _read(response: HTTPResponse) -> tuple[bytes, bool]:
    """Return the body of an answer, and whether that is all of it."""
    body = bytearray()
    try:
        while len(body) <= MOST_BYTES:
            some = response.read1(1 << 16)
            if not some:
                return bytes(body), not response.length
            body += some
    except (OSError, HTTPException):
        pass
    return bytes(body), False


def _proxy(place: str, host: str) -> tuple[Address | None, list[tuple[str, str]]]:
    """Return the environment's proxy for a URL, and the header that it asks for."""
    found = getproxies()
    url = found.get(urlsplit(place).scheme) or found.get("all")
    if not url or proxy_bypass(host):
        return None, []
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectionError(
            f"a proxy of scheme {parts.scheme} is set in the environment, and only http is known;"
            " exempt the receiver by NO_PROXY"
        )
    header: list[tuple[str, str]] = []
    if parts.username is not None:
        header.append(("Proxy-Authorization", basic(parts.username, parts.password or "")))
    return (parts.hostname, parts.port or _PORTS["http"]), header


def basic(user: str, password: str) -> str:
    """Return the header value of a user and a password as they are in a URL."""
    pair = f"{unquote(user)}:{unquote(password)}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _tunnel(stream: Stream, place: str, headers: Iterable[tuple[str, str]]) -> None:
    """Ask a proxy for a connection to ``host:port``."""
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    lines += [f"{name}: {value}" for name, value in headers]
    stream.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    answer, byte = bytearray(), bytearray(1)
    # By bytes: what comes after it belongs to TLS.
    while not answer.endswith(b"\r\n\r\n"):
        if len(answer) > _MOST_HEADER or not stream.receive_into(byte):
            raise ConnectionError("the proxy of the environment does not answer as one")
        answer += byte
    status = bytes(answer).split(b"\r\n", 1)[0].split(None, 2)[1:2]
    if status != [b"200"]:
        told = b"".join(status).decode(errors="replace")
        raise ConnectionError(f"the proxy of the environment refused to connect: status {told}")


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None
