"""Views: exactly one a metric, compiled from the streams, and those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation

from butterfly_otel.engine.sdk_internals import DropTheRest, limited_view
from butterfly_otel.engine.viewing import OneName
from butterfly_otel.views.protected import Protected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.views.others import OtherView
    from butterfly_otel.views.streams import Stream


def compile_views(
    streams: Iterable[Stream], others: Iterable[OtherView] = (), given: Iterable[View] = ()
) -> list[View]:
    """Return one View a stream, one a contract's meter that drops all else, and others.

    Args:
        streams: What is exported of the contract.
        others: Views of files for what is outside it.
        given: The application's own, for the same.

    The SDK applies *every* View that matches an instrument and merges none of them, so those of
    the contract never overlap. Those of others do as they were written.
    """
    known = list(streams)
    names: dict[str, set[str]] = {}
    for each in known:
        names.setdefault(each.meter, set()).add(each.metric.name)
    rest = (DropTheRest(meter, frozenset(found)) for meter, found in names.items())
    ours = [*map(_view, known), *rest]
    protected = Protected.of(known)
    ours += (each.compiled(protected) for each in others)
    if views := list(given):
        from butterfly_otel.views.others import given_views  # noqa: PLC0415 - only for those

        ours += given_views(views, protected)
    return ours


def _view(stream: Stream) -> View:
    metric = stream.metric
    if stream.dropped:
        aggregation: Any = DropAggregation()
    elif metric.type == "histogram":
        aggregation = ExplicitBucketHistogramAggregation(
            boundaries=list(stream.buckets) or None, record_min_max=False
        )
    else:
        aggregation = None
    return limited_view(
        stream.limit,
        OneName,
        instrument_name=metric.name,
        meter_name=stream.meter,
        attribute_keys={label.key for label in stream.labels},
        aggregation=aggregation,
    )
