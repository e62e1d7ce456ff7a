"""The head of an HTTP/1 request, read as strictly as RFC 9112 asks a server to.

What two parties may read differently is refused: that is how requests are smuggled past a proxy.
A missing ``Host`` is let pass, since nothing here depends on it and simple clients send none.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Final

from butterfly_otel.process.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Lines(Protocol):
        """Where a request comes from."""

        def readline(self, size: int, /) -> bytes:
            """Return a line with its end, or as much of it as that."""
            ...


#: Bytes a line may have, and lines a head.
_LONGEST_LINE: Final = 16_384
_MOST_LINES: Final = 100

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
_NAME = _METHOD
#: Printable, blanks, and what is beyond ASCII; no other control character.
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile("[0-9]+")
#: Before the path of a request that could also go to a proxy (RFC 9112, section 3.2.2).
_ABSOLUTE = re.compile("https?://[^/?#]*", re.IGNORECASE)
#: What may come once only, or what is meant is anybody's guess.
_SINGLE: Final = {"host", "transfer-encoding"}
#: A longer number is no length that anybody sends, and int() refuses very long ones.
_MOST_DIGITS: Final = 18


class RefusedError(Exception):
    """A request that can't be answered; the connection has to end.

    Attributes:
        status: The status of the answer.
        sentence: Why.
    """

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body.

    Attributes:
        method: The method, as it was sent.
        path: The path, as it was sent; ``*`` and an absolute target have become one.
        query: The query, without its question mark.
        headers: The headers by lower-case name, repeated ones joined.
        keeps: Whether the connection may go on after the answer.
        length: Bytes of the body; None where they aren't told beforehand.
        expects: Whether the client waits for a word before it sends the body.
    """

    method: str
    path: str
    query: str
    keeps: bool
    length: int | None
    expects: bool
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def read_head(source: Lines) -> Head | None:
    """Read a request up to its body; None where the client has gone before it was whole.

    Raises:
        RefusedError: When it is no request, or one that must not be answered otherwise.
    """
    line = _line(source, "414 URI Too Long")
    if line == b"":
        # One may come before a request (RFC 9112, section 2.2).
        line = _line(source, "414 URI Too Long")
    if line is None:
        return None
    method, target, minor = _request_line(line)
    headers = _headers(source)
    if headers is None:
        return None
    path, query = _split(target, method)
    length = _length(headers)
    expectation = headers.get("expect", "").lower()
    if expectation not in {"", "100-continue"}:
        raise RefusedError("417 Expectation Failed", "This expectation can't be met.")
    connection = {each.strip() for each in headers.get("connection", "").lower().split(",")}
    return Head(
        method,
        path,
        query,
        keeps=minor > 0 and "close" not in connection,
        length=length,
        expects=bool(expectation) and minor > 0 and length != 0,
        headers=headers,
    )


def _bad(sentence: str) -> RefusedError:
    return RefusedError("400 Bad Request", sentence)


def _line(source: Lines, too_long: str) -> bytes | None:
    """Return a line without its end; None at the end of everything."""
    line = source.readline(_LONGEST_LINE + 2)
    if not line.endswith(b"\n"):
        if len(line) > _LONGEST_LINE:
            raise RefusedError(too_long, "A line of the request is too long.")
        return None
    return line[:-2] if line.endswith(b"\r\n") else line[:-1]


def _request_line(line: bytes) -> tuple[str, str, int]:
    parts = line.split(b" ")
    if len(parts) != 3:  # noqa: PLR2004 - method, target, version
        raise _bad("The request line is not a method, a target and a version.")
    method, target, version = parts
    spoken = _VERSION.fullmatch(version)
    if spoken is None:
        raise _bad("The request line ends in no version of HTTP.")
    if spoken[1] != b"1":
        raise RefusedError(
            "505 HTTP Version Not Supported", "Only version 1 of HTTP is spoken here."
        )
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise _bad("The request line has characters that it must not have.")
    return method.decode("ascii"), target.decode("ascii"), int(spoken[2])


def _headers(source: Lines) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = _line(source, "431 Request Header Fields Too Large")
        if not line:
            return found if line == b"" else None
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            # A blank before the colon, a folded line, NUL and a bare CR among them.
            raise _bad("A header line is not a name, a colon and a value.")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        if key in found and key in _SINGLE:
            raise _bad(f"The header {key} comes more than once.")
        found[key] = f"{found[key]}, {text}" if key in found else text
    raise RefusedError("431 Request Header Fields Too Large", "There are too many headers.")


def _split(target: str, method: str) -> tuple[str, str]:
    if target == "*" and method == "OPTIONS":
        return "/", ""
    absolute = _ABSOLUTE.match(target)
    if absolute is None and target[:1] != "/" and method != "CONNECT":
        raise _bad("The target is neither a path nor a URL.")
    path, _, query = (target[absolute.end() :] if absolute else target).partition("?")
    return path, query


def _length(headers: Mapping[str, str]) -> int | None:
    coding = headers.get("transfer-encoding")
    told = headers.get("content-length")
    if coding is not None:
        if told is not None:
            raise _bad("A body has either a length or a transfer coding.")
        if coding.lower() != "chunked":
            raise RefusedError("501 Not Implemented", "This transfer coding is not known here.")
        return None
    if told is None:
        return 0
    # The same one several times is one (RFC 9110, section 8.6).
    lengths = {each.strip(" \t") for each in told.split(",")}
    [length, *others] = lengths
    if others or not _LENGTH.fullmatch(length):
        raise _bad("The Content-Length is no length.")
    return int(length) if len(length) <= _MOST_DIGITS else None
