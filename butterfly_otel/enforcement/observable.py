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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.metrics import CallbackT, Meter

    from butterfly_otel.enforcement.guarded import Gate


class GuardedObservable(Guarded):
    """The catalogue's observable instrument of one name, of any of the three kinds.

    The SDK knows one callback, which asks ours in turn: so callbacks can be added and
    undone at any time, and one that raises costs only its own observations.
    """

    def __init__(self, meter: Meter, gate: Gate) -> None:
        metric = gate.stream.metric
        create = getattr(meter, f"create_{metric.instrument}")
        super().__init__(gate, create(metric.name, [self._collect], metric.unit, metric.help))
        self._callbacks: tuple[Callable[[CallbackOptions], Any], ...] = ()
        self._source: Callable[[], Iterable[Callable[[], Any]]] = tuple

    def add_callback(self, callback: CallbackT) -> None:
        """Ask ``callback`` at each collection, as OpenTelemetry's own API calls it."""
        if isinstance(callback, Generator):
            generator = cast("Generator[Any, CallbackOptions, None]", callback)
            next(generator)
            self._callbacks = (*self._callbacks, generator.send)
        else:
            self._callbacks = (*self._callbacks, callback)

    def listen(self, source: Callable[[], Iterable[Callable[[], Any]]]) -> None:
        """Ask, at each collection, whatever callbacks ``source()`` returns by then."""
        self._source = source

    def _collect(self, options: CallbackOptions) -> list[Observation]:
        observed: list[Observation] = []
        for callback in self._callbacks:
            observed.extend(self._observe(partial(callback, options)))
        for current in self._source():
            observed.extend(self._observe(current))
        # A series ends by not being observed: GPUs and peers come and go for years.
        self._guard.keep([cast("Mapping[str, str]", each.attributes) for each in observed])
        return observed

    def _observe(self, callback: Callable[[], Any]) -> Sequence[Observation]:
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
            self._gate.violations.callback(self.stream.metric, error)
            return ()

    def _checked(self, observations: Iterable[Observation]) -> Sequence[Observation]:
        checked: list[Observation] = []
        for observation in observations:
            value = self.accepted(observation.value)
            if value is not None:
                attributes = self._guard.admit_mapping(observation.attributes)
                checked.append(Observation(value, attributes, observation.context))
        return checked


class GuardedObservableCounter(GuardedObservable, ObservableCounter):
    """The catalogue's observable counter of one name."""


class GuardedObservableUpDownCounter(GuardedObservable, ObservableUpDownCounter):
    """The catalogue's observable up-down counter of one name."""


class GuardedObservableGauge(GuardedObservable, ObservableGauge):
    """The catalogue's observable gauge of one name."""
