"""The reading itself: of a URL within a deadline, of a file, of standard input."""

from __future__ import annotations

import http.client
import sys
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from butterfly_otel.lint.expositions.fetch import failures
from butterfly_otel.lint.expositions.fetch.access import Access
from butterfly_otel.lint.expositions.fetch.address import is_endpoint, url_of, with_path
from butterfly_otel.lint.expositions.fetch.errors import TargetError
from butterfly_otel.lint.expositions.fetch.protocols import opener_for
from butterfly_otel.lint.expositions.fetch.proxies import Proxy, proxy_for
from butterfly_otel.lint.expositions.fetch.tls import Contexts

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"
_TEXT = "text/plain;version=0.0.4"
_ACCEPT = {
    "auto": f"{_OPENMETRICS},{_TEXT};q=0.5,*/*;q=0.1",
    "openmetrics": f"{_OPENMETRICS},*/*;q=0.1",
    "text": f"{_TEXT},*/*;q=0.1",
}
_READABLE = ("text/plain", "application/openmetrics-text", "")
_MAX_BYTES = 256 * 1024 * 1024
_CHUNK = 64 * 1024
#: Bytes of a refusal that are looked at.
_SAID = 512
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read. ``content_type`` is None where it did not come by HTTP."""

    text: str
    content_type: str | None = None


class Client:
    """Reads targets by one way of access; again and again, where somebody watches. Thread-safe."""

    def __init__(self, access: Access | None = None) -> None:
        self._access = access or Access()
        self._contexts = Contexts(self._access)

    def read(self, target: str, exposition_format: str, timeout: float) -> Answer:
        """Read an endpoint, a file, or ``-`` for standard input.

        Bytes that are no UTF-8 become lone surrogates.

        Args:
            target: A URL, a host and a port, a path, or ``-``. A file that is there is read,
                whatever its name looks like.
            exposition_format: ``auto``, ``text`` or ``openmetrics``: what to ask a URL for.
            timeout: Seconds for the whole answer of a URL.

        Raises:
            TargetError: It is unreachable, unreadable, too large or no exposition.
        """
        if "://" not in target and (not is_endpoint(target) or Path(target).exists()):
            return _read_file(target)
        url = url_of(target, secure=self._access.is_tls)
        proxy = proxy_for(url)
        return _read_url(
            _Asked(url, exposition_format, timeout, time.monotonic() + timeout, proxy), self
        )

    def open(self, asked: _Asked) -> http.client.HTTPResponse:
        """Ask a URL, and return its answer before its body is read."""
        opener = opener_for(asked.url, asked.deadline, self._contexts, asked.proxy)
        headers = {"Accept": _ACCEPT[asked.format], "Accept-Encoding": "gzip"}
        request = urllib.request.Request(with_path(asked.url), headers=headers)  # noqa: S310 - it is checked
        for name, value in self._access.secrets().items():
            # Not sent wherever a redirect leads.
            request.add_unredirected_header(name, value)
        answer: http.client.HTTPResponse = opener.open(request, timeout=asked.timeout)
        return answer

    @property
    def access(self) -> Access:
        """What it shows, and whom it trusts."""
        return self._access


def read_target(
    target: str, exposition_format: str, timeout: float, access: Access | None = None
) -> Answer:
    """Read a target once, as :meth:`Client.read` does.

    Raises:
        TargetError: As it does.
    """
    return Client(access).read(target, exposition_format, timeout)


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    format: str
    timeout: float
    deadline: float
    proxy: Proxy | None


def _read_file(path: str) -> Answer:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        missing = isinstance(error, FileNotFoundError)
        hint = "; a URL begins with http://, or is a host and a port" if missing else ""
        raise TargetError(f"{path} cannot be read: {reason}{hint}") from None
    return Answer(_decode(data))


def _read_url(asked: _Asked, client: Client) -> Answer:
    url, proxy = asked.url, asked.proxy
    try:
        with client.open(asked) as response:
            content_type = response.headers.get("Content-Type", "")
            _require_exposition(url, content_type)
            data = _read_body(
                response, asked.deadline, coding=response.headers.get("Content-Encoding")
            )
    except urllib.error.HTTPError as error:
        with error:
            said = _beginning(error)
        raise TargetError(failures.refused(url, error, said, client.access, proxy)) from None
    except TimeoutError:
        raise TargetError(failures.late(url, asked.timeout, proxy)) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TargetError(failures.late(url, asked.timeout, proxy)) from None
        sentence = failures.unreachable(url, error.reason, client.access, proxy)
        raise TargetError(sentence) from None
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise TargetError(failures.broken(url, error, client.access, proxy)) from None
    return Answer(_decode(data), content_type)


def _require_exposition(url: str, content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _READABLE:
        raise TargetError(
            f"{url} answers {media_type}, which is no exposition:"
            " is it the path of the metrics, such as /metrics?"
        )


def _beginning(answer: IO[bytes]) -> str:
    try:
        return answer.read(_SAID).decode("latin-1")
    except (OSError, http.client.HTTPException):
        return ""


def _read_body(response: http.client.HTTPResponse, deadline: float, *, coding: str | None) -> bytes:
    """Read until the end, the deadline or the limit; a slow drip is no excuse."""
    inflate = zlib.decompressobj(_GZIP) if (coding or "").lower() == "gzip" else None
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += inflate.decompress(chunk, _MAX_BYTES + 1 - len(body)) if inflate else chunk
        if len(body) > _MAX_BYTES:
            raise TargetError(f"the answer is larger than {_MAX_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length or (inflate and not inflate.eof):
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
