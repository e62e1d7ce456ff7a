"""Lint rules over a Grafana dashboard's JSON, ours or anybody's.

The rules are those of grafana/dashboard-linter where it has one, under its names, and some of
ours: its regular expressions know nothing of types, and our catalogue does. That an expression
is PromQL at all is for promtool to say. A rule is a function of the board and an entry of its
module's ``RULES``. May import: ``catalog``, ``lint.findings``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog import BUTTERFLY
from butterfly_otel.lint.dashboards import panels, targets
from butterfly_otel.lint.dashboards.parts import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from butterfly_otel.catalog.model import Catalog
    from butterfly_otel.lint.findings import Finding

    BoardRule = Callable[[Board], Iterator[Finding]]

#: Every rule.
RULES: tuple[BoardRule, ...] = (*panels.RULES, *targets.RULES)


def lint_dashboard(document: Mapping[str, Any], contract: Catalog = BUTTERFLY) -> list[Finding]:
    """Return what the rules have against a dashboard; nothing where it is as it should be.

    Args:
        document: Its JSON, as Grafana imports and exports it (schema version 1, not 2).
        contract: Whose metrics it shows; its name is a tag of it.
    """
    board = Board(document, contract)
    return [finding for rule in RULES for finding in rule(board)]
