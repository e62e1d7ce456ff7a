"""From what a user writes to the URL that is asked."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

from butterfly_otel.lint.expositions.fetch.errors import TargetError

#: A host and a port as Prometheus' targets have them, and perhaps a path: no blanks, no scheme.
_ENDPOINT = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[A-Za-z0-9_.-]*):(?P<port>[0-9]{1,5})"
    r"(?P<rest>[/?][\x21-\x7e]*)?"
)
_METRICS = "/metrics"


def is_endpoint(target: str) -> bool:
    """Tell whether a target is a URL, or a host and a port without a scheme."""
    return "://" in target or _ENDPOINT.fullmatch(target) is not None or _is_bare_ipv6(target)


def url_of(target: str, *, secure: bool = False) -> str:
    """Return the URL of an endpoint, without a path where it was given none.

    Args:
        target: A URL, or a host and a port, ``:9464`` being this machine's.
        secure: Whether one without a scheme is asked by https.

    Raises:
        TargetError: When it is no URL that can be asked.
    """
    if "://" not in target:
        target = f"{'https' if secure else 'http'}://{_with_host(target)}"
    parts = _split(target)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError(f"{target} is no URL that can be asked: http://… and https://… can")
    if parts.username is not None or parts.password is not None:
        # It is not repeated: it may have a password.
        raise TargetError(
            f"a URL of {parts.hostname} has a user in it, which is shown wherever the URL is:"
            " take it out, and use --user with --password-file"
        )
    if not target.isascii() or not target.isprintable() or " " in target:
        raise TargetError(f"{target!r} is no URL: percent-encode what is neither letter nor sign")
    return parts.geturl()


def with_path(url: str) -> str:
    """Return a URL that has a path: that of the metrics, where it had none."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path or _METRICS).geturl()


def _with_host(target: str) -> str:
    if _is_bare_ipv6(target):
        raise TargetError(
            f"{target} is an IPv6 address without brackets, so its port can't be told:"
            " write [address]:port"
        )
    return f"localhost{target}" if target.startswith(":") else target


def _is_bare_ipv6(target: str) -> bool:
    try:
        IPv6Address(target)
    except ValueError:
        return False
    return True


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise TargetError(f"{url} is no URL: {error}") from None
    return parts
