"""Streams within limits, and what one reader has of them."""
# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import logging
from math import isfinite
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Asynchronous
from opentelemetry.sdk.metrics._internal import (
    _view_instrument_match,
    aggregation,
    metric_reader_storage,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import DefaultAggregation

from butterfly_otel.engine.older.attributes import (
    OVERFLOW_ATTRIBUTES,
    OVERFLOW_KEY,
    Measurement,
    hash_attributes,
)
from butterfly_otel.engine.sdk_readers import DEFAULT_LIMIT
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.sdk.metrics.view import View

_logger = logging.getLogger("butterfly_otel")


_NO_ADVICE: Final = SimpleNamespace(explicit_bucket_boundaries=None)


class ViewInstrumentMatch(_view_instrument_match._ViewInstrumentMatch):
    """What a reader has of an instrument under a View, within a limit."""

    def __init__(
        self,
        view: View,
        instrument: Any,  # noqa: ANN401 - of the SDK's
        instrument_class_aggregation: dict[type, Any],
        cardinality_limit: int = DEFAULT_LIMIT,
        reset_on_collect: bool = False,  # noqa: FBT001, FBT002 - the signature of 1.45.2
    ) -> None:
        super().__init__(view, instrument, instrument_class_aggregation)
        self._cardinality_limit = cardinality_limit
        self._reset_on_collect = reset_on_collect
        self._previous_collection_start_nanos: int | None = None
        # Before 1.45 a collection forgets every last value, also one that was set by a call.
        self._keeps = (
            isinstance(self._aggregation, aggregation._LastValueAggregation)
            and not isinstance(instrument, Asynchronous)
            and not reset_on_collect
        )

    def consume_measurement(
        self,
        measurement: Any,  # noqa: ANN401 - of the SDK's
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Aggregate a measurement; past the limit, in the overflow point."""
        kept: Mapping[str, Any] = dict(measurement.attributes or {})
        keys = self._view._attribute_keys
        if keys is not None:
            kept = {key: value for key, value in kept.items() if key in keys}
        # Under the lock: a delta's collection discards the aggregations.
        with self._lock:
            found = self._aggregation_of(hash_attributes(kept), kept)
            found.aggregate(measurement, should_sample_exemplar)

    def _aggregation_of(self, key: Any, kept: Mapping[str, Any]) -> Any:  # noqa: ANN401
        known: dict[Any, Any] = self._attributes_aggregation
        if key not in known and len(known) >= self._cardinality_limit:
            key, kept = OVERFLOW_KEY, dict(OVERFLOW_ATTRIBUTES)
        if key not in known:
            own: Any = self._view._aggregation
            if isinstance(own, DefaultAggregation):
                own = self._instrument_class_aggregation[type(self._instrument)]
            start = self._previous_collection_start_nanos or timing.time_ns()
            factory = self._view._exemplar_reservoir_factory
            known[key] = own._create_aggregation(self._instrument, kept, factory, start)
        return known[key]

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points; of a delta's collection, forget the attribute sets."""
        points: list[Any] = []
        with self._lock:
            series: dict[Any, Any] = self._attributes_aggregation
            if (
                self._reset_on_collect
                and collection_aggregation_temporality is AggregationTemporality.DELTA
            ):
                self._attributes_aggregation = {}
                self._previous_collection_start_nanos = collection_start_nanos
            for each in series.values():
                value = each._value if self._keeps else None
                point = each.collect(collection_aggregation_temporality, collection_start_nanos)
                if self._keeps:
                    each._value = value
                if point is not None:
                    points.append(point)
        return points or None


class _Snapshots(dict[Any, Any]):
    """Can be added to while somebody goes through it, as before 1.40 a collection does."""

    def items(self) -> Any:  # noqa: ANN401 - a list
        return list(super().items())


class MetricReaderStorage(metric_reader_storage.MetricReaderStorage):
    """What one reader has of all instruments, with limits."""

    def __init__(
        self,
        sdk_config: Any,  # noqa: ANN401 - of the SDK's
        instrument_class_temporality: dict[type, AggregationTemporality],
        instrument_class_aggregation: dict[type, Any],
        instrument_class_cardinality_limit: dict[type, int] | None = None,
    ) -> None:
        super().__init__(sdk_config, instrument_class_temporality, instrument_class_aggregation)
        self._instrument_class_cardinality_limit = instrument_class_cardinality_limit or {}
        self._instrument_view_instrument_matches = _Snapshots()
        self._infinite: set[str] = set()

    def consume_measurement(
        self,
        measurement: Any,  # noqa: ANN401 - of the SDK's
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Pass a measurement on that has a finite value and clean attributes."""
        instrument, value = measurement.instrument, measurement.value
        if not isfinite(value):
            if instrument.name not in self._infinite:
                self._infinite.add(instrument.name)
                _logger.warning("%s: ignored the value %r (logged once)", instrument.name, value)
            return
        if not isinstance(measurement, Measurement):
            measurement = Measurement(
                value,
                measurement.time_unix_nano,
                instrument,
                measurement.context,
                measurement.attributes,
            )
        super().consume_measurement(measurement, should_sample_exemplar)

    def _get_or_init_view_instrument_match(self, instrument: Any) -> Any:  # noqa: ANN401
        known: dict[Any, Any] = self._instrument_view_instrument_matches
        if instrument in known:
            return known[instrument]
        with self._lock:
            if instrument not in known:
                made: list[Any] = []
                self._handle_view_instrument_match(instrument, made)
                default = () if made else (metric_reader_storage._DEFAULT_VIEW,)
                made.extend(self._new_view_instrument_match(view, instrument) for view in default)
                known[instrument] = made
            return known[instrument]

    def _handle_view_instrument_match(
        self,
        instrument: Any,  # noqa: ANN401 - of the SDK's
        view_instrument_matches: list[Any],
    ) -> None:
        for view in self._sdk_config.views:
            if not view._match(instrument):
                continue
            if not self._check_view_instrument_compatibility(view, instrument):
                continue
            made = self._new_view_instrument_match(view, instrument)
            for other in self._known():
                if other.conflicts(made):
                    _logger.warning(
                        "Views %s and %s will cause conflicting metrics identities",
                        other._view,
                        made._view,
                    )
            view_instrument_matches.append(made)

    def _known(self) -> Iterator[Any]:
        for matches in tuple(self._instrument_view_instrument_matches.copy().values()):
            yield from matches

    def _new_view_instrument_match(self, view: View, instrument: Any) -> Any:  # noqa: ANN401
        if not hasattr(instrument, "_advisory"):
            # Before 1.41 a histogram View looks for it in every instrument.
            instrument._advisory = _NO_ADVICE
        kind = type(instrument)
        limit: int | None = getattr(view, "_aggregation_cardinality_limit", None)
        if limit is None:
            limit = self._instrument_class_cardinality_limit.get(kind, DEFAULT_LIMIT)
        return ViewInstrumentMatch(
            view,
            instrument,
            self._instrument_class_aggregation,
            limit,
            self._instrument_class_temporality[kind] is AggregationTemporality.DELTA
            and not isinstance(instrument, Asynchronous),
        )
