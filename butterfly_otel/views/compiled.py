"""Views: exactly one a metric, compiled from the streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation

from butterfly_otel import catalog
from butterfly_otel.engine.sdk_internals import DropTheRest, limited_view
from butterfly_otel.engine.viewing import OneName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.views.streams import Stream


def compile_views(streams: Iterable[Stream]) -> list[View]:
    """Return one View a stream, and one that drops all else on our meter.

    The SDK applies *every* View that matches an instrument and merges none of them, so the
    Views compiled here never overlap.
    """
    known = list(streams)
    rest = DropTheRest(catalog.METER_NAME, frozenset(each.metric.name for each in known))
    return [*map(_view, known), rest]


def _view(stream: Stream) -> View:
    metric = stream.metric
    if stream.dropped:
        aggregation: Any = DropAggregation()
    elif metric.type == "histogram":
        aggregation = ExplicitBucketHistogramAggregation(
            boundaries=list(stream.buckets), record_min_max=False
        )
    else:
        aggregation = None
    return limited_view(
        stream.limit,
        OneName,
        instrument_name=metric.name,
        meter_name=catalog.METER_NAME,
        attribute_keys={label.key for label in stream.labels},
        aggregation=aggregation,
    )
