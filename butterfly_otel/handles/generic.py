"""Handles of metrics that no rendered module has one for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from butterfly_otel.handles.handles import ObservableHandle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.catalog.model import Catalog, Metric


@lru_cache(maxsize=1024)
def observable(metric: Metric) -> ObservableHandle:
    """Return the handle on which sources observe a metric; the same one each time."""
    return ObservableHandle(metric)


def unrendered(catalogs: Iterable[Catalog]) -> tuple[ObservableHandle, ...]:
    """Return handles of all observable metrics that their contract has none for."""
    return tuple(
        observable(metric)
        for each in catalogs
        for metric in each.metrics
        if metric.observable and all(handle.metric != metric for handle in each.handles)
    )
