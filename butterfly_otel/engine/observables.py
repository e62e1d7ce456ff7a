"""The three observable instruments: whose callbacks are asked at each collection."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportIncompatibleVariableOverride=false, reportIncompatibleMethodOverride=false
# Callbacks are anybody's, and what they observe goes another way than the SDK's measurements.

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cleaning import Reports, exportable
from butterfly_otel.process.values import HIGHEST, accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions

    from butterfly_otel.engine.observed import Observed


class ObservableInstrument:
    """What the three observable instruments share. Thread-safe.

    Mixed into the SDK's own instrument classes. What a callback observes counts up to where it
    raises; what can't be measured is left out. Both are logged once.

    Attributes:
        lasting: Whether equal attributes come as the same mapping each time, which never changes.
    """

    lasting = False
    _asked: tuple[tuple[Any, Callable[[CallbackOptions], Iterable[Any]]], ...]

    def prepare(self, source: Callable[[CallbackOptions], list[Observed]] | None = None) -> None:
        """Begin without callbacks; called once, when the SDK's part is there."""
        self._asked = ()
        self._source = source
        self._reports = Reports(cast("Any", self).name)

    def _is_enabled(self) -> bool:
        # The SDK's own answer comes before this one, from 1.41 on, where it has one.
        return True

    def add_callback(self, callback: Any) -> None:  # noqa: ANN401 - OpenTelemetry's CallbackT
        """Ask a callback from the next collection on; harmless when it is asked already.

        Args:
            callback: A function that takes ``CallbackOptions`` and returns observations, or a
                generator that is sent them, as OpenTelemetry has them.
        """
        ask = callback
        if isinstance(callback, Generator):
            next(callback)
            ask = cast("Generator[Any, CallbackOptions, None]", callback).send
        while True:
            before = self._asked
            # A bound method is another object each time.
            if any(each is callback or each == callback for each, _ in before):
                return
            after = (*before, (callback, ask))
            # Making it may have run a finalizer that registers.
            if self._asked is before:
                self._asked = after
                return

    def unregister(self, callback: Any) -> None:  # noqa: ANN401 - OpenTelemetry's CallbackT
        """Ask a callback no more, from the next collection on; harmless when done twice."""
        while True:
            before = self._asked
            after = tuple(
                each for each in before if each[0] is not callback and each[0] != callback
            )
            if self._asked is before:
                self._asked = after
                return

    def use_checked(self, source: Callable[[CallbackOptions], list[Observed]]) -> None:
        """Ask nobody but ``source``, whose observations are checked and clean.

        Equal attributes of it have to be the same mapping each time.
        """
        self._source = source
        self.lasting = True

    def callback(self, callback_options: CallbackOptions) -> list[Observed]:
        """Return what all callbacks observe now; called at each collection."""
        if not self._is_enabled():
            return []
        if self._source is not None:
            return self._source(callback_options)
        observed: list[Observed] = []
        for callback, ask in self._asked:
            self._ask(callback, partial(ask, callback_options), observed)
        return observed

    def _ask(
        self,
        callback: Any,  # noqa: ANN401 - OpenTelemetry's CallbackT
        ask: Callable[[], Iterable[Any]],
        observed: list[Observed],
    ) -> None:
        try:
            for each in ask():
                self._take(each, observed)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - a callback may raise anything
            self._reports(
                f"callback {getattr(callback, '__qualname__', type(callback).__name__)}",
                "the callback %s raised %s; what it would have observed is left out",
                callback,
                error,
            )

    def _take(self, observation: Any, observed: list[Observed]) -> None:  # noqa: ANN401
        value = observation.value
        if type(value) is not float or not -HIGHEST <= value <= HIGHEST:
            value = accepted(value, negative_allowed=True, refuse=self._refuse)
            if value is None:
                return
        attributes = exportable(observation.attributes, self._reports)
        observed.append((value, attributes, observation.context))

    def _refuse(self, reason: str, value: object) -> None:
        self._reports(reason, f"ignored the observed value %s: {reason}", value)


class ObservableCounter(sdk.ObservableCounter, ObservableInstrument):
    """An observable counter."""

    callback: Any = ObservableInstrument.callback


class ObservableUpDownCounter(sdk.ObservableUpDownCounter, ObservableInstrument):
    """An observable up-down counter."""

    callback: Any = ObservableInstrument.callback


class ObservableGauge(sdk.ObservableGauge, ObservableInstrument):
    """An observable gauge."""

    callback: Any = ObservableInstrument.callback


#: The SDK's instrument classes and ours.
OBSERVABLE_CLASSES: dict[type, type[ObservableInstrument]] = {
    sdk.ObservableCounter: ObservableCounter,
    sdk.ObservableUpDownCounter: ObservableUpDownCounter,
    sdk.ObservableGauge: ObservableGauge,
}
