"""What one reader has of all instruments, and what hands measurements to the readers."""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import AggregationTemporality

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import LastValueCell, SumCell
from butterfly_otel.engine.exponential import mend
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.engine.kinds import CELL_CLASSES
from butterfly_otel.engine.observed import ObservedDeltas, ObservedStream
from butterfly_otel.engine.sdk_readers import limits_by_class
from butterfly_otel.engine.shields import shield
from butterfly_otel.engine.streams import CellStream, cell_class
from butterfly_otel.process import forks, timing, tracing
from butterfly_otel.process.contain import log_once
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import ExemplarFilter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View

    #: Hears of a stream that could not be collected: its name and what was raised.
    Failed = Callable[[str, Exception], None]
    #: What a reader may have: takes observable instruments and seconds, and returns what
    #: their callbacks observed in that time. Called by one thread at a time.
    AskCallbacks = Callable[[Sequence[Any], float], Iterable[sdk.Measurement]]


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
        #: Held while the reader collects: one collection comes after the other.
        self.collecting = forks.lock()
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
            if instrument not in self._prepared:
                made: list[sdk.ViewInstrumentMatch] = []
                self._handle_view_instrument_match(cast("Any", instrument), made)
                default = () if made else (sdk.DEFAULT_VIEW,)
                made.extend(self._new_view_instrument_match(view, instrument) for view in default)
                self._prepared[instrument] = made
            return self._prepared[instrument]

    def enlist(self, instrument: CellInstrument) -> None:
        """Collect an instrument from now on: the SDK does so from its first measurement."""
        with self._lock:
            enlisted: Any = self._instrument_view_instrument_matches
            enlisted.setdefault(instrument, self.matches(instrument, create=True))

    def _get_or_init_view_instrument_match(self, instrument: Any) -> Any:  # noqa: ANN401
        if isinstance(cast("object", instrument), CellInstrument):
            self.enlist(instrument)
        return super()._get_or_init_view_instrument_match(instrument)

    def restart(self) -> None:
        """Start from nothing in a forked child; observed totals go on, from now."""
        self._lock = RLock()
        now = timing.time_ns()
        # Enlisted ones are in both; those that are only bound to have locks as well.
        known = (*self._instrument_view_instrument_matches.values(), *self._prepared.values())
        for matches in {id(each): each for each in known}.values():
            for match in matches:
                if isinstance(match, CellStream):
                    match.restart()
                elif isinstance(match, ObservedStream):
                    match.restart(now)
                else:
                    sdk.restart_match(match, now, forget=not isinstance(match, ObservedDeltas))

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
            return self._shielded(stock)
        if isinstance(instrument, CellInstrument):
            lives = self._time_to_live.get(cast("Any", instrument).name)
            return CellStream(instrument, self, made, lives, **settings)
        temporality = self._instrument_class_temporality[type(instrument)]
        if temporality is not AggregationTemporality.CUMULATIVE:
            return ObservedDeltas(instrument=instrument, **settings)
        if issubclass(made, (SumCell, LastValueCell)):
            return ObservedStream(self, made, instrument=instrument, **settings)
        return self._shielded(stock)

    def _shielded(self, stock: sdk.ViewInstrumentMatch) -> sdk.ViewInstrumentMatch:
        """Let a stream of the SDK's own that fails be left out, and cost no other."""
        collect = stock.collect
        create = cast("Any", stock)._get_or_create_aggregation  # noqa: SLF001

        def shielded(temporality: AggregationTemporality, start: int) -> Sequence[Any] | None:
            try:
                return collect(temporality, start)
            except Exception as error:  # noqa: BLE001 - whatever is wrong inside the SDK
                self._failed(cast("Any", stock)._name, error)  # noqa: SLF001
                return None

        cast("Any", stock).collect = shielded

        def mended(*given: Any) -> Any:  # noqa: ANN401 - the SDK's own
            return mend(create(*given))

        cast("Any", stock)._get_or_create_aggregation = mended  # noqa: SLF001
        return stock


def _log_failure(name: str, error: Exception) -> None:
    log_once(f"the metric {name} could not be collected and is left out", error=error)


def _with_cells(by_class: Mapping[type, Any]) -> dict[type, Any]:
    """Add our instrument classes to what a reader says by instrument class."""
    ours = {ours: by_class[theirs] for theirs, ours in CELL_CLASSES.items() if theirs in by_class}
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
        # The SDK looks instrument names up in lower case.
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
        """
        ask: AskCallbacks | None = getattr(metric_reader, "ask_callbacks", None)
        if ask is None:
            return super().collect(metric_reader, timeout_millis)
        storage = self._reader_storages[metric_reader]
        with cast("CellReaderStorage", storage).collecting:
            for measurement in ask(tuple(self._async_instruments), timeout_millis / 1000):
                storage.consume_measurement(measurement, self.should_sample(measurement))
            return storage.collect()

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
        self._lock = Lock()
        for storage in self.storages():
            storage.restart()
