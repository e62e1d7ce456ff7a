"""Where to listen for OTLP, and by which protocol."""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from butterfly_otel.lint.expositions.fetch.errors import TargetError

_HOST = "127.0.0.1"


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        protocol: ``grpc`` or ``http``.
        host: The host, without the brackets of IPv6.
        port: The port; 0 takes a free one.
    """

    protocol: Literal["grpc", "http"]
    host: str
    port: int

    @property
    def place(self) -> str:
        """The host and the port, as exporters want them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"http://{self.place}" if self.protocol == "http" else self.place


def parse_address(text: str) -> Address:
    """Read ``host:port`` or ``grpc://host:port`` for gRPC, ``http://host:port`` for HTTP.

    Without a host, that is this machine alone.

    Raises:
        TargetError: When it is none of these.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "grpc", text
    if rest.isdecimal():
        rest = f":{rest}"
    if scheme == "https":
        raise TargetError(f"--otlp {text}: TLS is not spoken here; listen on http://{rest}")
    try:
        host, port = (parts := urlsplit(f"//{rest}")).hostname, parts.port
    except ValueError:
        host = port = None
    # Neither a user nor a path.
    plain = "@" not in rest and not set("/?#").intersection(rest.rstrip("/"))
    if port is None or not plain or scheme not in ("grpc", "http"):
        raise TargetError(
            f"--otlp {text}: it must be host:port for gRPC, such as {_HOST}:4317, or"
            f" http://host:port, such as http://{_HOST}:4318"
        )
    return Address("http" if scheme == "http" else "grpc", host or _HOST, port)
