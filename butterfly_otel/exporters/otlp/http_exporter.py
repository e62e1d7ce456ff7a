"""OTLP by HTTP."""

from __future__ import annotations

import gzip
import ssl
import zlib
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from butterfly_otel.exporters.otlp.answers import MOST_BYTES, Answer, of_http, unpacked
from butterfly_otel.exporters.otlp.exporter import OtlpExporter
from butterfly_otel.exporters.otlp.http_client import Client, Response, basic, retry_after
from butterfly_otel.exporters.otlp.secrets import Secrets, shown
from butterfly_otel.process.forks import call_in_child
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from butterfly_otel.settings.exporters import Compression

_PACK: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


class HttpExporter(OtlpExporter):
    """Exports by OTLP/HTTP.

    Args:
        endpoint: Complete URL, with its path.
        headers: Sent with each request.
        compression: ``none``, ``gzip`` or ``deflate``, or the official exporter's name for it.
        context: For TLS; made of the authorities of this machine where there is none.
        timeout: Seconds each request may take, with connecting and all its retries.
        **settings: As for :class:`OtlpExporter`.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        headers: Mapping[str, str] | None = None,
        compression: Compression | Any = "none",  # noqa: ANN401 - the official enumerations
        context: ssl.SSLContext | None = None,
        timeout: float = 10.0,
        **settings: Any,  # noqa: ANN401 - the base class's
    ) -> None:
        named = str(getattr(compression, "value", compression))
        sender = HttpSender(endpoint, headers or {}, named, context)
        super().__init__(sender, "otlp_http_metric_exporter", timeout=timeout, **settings)


class HttpSender:
    """Takes requests to one URL.

    Attributes:
        shown: Where that is, as logs may show it.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        compression: str,
        context: ssl.SSLContext | None,
    ) -> None:
        parts = urlsplit(endpoint)
        self.shown = shown(endpoint)
        self._endpoint = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        own = {"accept-encoding": "identity", "user-agent": f"butterfly-otel/{__version__}"}
        own["content-type"] = "application/x-protobuf"
        if compression != "none":
            own["content-encoding"] = compression
        if parts.username is not None:
            own["authorization"] = basic(parts.username, parts.password or "")
        given = {name.lower(): value for name, value in headers.items()}
        self._headers = {**own, **given}
        self._secrets = Secrets(endpoint, given.items())
        self._pack = _PACK[compression]
        if parts.scheme == "https" and context is None:
            context = tls_context()
        self._client = Client(self._endpoint, context)
        call_in_child(self._client.abandon)

    def pack(self, body: bytes) -> bytes:
        """Compress."""
        return self._pack(body)

    def send(self, packed: bytes, deadline: float) -> Answer:
        """Post it."""
        try:
            response = self._client.post(packed, self._headers.items(), deadline)
        except (OSError, HTTPException) as error:
            final = isinstance(error, ssl.SSLCertVerificationError)
            return Answer(delivered=False, reason=self._told(error), retry=not final)
        except Exception as error:  # noqa: BLE001 - such as a header that can't be sent
            return Answer(delivered=False, reason=self._told(error))
        answer = self._answer(response)
        return answer._replace(reason=self._secrets.hide(answer.reason))

    def _answer(self, response: Response) -> Answer:
        headers, kind = response.headers, response.headers.get("content-type", "")
        body = unpacked(headers.get("content-encoding", "").strip().lower(), response.body)
        whole = response.whole and body is not None and len(body) <= MOST_BYTES
        if 200 <= response.status < 300 and not whole:  # noqa: PLR2004
            much = "is too long" if len(body or response.body) > MOST_BYTES else "is not complete"
            reason = f"the receiver answered {response.status}, and the body of its answer {much}"
            return Answer(delivered=False, reason=reason)
        to = headers.get("location", "")
        return of_http(
            response.status,
            response.phrase,
            kind,
            body or b"",
            retry_after(headers.get("retry-after")),
            shown(urljoin(self._endpoint, to)) if to else "",
        )

    def _told(self, error: Exception) -> str:
        return self._secrets.hide(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """End what is going on."""
        self._client.close()


def tls_context(
    certificate: Path | None = None,
    client_certificate: Path | None = None,
    client_key: Path | None = None,
) -> ssl.SSLContext:
    """Return what TLS trusts and shows.

    Without a certificate of an authority those of the machine are trusted, and those that
    ``certifi`` has where it is installed: a small container may have none of its own.

    Raises:
        OSError: When a file can't be used.
    """
    context = ssl.create_default_context(cafile=certificate)
    if certificate is None:
        try:
            import certifi  # noqa: PLC0415 - not a dependency of ours

            context.load_verify_locations(certifi.where())
        except (ImportError, OSError):
            pass
    if client_certificate is not None:
        context.load_cert_chain(client_certificate, client_key, password="")
    return context
