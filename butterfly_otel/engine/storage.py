"""What one reader has of all instruments, and what hands measurements to the readers."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current
from opentelemetry.metrics import CallbackOptions
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    MetricsTimeoutError,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import View

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import LastValueCell, SumCell
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.engine.kinds import CELL_CLASSES
from butterfly_otel.engine.observables import OBSERVABLE_CLASSES
from butterfly_otel.engine.observed import ObservedDeltas, ObservedStream
from butterfly_otel.engine.sdk_readers import limits_by_class
from butterfly_otel.engine.shields import shield
from butterfly_otel.engine.stock import StockStream
from butterfly_otel.engine.streams import CellStream, cell_class
from butterfly_otel.engine.viewing import Claims, selecting
from butterfly_otel.process import timing, tracing
from butterfly_otel.process.contain import log_once
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import ExemplarFilter
    from opentelemetry.sdk.metrics.export import MetricReader

    from butterfly_otel.engine.observed import Observed, Sample

    #: Hears of a stream that could not be collected: its name and what was raised.
    Failed = Callable[[str, Exception], None]
    #: What a reader may have: takes observable instruments and seconds, and returns what
    #: the callbacks of each observed in that time. Called by one thread at a time.
    AskCallbacks = Callable[[Sequence[Any], float], Iterable[tuple[Any, Sequence[Observed]]]]

#: Seconds a callback is told it has, where a collection has no less; the SDK's own.
_CALLBACK_TIMEOUT = 10


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
                for matches in tuple(self._instrument_view_instrument_matches.values()):
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


class CellMeasurementConsumer(sdk.SynchronousMeasurementConsumer):
    """The SDK's consumer, with storages that hold cells."""

    def __init__(
        self,
        sdk_config: Any,  # noqa: ANN401
        metric_readers: Iterable[MetricReader],
        time_to_live: Mapping[str, float],
    ) -> None:
        super().__init__(sdk_config, ())
        self._lock = RLock()  # type: ignore[assignment]
        self._asking = RLock()
        # Instrument names are the same in any casing.
        self._time_to_live = {name.lower(): each for name, each in time_to_live.items()}
        self._reader_storages = {
            reader: CellReaderStorage(sdk_config, reader, self._time_to_live)
            for reader in metric_readers
        }
        for view in sdk_config.views:
            shield(view)
        exemplars: ExemplarFilter = sdk_config.exemplar_filter
        self._exemplars = exemplars
        # Exactly these: a filter derived from one of them may say anything.
        self._never = type(exemplars) is AlwaysOffExemplarFilter
        #: Whether there is no need to ask the exemplar filter at all.
        self.samples_never = self._never
        #: Whether every single measurement has to be put before it.
        self.samples_always = not self._never and type(exemplars) is not TraceBasedExemplarFilter
        tracing.watch()

        # Not by the provider: readers keep this alive, and may outlive that.
        call_in_child(self.restart)

    def collect(self, metric_reader: MetricReader, timeout_millis: float = 10_000) -> Any:  # noqa: ANN401
        """Return what a reader collects; see the SDK.

        A reader that asks the callbacks itself, in time, holds up nobody meanwhile: not the
        instruments that are created, nor other readers. Callbacks have to be reentrant anyway.

        Raises:
            MetricsTimeoutError: When callbacks took longer.
            RuntimeError: When the same thread is collecting already, as in a callback.
        """
        storage = cast("CellReaderStorage", self._reader_storages[metric_reader])
        ask: AskCallbacks = getattr(metric_reader, "ask_callbacks", self._ask)
        with storage.round():
            for instrument, observed in ask(tuple(self._async_instruments), timeout_millis / 1000):
                storage.observe(instrument, observed, self._sampler(instrument))
            return storage.collect()

    def _ask(
        self, instruments: Sequence[Any], timeout: float
    ) -> Iterable[tuple[Any, Sequence[Observed]]]:
        deadline = monotonic() + timeout
        for instrument in instruments:
            left = min(deadline - monotonic(), _CALLBACK_TIMEOUT)
            # As in the SDK, readers ask one after the other.
            with self._asking:
                observed = instrument.callback(CallbackOptions(timeout_millis=left * 1000))
            if monotonic() >= deadline:
                msg = "Timed out while executing callback"
                raise MetricsTimeoutError(msg)
            yield instrument, observed

    def _sampler(self, instrument: Any) -> Sample:  # noqa: ANN401
        def sample(observed: Observed) -> sdk.Measurement | None:
            if not self.may_sample(observed[2]):
                return None
            measurement = measured(instrument, observed)
            return measurement if self.should_sample(measurement) else None

        return sample

    def storages(self) -> Collection[CellReaderStorage]:
        """Return the storage of each reader."""
        return self._reader_storages.values()  # type: ignore[return-value]

    def enlist(self, instrument: CellInstrument) -> None:
        """Let every reader collect an instrument from now on."""
        for storage in self.storages():
            storage.enlist(instrument)

    def may_sample(self, context: Context | None) -> bool:
        """Tell whether the exemplar filter could say yes to a measurement.

        Asked before the measurement is made into anything. A filter by the active span knows
        its answer from the context alone.
        """
        if self._never or self.samples_always:
            return self.samples_always
        if not context and tracing.quiet:
            return False
        return tracing.parent(context) is not None

    def should_sample(self, measurement: sdk.Measurement) -> bool:
        """Ask the exemplar filter."""
        if not self.samples_always:
            return not self._never and tracing.parent(measurement.context) is not None
        try:
            return self._exemplars.should_sample(
                measurement.value,
                measurement.time_unix_nano,
                measurement.attributes,
                measurement.context,
            )
        except Exception as error:  # noqa: BLE001 - a filter of somebody's own
            log_once("an exemplar filter raised; there is no exemplar then", error=error)
            return False

    def add_metric_reader(self, metric_reader: Any) -> None:  # noqa: ANN401
        """Register a reader; it sees what is measured from now on."""
        with self._lock:
            storage = CellReaderStorage(self._sdk_config, metric_reader, self._time_to_live)
            self._reader_storages = {**self._reader_storages, metric_reader: storage}

    def restart(self) -> None:
        """Forget everything that was measured, in a forked child; renew every lock."""
        self._lock = RLock()  # type: ignore[assignment]
        self._asking = RLock()
        for storage in self.storages():
            storage.restart()
