"""What is served beside the metrics: requests, responses, and the routes from one to the other.

A page, its data or a health check is a :class:`Route` in a :data:`Site`; what a request must
have to be answered is a :class:`Gate`'s to say. :mod:`.app` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol, TypeAlias, runtime_checkable

from butterfly_otel.process.frozen import dataclass

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        method: The method, in capitals.
        path: The decoded path, without the query.
        query: The query, without its question mark.
        headers: The headers by lower-case name.
        client: The address of who has sent it; empty where it is not known.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    client: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A response; to a HEAD request the body is not sent, but its length is told.

    A route need not tell the length, nor compress: both are done for it.
    """

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """What is at a path, for GET and HEAD.

    Attributes:
        answer: Makes the response; called on many threads at once. What it raises is logged
            and answered by 500.
        public: Whether it is answered without authentication.
        html_only: Whether it is taken only where the Accept header prefers ``text/html``, as
            browsers do; otherwise the path is what it would be without this route.
    """

    answer: Callable[[Request], Response]
    public: bool = False
    html_only: bool = False


#: Routes by their exact path, such as ``/`` and ``/-/healthy``.
Site: TypeAlias = Mapping[str, Route]


class Gate(Protocol):
    """Decides who gets an answer."""

    def refuse(self, request: Request) -> Response | None:
        """Return the response that refuses a request; None lets it pass. Thread-safe."""
        ...


@runtime_checkable
class Adorning(Gate, Protocol):
    """A gate that has something to add to every response, such as headers."""

    def adorn(self, response: Response) -> Response:
        """Return the response as it is to be sent. Thread-safe."""
        ...


def plain(status: str, sentence: str) -> Response:
    """Return a response of one line of text."""
    body = f"{sentence}\n".encode("utf-8", "replace")
    headers = (("Content-Type", _TEXT), ("Content-Length", str(len(body))))
    return Response(status, headers, body)
