"""Pure rules over a catalogue, an exposition or a dashboard, each of which yields findings."""

from __future__ import annotations

from butterfly_otel.expositions.findings import Finding
from butterfly_otel.lint.catalog import lint_catalog
from butterfly_otel.lint.dashboards import lint_dashboard
from butterfly_otel.lint.exposition import check_exposition

__all__ = ["Finding", "check_exposition", "lint_catalog", "lint_dashboard"]
