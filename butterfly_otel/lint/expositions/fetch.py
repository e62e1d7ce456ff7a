"""Reading what a command is to look at: a URL, a file or standard input."""

from __future__ import annotations

import http.client
import sys
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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
_GZIP = 16 + zlib.MAX_WBITS


class TargetError(Exception):
    """What was asked for cannot be read; the message is a whole sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read. ``content_type`` is None where it did not come by HTTP."""

    text: str
    content_type: str | None = None


def read_target(target: str, exposition_format: str, timeout: float) -> Answer:
    """Read a URL, a file, or ``-`` for standard input.

    Bytes that are no UTF-8 become lone surrogates.

    Args:
        target: The URL, path, or ``-``.
        exposition_format: ``auto``, ``text`` or ``openmetrics``: what to ask a URL for.
        timeout: Seconds for the whole answer of a URL.

    Raises:
        TargetError: It is unreachable, unreadable, too large or no exposition.
    """
    if "://" in target:
        return _read_url(target, exposition_format, timeout)
    try:
        data = sys.stdin.buffer.read() if target == "-" else Path(target).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "; a URL begins with http://" if isinstance(error, FileNotFoundError) else ""
        raise TargetError(f"{target} cannot be read: {reason}{hint}") from None
    return Answer(_decode(data))


def _read_url(url: str, exposition_format: str, timeout: float) -> Answer:
    deadline = time.monotonic() + timeout
    try:
        request = _request(url, exposition_format)
        # The scheme is http or https, and urllib follows redirects to no other but ftp.
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            content_type = response.headers.get("Content-Type", "")
            media_type = content_type.partition(";")[0].strip().lower()
            if media_type not in _READABLE:
                raise TargetError(
                    f"{url} answers {media_type}, which is no exposition:"
                    " is it the path of the metrics, such as /metrics?"
                )
            gzipped = response.headers.get("Content-Encoding", "").lower() == "gzip"
            data = _read_body(response, deadline, gzipped=gzipped)
    except urllib.error.HTTPError as error:
        error.close()
        raise TargetError(f"{url} answers {error.code} {error.reason}") from None
    except TimeoutError:
        raise TargetError(f"{url} did not answer within {timeout:g} s (--timeout)") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TargetError(f"{url} did not answer within {timeout:g} s (--timeout)") from None
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise TargetError(f"{url} cannot be reached: {reason}") from None
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise TargetError(
            f"{url} broke off its answer: {str(error) or type(error).__name__}"
        ) from None
    return Answer(_decode(data), content_type)


def _request(url: str, exposition_format: str) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise TargetError(f"{url} is no URL: {error}") from None
    if scheme not in ("http", "https") or not host:
        raise TargetError(f"{url} is no URL that can be asked: http://… and https://… can")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise TargetError(f"{url!r} is no URL: percent-encode what is neither letter nor sign")
    if not parts.path:
        url = parts._replace(path="/metrics").geturl()
    headers = {"Accept": _ACCEPT[exposition_format], "Accept-Encoding": "gzip"}
    return urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked above


def _read_body(response: http.client.HTTPResponse, deadline: float, *, gzipped: bool) -> bytes:
    """Read until the end, the deadline or the limit; a slow drip is no excuse."""
    inflate = zlib.decompressobj(_GZIP) if gzipped else None
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
