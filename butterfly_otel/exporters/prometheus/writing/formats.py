"""The exposition formats and what their Content-Type says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from butterfly_otel.process.frozen import dataclass

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.model.escaping import Escaping


@dataclass(frozen=True, slots=True)
class Format:
    """An exposition format.

    Attributes:
        kind: The family of formats.
        version: Its version.
        escaping: How names outside the legacy alphabet are written.
        negotiated: Whether the scraper named that scheme, so that the answer has to as well;
            one that knows nothing of schemes gets the Content-Type it has always got.
    """

    kind: Literal["text", "openmetrics"]
    version: str
    escaping: Escaping = "underscores"
    negotiated: bool = False

    @property
    def media_type(self) -> str:
        """The media type without parameters."""
        return "text/plain" if self.kind == "text" else "application/openmetrics-text"

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        plain = f"{self.media_type}; version={self.version}; charset=utf-8"
        return f"{plain}; escaping={self.escaping}" if self.negotiated else plain


TEXT: Final = Format("text", "0.0.4")
OPENMETRICS: Final = Format("openmetrics", "1.0.0")
