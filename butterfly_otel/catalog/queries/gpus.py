"""Queries on the SDK's own metrics of GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog import gpus
from butterfly_otel.catalog.queries.model import Query

if TYPE_CHECKING:
    from butterfly_otel.catalog.model import Metric


def _own(metric: Metric, tells: str, *, always: bool = False) -> Query:
    return Query(subject=metric.name, tells=tells, expr=metric.query, own=True, always=always)


QUERIES: tuple[Query, ...] = (
    _own(
        gpus.GPU_MEMORY_ERRORS_TOTAL,
        "Errors of GPUs' memory within an hour that ECC could not correct.",
    ),
    _own(
        gpus.GPU_ROW_REMAPPING,
        "GPUs of which rows of memory wait for a reset to be replaced, or can't be.",
    ),
    _own(
        gpus.GPU_THROTTLED,
        "Share of a quarter of an hour in which each reason held a GPU's clocks.",
    ),
    _own(gpus.GPU_XID_ERRORS_TOTAL, "XID errors of each GPU within an hour, by number."),
    _own(gpus.GPU_LINK_ERRORS_TOTAL, "Errors a second on each GPU's links, by kind."),
)
