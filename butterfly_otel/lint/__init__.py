"""Pure rules over a catalogue or an exposition, each of which yields findings."""

from __future__ import annotations

from butterfly_otel.lint.catalog import lint_catalog
from butterfly_otel.lint.exposition import check_exposition
from butterfly_otel.lint.findings import Finding

__all__ = ["Finding", "check_exposition", "lint_catalog"]
