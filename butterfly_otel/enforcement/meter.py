"""The meter on which the contract is enforced, for handles and raw OpenTelemetry calls alike."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Meter, NoOpMeter

from butterfly_otel.enforcement.guarded import (
    GuardedCounter,
    GuardedGauge,
    GuardedHistogram,
    GuardedUpDownCounter,
)
from butterfly_otel.enforcement.observable import (
    GuardedObservable,
    GuardedObservableCounter,
    GuardedObservableGauge,
    GuardedObservableUpDownCounter,
)
from butterfly_otel.process import forks
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import CallbackT

    from butterfly_otel.catalog.model import InstrumentKind
    from butterfly_otel.enforcement.guarded import Gate, Guarded

_logger = logging.getLogger("butterfly_otel")
_MOST_WARNED: Final = 100


class GuardedMeter(Meter):
    """An OpenTelemetry meter that creates its contract's instruments and no others.

    Asking twice for an instrument gives the same one, with the callbacks of both calls.
    A name outside the catalogue, or another kind than the catalogue's, gives an instrument
    that measures nothing, and one warning. Thread-safe.

    Args:
        meter: The SDK's meter behind the gate.
        gates: What is enforced, by metric name.
    """

    def __init__(self, meter: Meter, gates: dict[str, Gate]) -> None:
        super().__init__(meter.name, meter.version, meter.schema_url)
        # The names of instruments are the same in any case.
        self._guarded: dict[str, Guarded] = {
            name.lower(): _MAKERS[gate.stream.metric.instrument](meter, gate)
            for name, gate in gates.items()
        }
        self._warned: set[tuple[str, str]] = set()
        self._lock = forks.lock()

    def guarded(self, name: str) -> Guarded:
        """Return the instrument of a catalogue metric.

        Raises:
            KeyError: When the catalogue has no such metric.
        """
        return self._guarded[name.lower()]

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Return the catalogue's counter of that name; its unit and description stand."""
        return self._find(name, "counter") or _nothing().create_counter(name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Return the catalogue's up-down counter of that name."""
        found = self._find(name, "up_down_counter")
        return found or _nothing().create_up_down_counter(name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Return the catalogue's gauge of that name."""
        return self._find(name, "gauge") or _nothing().create_gauge(name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Any:  # noqa: ANN401
        """Return the catalogue's histogram of that name; its boundaries stand."""
        del explicit_bucket_boundaries_advisory
        return self._find(name, "histogram") or _nothing().create_histogram(name, unit, description)

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Return the catalogue's observable counter of that name, with these callbacks too."""
        found = self._observable(name, "observable_counter", callbacks)
        return found or _nothing().create_observable_counter(name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Return the catalogue's observable up-down counter, with these callbacks too."""
        found = self._observable(name, "observable_up_down_counter", callbacks)
        return found or _nothing().create_observable_up_down_counter(
            name, callbacks, unit, description
        )

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Return the catalogue's observable gauge of that name, with these callbacks too."""
        found = self._observable(name, "observable_gauge", callbacks)
        return found or _nothing().create_observable_gauge(name, callbacks, unit, description)

    def _observable(
        self, name: str, kind: InstrumentKind, callbacks: Sequence[CallbackT] | None
    ) -> Guarded | None:
        found = self._find(name, kind)
        if isinstance(found, GuardedObservable):
            for callback in callbacks or ():
                found.add_callback(callback)
        return found

    def _find(self, name: str, kind: InstrumentKind) -> Guarded | None:
        found = self._guarded.get(name.lower())
        if found is not None and found.stream.metric.instrument == kind:
            return found
        expected = f"it is a {found.stream.metric.instrument}" if found else "there is no such name"
        with self._lock:
            # Of names made up anew each time only the first ones are told, and kept.
            new = (name, kind) not in self._warned and len(self._warned) < _MOST_WARNED
            if new:
                self._warned.add((name, kind))
        if new:
            _logger.warning(
                "%s was asked for as a %s on the meter %r, but %s in the contract: it measures"
                " nothing. Metrics outside the contract belong on a meter of your own.",
                shown(name),
                kind,
                self.name,
                expected,
            )
        return None


def _nothing() -> NoOpMeter:
    """Return what makes an instrument that measures nothing: anew, since it keeps every name."""
    return NoOpMeter("butterfly_otel")


_MAKERS: dict[InstrumentKind, Callable[[Meter, Gate], Guarded]] = {
    "counter": GuardedCounter,
    "up_down_counter": GuardedUpDownCounter,
    "gauge": GuardedGauge,
    "histogram": GuardedHistogram,
    "observable_counter": GuardedObservableCounter,
    "observable_up_down_counter": GuardedObservableUpDownCounter,
    "observable_gauge": GuardedObservableGauge,
}
