"""Views: exactly one a metric, compiled from the streams, and those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation

from butterfly_otel import catalog
from butterfly_otel.engine.sdk_internals import DropTheRest, limited_view
from butterfly_otel.engine.viewing import OneName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.views.others import OtherView
    from butterfly_otel.views.streams import Stream


def compile_views(
    streams: Iterable[Stream], others: Iterable[OtherView] = (), given: Iterable[View] = ()
) -> list[View]:
    """Return one View a stream, one that drops all else on our meter, and those of others.

    Args:
        streams: What is exported of the contract.
        others: Views of files for what is outside it.
        given: The application's own, for the same.

    The SDK applies *every* View that matches an instrument and merges none of them, so those of
    the contract never overlap. Those of others do as they were written.
    """
    known = list(streams)
    rest = DropTheRest(catalog.METER_NAME, frozenset(each.metric.name for each in known))
    ours = [*map(_view, known), rest]
    ours += (each.compiled() for each in others)
    if views := list(given):
        from butterfly_otel.views.others import given_views  # noqa: PLC0415 - only for those

        ours += given_views(views)
    return ours


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
