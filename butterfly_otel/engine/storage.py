"""What one reader has of all instruments."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import View

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import LastValueCell, SumCell
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.engine.kinds import CELL_CLASSES
from butterfly_otel.engine.observables import OBSERVABLE_CLASSES
from butterfly_otel.engine.observed import ObservedDeltas, ObservedStream
from butterfly_otel.engine.sdk_readers import limits_by_class
from butterfly_otel.engine.stock import StockStream
from butterfly_otel.engine.streams import CellStream, cell_class
from butterfly_otel.engine.viewing import Claims, selecting
from butterfly_otel.process import timing
from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from butterfly_otel.engine.observed import Observed, Sample

    #: Hears of a stream that could not be collected: its name and what was raised.
    Failed = Callable[[str, Exception], None]


class CellReaderStorage(sdk.MetricReaderStorage):
    """The SDK's storage of one reader, whose streams hold cells where these serve exactly."""

    def __init__(self, sdk_config: Any, reader: Any, time_to_live: Mapping[str, float]) -> None:  # noqa: ANN401
        self._time_to_live = time_to_live
        super().__init__(
            sdk_config,
            _with_cells(reader._instrument_class_temporality),  # noqa: SLF001
            _with_cells(reader._instrument_class_aggregation),  # noqa: SLF001
            _with_cells(limits_by_class(reader)),
        )
        #: Whether the reader can read cells itself and needs no points.
        self.reads_cells: bool = getattr(reader, "reads_cells", False)
        # Held while the reader collects: one collection comes after the other.
        self._collecting = RLock()
        self._going_round = False
        self._claims = Claims()
        self._failed: Failed = getattr(reader, "stream_failed", _log_failure)
        # Streams that are bound to but have not been measured yet.
        self._prepared: dict[CellInstrument, list[sdk.ViewInstrumentMatch]] = {}

    def matches(
        self, instrument: CellInstrument, *, create: bool
    ) -> Collection[sdk.ViewInstrumentMatch]:
        """Return an instrument's streams, which :meth:`enlist` lets be collected."""
        enlisted: Any = self._instrument_view_instrument_matches
        found = enlisted.get(instrument) or self._prepared.get(instrument)
        if found or not create:
            return found or ()
        with self._lock:
            known = self._prepared.get(instrument)
            # Making them may run a finalizer that measures: then its streams are the ones.
            return known or self._prepared.setdefault(instrument, self._streams_of(instrument))

    def enlist(self, instrument: CellInstrument) -> None:
        """Collect an instrument from now on: the SDK does so from its first measurement."""
        with self._lock:
            enlisted: Any = self._instrument_view_instrument_matches
            enlisted.setdefault(instrument, self.matches(instrument, create=True))

    def _get_or_init_view_instrument_match(self, instrument: Any) -> Any:  # noqa: ANN401
        enlisted: Any = self._instrument_view_instrument_matches
        if instrument not in enlisted:
            self.enlist(instrument)
        return enlisted[instrument]

    def _streams_of(self, instrument: Any) -> list[sdk.ViewInstrumentMatch]:  # noqa: ANN401
        made: list[sdk.ViewInstrumentMatch] = []
        self._handle_view_instrument_match(instrument, made)
        made = made or [self._new_view_instrument_match(sdk.DEFAULT_VIEW, instrument)]
        for each in made:
            self._claims.add(each)
        return made

    def _handle_view_instrument_match(
        self,
        instrument: Any,  # noqa: ANN401
        view_instrument_matches: list[sdk.ViewInstrumentMatch],
    ) -> None:
        if not hasattr(View, "_match"):
            super()._handle_view_instrument_match(instrument, view_instrument_matches)
            return
        view_instrument_matches += (
            self._new_view_instrument_match(view, instrument)
            for view in selecting(self._sdk_config.views, instrument)
            if self._check_view_instrument_compatibility(view, instrument)
        )

    @contextmanager
    def round(self) -> Generator[None]:
        """Collect, after whoever is at it; what the last collection left half done is forgotten.

        Raises:
            RuntimeError: When it is this very thread that is at it.
        """
        with self._collecting:
            if self._going_round:
                msg = "a callback or a finalizer collects while its own thread is collecting"
                raise RuntimeError(msg)
            self._going_round = True
            try:
                for matches in tuple(self._instrument_view_instrument_matches.copy().values()):
                    for match in matches:
                        if isinstance(match, ObservedStream):
                            match.begin()
                yield
            finally:
                self._going_round = False

    def observe(self, instrument: Any, observed: Sequence[Observed], sample: Sample) -> None:  # noqa: ANN401
        """Take what an instrument's callbacks observed."""
        if not observed:
            return
        for match in self._get_or_init_view_instrument_match(instrument):
            if isinstance(match, ObservedStream):
                match.observe(observed, sample, lasting=instrument.lasting)
            else:
                for each in observed:
                    measurement = measured(instrument, each)
                    match.consume_measurement(measurement, sample(each) is not None)

    def restart(self) -> None:
        """Start from nothing in a forked child; observed totals go on, from now."""
        self._lock = RLock()
        self._collecting = RLock()
        self._going_round = False
        now = timing.time_ns()
        # Enlisted ones are in both; those that are only bound to have locks as well.
        known = (*self._instrument_view_instrument_matches.values(), *self._prepared.values())
        for matches in {id(each): each for each in known}.values():
            for match in matches:
                if isinstance(match, CellStream):
                    match.restart()
                elif isinstance(match, ObservedStream):
                    match.restart(now)
                elif isinstance(match, StockStream):
                    match.restart()

    def _new_view_instrument_match(self, view: View, instrument: Any) -> sdk.ViewInstrumentMatch:  # noqa: ANN401
        stock = super()._new_view_instrument_match(view, instrument)
        settings: dict[str, Any] = {
            "view": view,
            "instrument_class_aggregation": self._instrument_class_aggregation,
            "cardinality_limit": stock._cardinality_limit,  # noqa: SLF001
            "reset_on_collect": stock._reset_on_collect,  # noqa: SLF001
        }
        aggregation = cast("Any", stock._aggregation)  # noqa: SLF001
        made = cell_class(aggregation, non_negative=getattr(instrument, "non_negative", False))
        if made is None:
            return StockStream(self._failed, instrument=instrument, **settings)
        if isinstance(instrument, CellInstrument):
            lives = self._time_to_live.get(cast("Any", instrument).name.lower())
            return CellStream(instrument, self, made, lives, **settings)
        temporality = self._instrument_class_temporality[type(instrument)]
        if issubclass(made, SumCell) and temporality is not AggregationTemporality.CUMULATIVE:
            return ObservedDeltas(self, made, instrument=instrument, **settings)
        if issubclass(made, (SumCell, LastValueCell)):
            return ObservedStream(self, made, instrument=instrument, **settings)
        return StockStream(self._failed, instrument=instrument, **settings)


def measured(instrument: Any, observed: Observed) -> sdk.Measurement:  # noqa: ANN401
    """Return the SDK's measurement of an observation."""
    value, attributes, context = observed
    now = timing.time_ns()
    return sdk.Measurement(value, now, instrument, context or get_current(), attributes)


def _log_failure(name: str, error: Exception) -> None:
    log_once(f"the metric {name} could not be collected and is left out", error=error)


def _with_cells(by_class: Mapping[type, Any]) -> dict[type, Any]:
    """Add our instrument classes to what a reader says by instrument class."""
    classes = {**CELL_CLASSES, **OBSERVABLE_CLASSES}
    ours = {ours: by_class[theirs] for theirs, ours in classes.items() if theirs in by_class}
    return {**by_class, **ours}
