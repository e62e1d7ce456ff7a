"""The URL that metrics are pushed to, and secrets in URLs and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.settings.kinds import Given, Kind, Others, pairs, text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

#: For all signals: for HTTP, the path of metrics is added to it.
SHARED_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
_METRICS_PATH: Final = "/v1/metrics"

_SCHEME: Final = "[A-Za-z][A-Za-z0-9+.-]*://"
_HEADER_NAME: Final = "[0-9A-Za-z_.-]+"
_HEADER_VALUE: Final = "[ -~]*"


def default_endpoint(other: Others) -> str:
    """Return the OTLP exporter specification's default, a receiver on this machine."""
    protocol: str = other("otlp_protocol")
    return f"http://localhost:{_PORTS[protocol]}{'' if protocol == 'grpc' else _METRICS_PATH}"


def _endpoint(given: Given) -> str:
    """Return the complete URL, built as the OTLP exporter specification says.

    Given for metrics alone, it is used as it is; given for all signals, ``/v1/metrics`` is
    added to it for HTTP. For gRPC, ``host:port`` is one as well, over TLS unless that is
    declined. The scheme is in lower case.
    """
    protocol: str = given.other("otlp_protocol")
    grpc = protocol == "grpc"
    shared = not given.passed and given.variable == SHARED_ENDPOINT
    value = text(given)
    if grpc and "://" not in value:
        value = f"{'http' if given.other('otlp_insecure') else 'https'}://{value}"
    parts = _http(value)
    if parts is None:
        like = f"http://collector:{_PORTS[protocol]}{'' if grpc or shared else _METRICS_PATH}"
        raise given.wrong(f"it must be a URL such as {like}")
    if grpc and "@" in parts.netloc:
        raise ConfigurationError(
            f"{given.place} has a user's name or password in it, which gRPC can't send; leave it"
            " out, and pass a token in otlp_headers"
        )
    if shared and not grpc:
        return parts._replace(path=parts.path.rstrip("/") + _METRICS_PATH).geturl()
    return parts.scheme + value[len(parts.scheme) :]


def _http(value: str) -> SplitResult | None:
    """Return the parts of a URL; None where it is not one of HTTP."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def _headers(given: Given) -> tuple[tuple[str, str], ...]:
    """Return headers, lower-cased and sorted."""
    found = pairs(given)
    for key, value in found.items():
        if not re.fullmatch(_HEADER_NAME, key) or not re.fullmatch(_HEADER_VALUE, value):
            raise ConfigurationError(
                f"{given.place} has {_name_alone(key, given)!r}, which can't be sent: a name is"
                " letters, digits and hyphens, a value printable ASCII"
            )
    return tuple(sorted((key.lower(), value) for key, value in found.items()))


def _name_alone(key: str, given: Given) -> str:
    """Return a header's name without what may be the value, as in ``authorization: token==``."""
    if given.passed:
        return key.partition(":")[0]
    return found[0] if (found := re.match(_HEADER_NAME, key)) else ""


ENDPOINT: Final = Kind(_endpoint, "str")
HEADERS: Final = Kind(_headers, "Mapping[str, str]", "key=value,key=value")


def url_without_secrets(value: object) -> str:
    """Show a URL, or what was meant to be one, without user, password, query and fragment."""
    if not isinstance(value, str):
        return f"of type {type(value).__name__}"
    scheme = found[0] if (found := re.match(_SCHEME, value)) else ""
    rest = value[len(scheme) :]
    head = re.split("[?#]", rest, maxsplit=1)[0]
    query = "?***" if head != rest else ""
    if "@" in rest[len(head) :]:
        # Of a query or of a password that has a question mark itself: nobody can tell.
        return repr(f"{scheme}***")
    _, user, place = head.rpartition("@")
    return repr(f"{scheme}{'***@' if user else ''}{place}{query}")


def pairs_without_values(value: object) -> str:
    """Show the keys of pairs."""
    if isinstance(value, Mapping):
        value = tuple(cast("Mapping[object, object]", value).items())
    if not isinstance(value, tuple):
        return f"of type {type(value).__name__}"
    listed = cast("Iterable[tuple[object, object]]", value)
    return repr(tuple((key, "***") for key, _ in listed))
