"""Grafana dashboards of the contract: an overview and one a category, as plain data.

:func:`dashboards` is pure: the same options give the same dashboards. Turning one into Grafana's
JSON is :mod:`butterfly_otel.operate.dashboards.grafana`, the only module that needs the extra
``dashboards``.

A panel is an entry in the module of its dashboard. May import: ``operate.rules``, ``catalog``,
``errors``.
"""

from __future__ import annotations

from butterfly_otel.operate.dashboards import (
    byzantine,
    checkpoint,
    communication,
    computation,
    consensus,
    coordination,
    overview,
    requests,
    resources,
)
from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target, Variable
from butterfly_otel.operate.dashboards.options import Options

__all__ = [
    "SLUGS",
    "Dashboard",
    "Options",
    "Panel",
    "Row",
    "Step",
    "Target",
    "Variable",
    "dashboards",
]

#: In the specification's order, the overview first.
_MODULES = (
    overview,
    requests,
    consensus,
    computation,
    communication,
    resources,
    checkpoint,
    coordination,
    byzantine,
)
#: Their names, which are known without rendering them.
SLUGS: tuple[str, ...] = tuple(module.__name__.rpartition(".")[2] for module in _MODULES)


def dashboards(options: Options | None = None) -> tuple[Dashboard, ...]:
    """Return every dashboard, the overview first."""
    chosen = options or Options()
    return tuple(module.dashboard(chosen) for module in _MODULES)
