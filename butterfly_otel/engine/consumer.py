"""What hands measurements to the readers, and asks callbacks when one collects."""

from __future__ import annotations

from functools import partial
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.metrics import CallbackOptions
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    MetricsTimeoutError,
    TraceBasedExemplarFilter,
)

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.shields import shield
from butterfly_otel.engine.storage import CellReaderStorage, measured
from butterfly_otel.process import tracing
from butterfly_otel.process.contain import log_once
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import ExemplarFilter
    from opentelemetry.sdk.metrics.export import MetricReader

    from butterfly_otel.engine.instruments import CellInstrument
    from butterfly_otel.engine.observed import Observed

    #: What a reader may have: takes observable instruments and seconds, and returns what
    #: the callbacks of each observed in that time. Called by one thread at a time.
    AskCallbacks = Callable[[Sequence[Any], float], Iterable[tuple[Any, Sequence[Observed]]]]
    #: Likewise: hears of an instrument whose callbacks ended in what is no `Exception`, and
    #: whose observations are then left out.
    CallbackFailed = Callable[[str, BaseException], None]

#: Seconds a callback is told it has, where a collection has no less; the SDK's own.
_CALLBACK_TIMEOUT = 10


def _observations(
    instrument: Any,  # noqa: ANN401
    options: CallbackOptions,
    failed: CallbackFailed | None,
) -> Sequence[Observed]:
    """Ask an instrument's callbacks; one that raises SystemExit, say, ends a reader's pass."""
    try:
        observed: Sequence[Observed] = instrument.callback(options)
    except BaseException as error:
        if failed is None:
            raise
        failed(instrument.name, error)
        return ()
    return observed


class Sampler:
    """Asks the exemplar filter about what one instrument's callbacks observed, once they have.

    Attributes:
        idle: Whether it says no to all that was observed without a context of its own.
    """

    __slots__ = ("_consumer", "_instrument", "idle")

    def __init__(self, consumer: CellMeasurementConsumer, instrument: Any) -> None:  # noqa: ANN401
        self._consumer = consumer
        self._instrument = instrument
        self.idle = not consumer.may_sample(None)

    def __call__(self, observed: Observed, /) -> sdk.Measurement | None:
        """Return a measurement of what was observed; None where it can't become an exemplar."""
        if not self._consumer.may_sample(observed[2]):
            return None
        measurement = measured(self._instrument, observed)
        return measurement if self._consumer.should_sample(measurement) else None


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
        failed: CallbackFailed | None = getattr(metric_reader, "callback_failed", None)
        ask: AskCallbacks = getattr(metric_reader, "ask_callbacks", partial(self._ask, failed))
        with storage.round():
            for instrument, observed in ask(tuple(self._async_instruments), timeout_millis / 1000):
                storage.observe(instrument, observed, Sampler(self, instrument))
            return storage.collect()

    def _ask(
        self, failed: CallbackFailed | None, instruments: Sequence[Any], timeout: float
    ) -> Iterable[tuple[Any, Sequence[Observed]]]:
        deadline = monotonic() + timeout
        for instrument in instruments:
            left = min(deadline - monotonic(), _CALLBACK_TIMEOUT)
            # As in the SDK, readers ask one after the other.
            with self._asking:
                options = CallbackOptions(timeout_millis=left * 1000)
                observed = _observations(instrument, options, failed)
            if monotonic() >= deadline:
                msg = "Timed out while executing callback"
                raise MetricsTimeoutError(msg)
            yield instrument, observed

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
