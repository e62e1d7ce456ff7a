"""Which proxy a request goes through, and who says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes:
        url: Where it is.
        source: Who names it: a variable, or the system.
    """

    url: str
    source: str

    def __str__(self) -> str:
        """Describe it without its password."""
        parts = urlsplit(self.url)
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return f"the proxy {shown} ({self.source})"


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy that the environment wants for a URL; none for this machine itself."""
    parts = urlsplit(url)
    found = getproxies().get(parts.scheme)
    if not found or _is_local(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    # Without a scheme, as curl takes it.
    return Proxy(found if "://" in found else f"http://{found}", _source(parts.scheme))


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _source(scheme: str) -> str:
    name = f"{scheme}_proxy"
    for variable in (name, name.upper()):
        if os.environ.get(variable):
            return variable
    return "the settings of this system"
