"""Why an endpoint could not be read, in one sentence that says how to mend it."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import urllib.error

    from butterfly_otel.lint.expositions.fetch.access import Access
    from butterfly_otel.lint.expositions.fetch.proxies import Proxy

#: As OpenSSL numbers what is wrong with a certificate (x509_vfy.h).
_NOT_YET, _EXPIRED = 9, 10
_WRONG_HOST = {62, 63, 64}
_UNTRUSTED = {2, 18, 19, 20, 21}
#: What servers say, on whose side the certificate is the client's.
_NO_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "NO_CERTIFICATE")
_BAD_CERTIFICATE = (
    "UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "UNSUPPORTED_CERTIFICATE",
    "DECRYPT_ERROR",
    "ACCESS_DENIED",
)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
_HUNG_UP = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_NO_COMMON = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "NO_PROTOCOLS")


def late(url: str, timeout: float, proxy: Proxy | None) -> str:
    """Return the sentence on an answer that did not come in time."""
    return f"{url} did not answer within {timeout:g} s (--timeout){_through(proxy)}"


def unreachable(url: str, error: object, access: Access, proxy: Proxy | None) -> str:
    """Return the sentence on an endpoint to which there was no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(url, error, access)
    if isinstance(error, ssl.SSLError):
        return _no_tls(url, error, access)
    reason = getattr(error, "strerror", None) or error
    # An endpoint that refuses a client's certificate may hang up before its reason is read.
    hung_up = isinstance(error, _HUNG_UP) and url.startswith("https://")
    hint = _perhaps(access) if hung_up else ""
    return f"{url} cannot be reached{_through(proxy)}: {reason}{hint}{_mend(proxy)}"


def broken(url: str, error: Exception, access: Access, proxy: Proxy | None) -> str:
    """Return the sentence on an answer that did not come to its end."""
    if isinstance(error, ssl.SSLError):
        return _no_tls(url, error, access)
    reason = str(error) or type(error).__name__
    hint = ""
    if isinstance(error, (ConnectionError, http.client.BadStatusLine)):
        if url.startswith("http://") and proxy is None:
            hint = "; where it speaks TLS, use https://"
        elif url.startswith("https://"):
            hint = _perhaps(access)
        if isinstance(error, http.client.BadStatusLine) and not reason.isprintable():
            # The beginning of TLS's own answer, say.
            reason = "it does not speak HTTP"
    return f"{url} broke off its answer{_through(proxy)}: {reason}{hint}{_mend(proxy)}"


def refused(
    url: str, error: urllib.error.HTTPError, said: str, access: Access, proxy: Proxy | None
) -> str:
    """Return the sentence on an answer that is no success.

    Args:
        url: What was asked.
        error: The answer.
        said: The beginning of its body.
        access: What was shown.
        proxy: What it may have come from.
    """
    answers = f"{url} answers {error.code} {error.reason}".rstrip()
    if error.code == http.HTTPStatus.UNAUTHORIZED:
        return f"{answers}: {_unauthorized(error, access)}"
    if error.code == http.HTTPStatus.FORBIDDEN and proxy is None:
        return f"{answers}: who was shown to it may not read this; show another user or token"
    if error.code == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and proxy is not None:
        return f"{answers}: {proxy} wants a password; put it into the variable, or use no_proxy"
    if error.code == http.HTTPStatus.BAD_REQUEST and "HTTPS" in said and proxy is None:
        return f"{answers}: it speaks TLS; use https://"
    if error.code == http.HTTPStatus.NOT_FOUND:
        return f"{answers}: give the path of its metrics, such as /metrics{_through(proxy)}"
    return f"{answers}{_through(proxy)}{_mend(proxy)}"


def _through(proxy: Proxy | None) -> str:
    return "" if proxy is None else f" through {proxy}"


def _mend(proxy: Proxy | None) -> str:
    return "" if proxy is None else "; for a host that needs no proxy, add it to no_proxy"


def _unauthorized(error: urllib.error.HTTPError, access: Access) -> str:
    if access.bearer_file is not None:
        return f"it does not know the token in {access.bearer_file}; put the right one there"
    if access.user is not None:
        return f"it does not know the user {access.user!r} with that password; correct them"
    if any(name.lower() == "authorization" for name in access.headers):
        return "it does not accept the header Authorization; correct it"
    asked = error.headers.get_all("WWW-Authenticate") or []
    wanted = {each.partition(" ")[0].lower() for each in asked}
    if wanted == {"bearer"}:
        return "it asks for a token; give --bearer-file"
    if wanted == {"basic"}:
        return "it asks for a password; give --user and --password-file"
    return "it asks who you are; give --user and --password-file, or --bearer-file"


def _untrusted(url: str, error: ssl.SSLCertVerificationError, access: Access) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return f"the certificate of {url} has expired; renew it, or correct this machine's clock"
    if code == _NOT_YET:
        return f"the certificate of {url} is not valid yet; correct the clock of either machine"
    if code in _WRONG_HOST:
        return (
            f"the certificate of {url} is for another host; use a name that is in it,"
            " or have it issued for this one"
        )
    if code in _UNTRUSTED and access.ca:
        return (
            f"the certificate of {url} is not signed by an authority in {access.ca};"
            " give the file of the one that signed it by --ca"
        )
    if code in _UNTRUSTED:
        return (
            f"the certificate of {url} is signed by an authority that this system does not"
            " trust; give that authority's file by --ca"
        )
    return (
        f"the certificate of {url} can't be trusted: {error.verify_message};"
        " replace it, or give another --ca"
    )


def _no_tls(url: str, error: ssl.SSLError, access: Access) -> str:
    reason = (error.reason or "").upper()
    if any(each in reason for each in _NO_TLS):
        return f"{url} does not speak TLS; use http://"
    if any(each in reason for each in _NO_COMMON):
        return f"{url} speaks no version of TLS that this Python speaks; have it speak TLS 1.2"
    if any(each in reason for each in _NO_CERTIFICATE):
        if not access.cert:
            return f"{url} wants a certificate of its clients; give --cert and --key"
        return f"{url} does not accept the certificate {access.cert}; give one that it knows"
    if any(each in reason for each in _BAD_CERTIFICATE):
        shown = access.cert or "that was shown"
        return (
            f"{url} does not accept the certificate {shown} ({reason.lower()});"
            " give one that is valid and signed by an authority that it trusts"
        )
    # Some end the connection without a word.
    return f"{url} can't be spoken to by TLS: {error.reason or error}{_perhaps(access)}"


def _perhaps(access: Access) -> str:
    """Return what may be wrong, where an endpoint that speaks TLS has just hung up."""
    if not access.cert:
        return "; where it wants a certificate of its clients, give --cert and --key"
    return f"; where it does not accept the certificate {access.cert}, give one that it knows"
