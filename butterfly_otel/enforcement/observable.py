"""Observable instruments whose callbacks' observations are checked before the SDK sees them."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.metrics import (
    CallbackOptions,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    Observation,
)

from butterfly_otel.enforcement.guarded import Guarded
from butterfly_otel.process.values import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackT, Meter

    from butterfly_otel.enforcement.guarded import Gate

    #: A value and attributes that may be exported, and the callback's context, if any.
    Checked = tuple[float, Mapping[str, str], Context | None]


class GuardedObservable(Guarded):
    """The catalogue's observable instrument of one name, of any of the three kinds.

    The SDK knows one callback, which asks ours in turn: so callbacks can be added and
    undone at any time, and one that raises costs only its own observations.
    """

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        create = getattr(meter, f"create_{metric.instrument}")
        inner = create(metric.name, [self._collect], metric.unit, metric.help)
        super().__init__(gate, inner)
        # Our engine needs no observations made of what has been checked.
        use_checked = getattr(inner, "use_checked", None)
        if use_checked is not None:
            use_checked(self._checked_now)
        # The series of the last collection; None where some came to nothing.
        self._series: list[Mapping[str, str]] | None = None
        self._callbacks: tuple[tuple[CallbackT, Callable[[CallbackOptions], Any]], ...] = ()
        self._sources: tuple[Callable[[], Iterable[Callable[[], Any]]], ...] = ()

    def add_callback(self, callback: CallbackT) -> None:
        """Ask ``callback`` at each collection, as OpenTelemetry's own API calls it."""
        if isinstance(callback, Generator):
            generator = cast("Generator[Any, CallbackOptions, None]", callback)
            next(generator)
            self._callbacks = (*self._callbacks, (callback, generator.send))
        else:
            self._callbacks = (*self._callbacks, (callback, callback))

    def unregister(self, callback: CallbackT) -> None:
        """Ask ``callback`` no more, from the next collection on; harmless when done twice."""
        self._callbacks = tuple(
            each for each in self._callbacks if each[0] is not callback and each[0] != callback
        )

    def listen(self, source: Callable[[], Iterable[Callable[[], Any]]]) -> None:
        """Ask, at each collection, whatever callbacks ``source()`` returns by then, too."""
        self._sources = (*self._sources, source)

    def _collect(self, options: CallbackOptions) -> list[Observation]:
        return [Observation(*each) for each in self._checked_now(options)]

    def _checked_now(self, options: CallbackOptions) -> list[Checked]:
        observed: list[Checked] = []
        for _, callback in self._callbacks:
            observed += self._observe(partial(callback, options))
        for source in self._sources:
            for current in source():
                observed += self._observe(current)
        series = [each[1] for each in observed]
        # A series ends by not being observed: GPUs and peers come and go for years.
        if series != self._series:
            self._guard.keep(series)
            self._series = series
        return observed

    def _observe(self, callback: Callable[[], Any]) -> Sequence[Checked]:
        try:
            result = callback()
            # A NumPy array or a tensor of one number says it could be iterated, but can't.
            if hasattr(result, "__float__") or not hasattr(result, "__iter__"):
                result = (Observation(result),)
            return self._checked(result)
        except StopIteration:
            return ()
        except KeyboardInterrupt:  # meant for whoever collects
            raise
        except BaseException as error:  # noqa: BLE001 - a callback may raise anything
            self._series = None
            self._gate.violations.callback(self.stream.metric, error)
            return ()

    def _checked(self, observations: Iterable[Observation]) -> Sequence[Checked]:
        checked: list[Checked] = []
        admit = self._guard.admit_mapping
        for observation in observations:
            value: float | None = observation.value
            if type(value) is not float or not 0.0 <= value <= HIGHEST:
                value = self.accepted(value)
                if value is None:
                    continue
            checked.append((value, admit(observation.attributes), observation.context))
        return checked


class GuardedObservableCounter(GuardedObservable, ObservableCounter):
    """The catalogue's observable counter of one name."""


class GuardedObservableUpDownCounter(GuardedObservable, ObservableUpDownCounter):
    """The catalogue's observable up-down counter of one name."""


class GuardedObservableGauge(GuardedObservable, ObservableGauge):
    """The catalogue's observable gauge of one name."""
