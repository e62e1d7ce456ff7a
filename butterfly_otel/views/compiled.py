"""Views: exactly one a metric, compiled from the streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation

from butterfly_otel.engine.sdk_internals import DropTheRest, limited_view
from butterfly_otel.engine.viewing import OneName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.views.streams import Stream


def compile_views(streams: Iterable[Stream]) -> list[View]:
    """Return one View a stream, and for each contract's meter one that drops all else on it.

    The SDK applies *every* View that matches an instrument and merges none of them, so the
    Views compiled here never overlap.
    """
    known = list(streams)
    names: dict[str, set[str]] = {}
    for each in known:
        names.setdefault(each.meter, set()).add(each.metric.name)
    rest = (DropTheRest(meter, frozenset(found)) for meter, found in names.items())
    return [*map(_view, known), *rest]


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
