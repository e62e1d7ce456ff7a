"""The handles on which sources are observed: the application's, and those of our own metrics.

What the SDK reports of itself by counters bypasses label enforcement, which would count its
own counting. Its observables are handles like any other, so that they have the node's name by
default and keep to their budgets. They have no typed class: nobody but collectors observes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import metrics
from butterfly_otel.catalog import telemetry
from butterfly_otel.handles.handles import ObservableHandle

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Observable handles of the SDK's own metrics.
OWN: tuple[ObservableHandle, ...] = tuple(
    ObservableHandle(metric.name)
    for metric in telemetry.METRICS
    if metric.instrument.startswith("observable")
)
#: Every observable handle by the name of its metric.
BY_NAME: Mapping[str, ObservableHandle] = {
    handle.metric.name: handle
    for handle in (*metrics.ALL, *OWN)
    if isinstance(handle, ObservableHandle)
}
