"""The handles on which sources are observed: the application's, and those of our own metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import metrics
from butterfly_otel.handles.generic import unrendered
from butterfly_otel.handles.handles import ObservableHandle
from butterfly_otel.handles.own import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from butterfly_otel.catalog.model import Catalog

#: Every observable handle by the name of its metric.
BY_NAME: Mapping[str, ObservableHandle] = {
    handle.metric.name: handle
    for handle in (*metrics.ALL, *OWN)
    if isinstance(handle, ObservableHandle)
}


def observable(catalogs: Iterable[Catalog]) -> Mapping[str, ObservableHandle]:
    """Return every observable handle by the name of its metric, those of other contracts too."""
    known = tuple(catalogs)
    others = (*(handle for each in known for handle in each.handles), *unrendered(known))
    return {
        **{each.metric.name: each for each in others if isinstance(each, ObservableHandle)},
        **BY_NAME,
    }
