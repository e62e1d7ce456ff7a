"""The exposition formats and what their Content-Type says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Format:
    """An exposition format.

    Attributes:
        kind: The family of formats.
        version: Its version.
        utf8: Whether names outside the legacy alphabet may be quoted instead of escaped.
    """

    kind: Literal["text", "openmetrics"]
    version: str
    utf8: bool = False

    @property
    def media_type(self) -> str:
        """The media type without parameters."""
        return "text/plain" if self.kind == "text" else "application/openmetrics-text"

    def content_type(self, *, quoted_names: bool = False) -> str:
        """Return the Content-Type header.

        Args:
            quoted_names: Whether the body has names that only a UTF-8 scraper can read; only
                then does the escaping scheme differ from the default and need a word.
        """
        plain = f"{self.media_type}; version={self.version}; charset=utf-8"
        return f"{plain}; escaping=allow-utf-8" if quoted_names else plain


TEXT: Final = Format("text", "0.0.4")
OPENMETRICS: Final = Format("openmetrics", "1.0.0")
