"""The observable handles of the SDK's own metrics.

What the SDK reports of itself by counters bypasses label enforcement, which would count its
own counting. Its observables are handles like any other, so that they have the node's name by
default and keep to their budgets. They have no typed class: nobody but the package observes them.
"""

from __future__ import annotations

from butterfly_otel import catalog
from butterfly_otel.handles.handles import ObservableHandle

#: All of them.
OWN: tuple[ObservableHandle, ...] = tuple(
    ObservableHandle(metric.name)
    for metric in catalog.EXTENSIONS
    if metric.instrument.startswith("observable")
)
