"""Pure rules that yield findings: over a catalogue, a dashboard, an exposition; a room for each.

A new rule is a function in the module of its subject and an entry in the tuple at that module's
end. Nothing here measures, prints or raises over what it looks at. May import: ``catalog``,
``errors``, the standard library.
"""

from __future__ import annotations

from butterfly_otel.lint.contract.catalog import lint_catalog
from butterfly_otel.lint.dashboards import lint_dashboard
from butterfly_otel.lint.expositions.check import check_exposition
from butterfly_otel.lint.findings import Finding

__all__ = ["Finding", "check_exposition", "lint_catalog", "lint_dashboard"]
