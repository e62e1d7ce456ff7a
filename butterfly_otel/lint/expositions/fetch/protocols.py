"""How urllib speaks HTTP for us: until a deadline, and without giving secrets to others."""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.request
from functools import partial
from time import monotonic
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import socket
    from http.client import HTTPMessage

    from _typeshed import WriteableBuffer

    from butterfly_otel.lint.expositions.fetch.proxies import Proxy
    from butterfly_otel.lint.expositions.fetch.tls import Contexts


def opener_for(
    url: str, deadline: float, contexts: Contexts, proxy: Proxy | None
) -> urllib.request.OpenerDirector:
    """Return what opens a URL, http or https alone, until a deadline of the monotonic clock."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({urlsplit(url).scheme: proxy.url} if proxy else {}),
        _Handler(deadline, contexts),
        _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


class _Handler(urllib.request.AbstractHTTPHandler):
    """Speaks both; the context of TLS is made only where somebody asks for https."""

    def __init__(self, deadline: float, contexts: Contexts) -> None:
        super().__init__()
        self._deadline = deadline
        self._contexts = contexts

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Plain, deadline=self._deadline), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        made = partial(_Secure, deadline=self._deadline)
        return self.do_open(made, request, context=self._contexts.current())

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        return self.do_request_(request)

    https_request = http_request


class _Plain(http.client.HTTPConnection):
    def __init__(self, host: str, *, deadline: float, **given: Any) -> None:  # noqa: ANN401 - as http.client has them
        super().__init__(host, **given)
        self.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]


class _Secure(http.client.HTTPSConnection):
    def __init__(self, host: str, *, deadline: float, **given: Any) -> None:  # noqa: ANN401 - as http.client has them
        super().__init__(host, **given)
        self.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]


class _Response(http.client.HTTPResponse):
    """A response that is read until the deadline, its head too: a slow drip is no excuse."""

    def __init__(self, sock: socket.socket, *, deadline: float, **given: Any) -> None:  # noqa: ANN401 - as http.client has them
        super().__init__(sock, **given)
        received: Any = self.fp
        self.fp = io.BufferedReader(_UntilDeadline(received, sock, deadline))


class _UntilDeadline(io.RawIOBase):
    def __init__(self, received: io.BufferedReader, sock: socket.socket, deadline: float) -> None:
        self._received = received
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        raw: Any = self._received.raw
        count: int | None = raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._received.close()
        super().close()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect; the endpoint's own host gets again what was shown to it."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith(("http://", "https://")):
            # urllib would follow to ftp.
            raise urllib.error.HTTPError(newurl, code, msg, headers, fp)
        again = super().redirect_request(req, fp, code, msg, headers, newurl)
        if again is not None and urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]:
            for name, value in req.unredirected_hdrs.items():
                if name != "Host":
                    again.add_unredirected_header(name, value)
        return again
