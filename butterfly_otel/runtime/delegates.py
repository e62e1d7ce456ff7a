"""Meters and instruments that outlive the provider by which they measure.

A synchronous one is given its current instrument's method as an attribute of its own, so a
measurement costs what it costs without this. An observable one is created again for each
provider, with the same callbacks.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from opentelemetry.metrics import (
    Counter,
    Histogram,
    Meter,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)

from butterfly_otel.engine.sdk_internals import ApiGauge
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, CallbackT, MeterProvider, Observation
    from opentelemetry.util.types import Attributes

_logger = logging.getLogger("butterfly_otel")


class Delegate:
    """What all delegating instruments share: the instrument by which one measures now.

    Whatever else that instrument can do, such as ``bind``, is passed on to it.
    """

    #: What measures; of observable instruments nothing does.
    method = ""

    def __init__(
        self, make: Callable[[MeterProvider], Any], name: str = "", unit: str = ""
    ) -> None:
        # As the API's own that wait for a provider: nothing else is looked at.
        self.make = make
        self.name = name
        self.unit = unit

    def attach(self, provider: MeterProvider | None) -> None:
        """Measure by an instrument of ``provider`` from now on; by nothing where that is None."""
        own = vars(self)
        real = None if provider is None else self.make(provider)
        own["real"] = real
        if real is None:
            own.pop(self.method, None)
        elif self.method:
            own[self.method] = getattr(real, self.method)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any instrument
        real = vars(self).get("real")
        if real is None:
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(real, name)


class DelegatingCounter(Delegate, Counter):
    """A counter of whichever provider is current."""

    method = "add"

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Do nothing: there is no provider now."""


class DelegatingUpDownCounter(Delegate, UpDownCounter):
    """An up-down counter of whichever provider is current."""

    method = "add"

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Do nothing: there is no provider now."""


class DelegatingHistogram(Delegate, Histogram):
    """A histogram of whichever provider is current."""

    method = "record"

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Do nothing: there is no provider now."""


class DelegatingGauge(Delegate, ApiGauge):
    """A gauge of whichever provider is current."""

    method = "set"

    def set(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Do nothing: there is no provider now."""


class DelegatingObservableCounter(Delegate, ObservableCounter):
    """An observable counter of whichever provider is current."""


class DelegatingObservableUpDownCounter(Delegate, ObservableUpDownCounter):
    """An observable up-down counter of whichever provider is current."""


class DelegatingObservableGauge(Delegate, ObservableGauge):
    """An observable gauge of whichever provider is current."""


_CLASSES: dict[str, type[Any]] = {
    "counter": DelegatingCounter,
    "up_down_counter": DelegatingUpDownCounter,
    "histogram": DelegatingHistogram,
    "gauge": DelegatingGauge,
    "observable_counter": DelegatingObservableCounter,
    "observable_up_down_counter": DelegatingObservableUpDownCounter,
    "observable_gauge": DelegatingObservableGauge,
}


class Delegates:
    """The instruments that were handed out, and the provider by which they measure.

    A synchronous one is forgotten when nobody holds it any more. An observable one with
    callbacks is kept, as the SDK keeps it: programs seldom do. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = forks.rlock()
        self._provider: MeterProvider | None = None
        self._living: WeakValueDictionary[int, Delegate] = WeakValueDictionary()
        self._kept: list[Delegate] = []

    def create(
        self, kind: str, make: Callable[[MeterProvider], Any], name: str, unit: str, *, keep: bool
    ) -> Any:  # noqa: ANN401
        """Return a new instrument, which ``make`` makes for each provider."""
        made: Delegate = _CLASSES[kind](make, name, unit)
        with self._lock:
            made.attach(self._provider)
            self._living[id(made)] = made
            if keep:
                self._kept.append(made)
        return made

    def switch(self, provider: MeterProvider | None) -> None:
        """Let every instrument measure by ``provider`` from now on."""
        with self._lock:
            self._provider = provider
            for each in list(self._living.values()):
                _attach_again(each, provider)


def _attach_again(instrument: Delegate, provider: MeterProvider | None) -> None:
    try:
        instrument.attach(provider)
    except Exception:
        # One that can't be made again must not cost the others.
        instrument.attach(None)
        _logger.exception("An instrument could not be made again and measures nothing")


class DelegatingMeter(Meter):
    """A meter of whichever provider is current."""

    def __init__(
        self,
        delegates: Delegates,
        name: str,
        version: str | None,
        schema_url: str | None,
        attributes: Attributes,
    ) -> None:
        super().__init__(name, version, schema_url)
        self._delegates = delegates
        self._scope = (name, version, schema_url, attributes)

    def _create(self, kind: str, *args: Any, keep: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401
        scope = self._scope

        def make(provider: MeterProvider) -> Any:  # noqa: ANN401
            return getattr(provider.get_meter(*scope), f"create_{kind}")(*args, **kwargs)

        name, unit = args[0], args[-2]  # before the description, whatever else there is
        return self._delegates.create(kind, make, name, unit, keep=keep)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Create a counter; see OpenTelemetry's API."""
        return self._create("counter", name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Create an up-down counter; see OpenTelemetry's API."""
        return self._create("up_down_counter", name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Create a gauge; see OpenTelemetry's API."""
        return self._create("gauge", name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Any:  # noqa: ANN401
        """Create a histogram; see OpenTelemetry's API."""
        advisory = explicit_bucket_boundaries_advisory
        return self._create(
            "histogram", name, unit, description, explicit_bucket_boundaries_advisory=advisory
        )

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Create an observable counter; see OpenTelemetry's API."""
        return self._observable("observable_counter", name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Create an observable up-down counter; see OpenTelemetry's API."""
        return self._observable("observable_up_down_counter", name, callbacks, unit, description)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Create an observable gauge; see OpenTelemetry's API."""
        return self._observable("observable_gauge", name, callbacks, unit, description)

    def _observable(
        self,
        kind: str,
        name: str,
        callbacks: Sequence[CallbackT] | None,
        unit: str,
        description: str,
    ) -> Any:  # noqa: ANN401
        asked = [_function(each) for each in callbacks or ()]
        return self._create(kind, name, asked, unit, description, keep=bool(asked))


def _function(callback: CallbackT) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return a callback that several providers can ask; a generator can be begun only once."""
    if not isinstance(callback, Generator):
        return callback
    generator = cast("Any", callback)  # type checkers disagree about what the test above tells
    next(generator, None)

    def ask(options: CallbackOptions) -> Iterable[Observation]:
        try:
            asked: Iterable[Observation] = generator.send(options)
        except StopIteration:
            return ()
        return asked

    return ask
