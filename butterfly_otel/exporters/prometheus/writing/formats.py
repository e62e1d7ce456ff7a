"""The exposition formats and what their Content-Type says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from butterfly_otel.process.frozen import dataclass

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.model.escaping import Escaping

_MEDIA_TYPES: Final = {
    "text": "text/plain",
    "openmetrics": "application/openmetrics-text",
    "protobuf": "application/vnd.google.protobuf",
}
_DELIMITED: Final = {"proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"}


@dataclass(frozen=True, slots=True)
class Format:
    """An exposition format.

    Attributes:
        kind: The family of formats.
        version: Its version; protobuf has none.
        escaping: How names outside the legacy alphabet are written.
        negotiated: Whether the scraper named that scheme, so that the answer has to as well;
            one that knows nothing of schemes gets the Content-Type it has always got.
    """

    kind: Literal["text", "openmetrics", "protobuf"]
    version: str = ""
    escaping: Escaping = "underscores"
    negotiated: bool = False

    @property
    def media_type(self) -> str:
        """The media type without parameters."""
        return _MEDIA_TYPES[self.kind]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that tell it from others of its media type, in their order."""
        return {"version": self.version} if self.version else _DELIMITED

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        plain = "; ".join((self.media_type, *map("=".join, self.parameters.items())))
        if self.version:
            plain += "; charset=utf-8"
        return f"{plain}; escaping={self.escaping}" if self.negotiated else plain


TEXT: Final = Format("text", "0.0.4")
OPENMETRICS: Final = Format("openmetrics", "1.0.0")
PROTOBUF: Final = Format("protobuf")
