"""Handles: what an application measures with, before and after ``configure()``.

A handle belongs to one metric of the catalogue. It measures nothing until a sink
is attached to it, and again nothing once the sink is detached, so instrumented code never
has to ask whether metrics are on. ``butterfly_otel/metrics.py`` renders one typed subclass
and one handle a metric on top of these classes.

Everything here is thread-safe. In production mode no method raises because of what it is
passed; in strict mode :class:`~butterfly_otel.LabelError` and
:class:`~butterfly_otel.MeasurementError` say what was wrong.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel import catalog
from butterfly_otel.handles.dependents import Dependents
from butterfly_otel.handles.hints import give_hints
from butterfly_otel.handles.lookups import APART, Lookups
from butterfly_otel.handles.paths import nesting
from butterfly_otel.handles.registration import Registration
from butterfly_otel.handles.targets import NOWHERE, Reporting
from butterfly_otel.process import forks, tracing
from butterfly_otel.process.gil import share
from butterfly_otel.process.remembered import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import Observation
    from typing_extensions import Self

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.handles.dependents import Dependent
    from butterfly_otel.handles.registration import ObserveCallback
    from butterfly_otel.handles.targets import LabelValues, Sink, Target

_registering = forks.lock()
_keeping = forks.lock()
# OpenTelemetry's, once it was needed: an import statement costs more than an observation.
_observation_class: type[Observation] | None = None
#: How many label values that are not looked up in line a handle remembers.
_MOST_ODD: Final = 512


def node_pair(first: str, second: str) -> str:
    """Name a pair of nodes, whichever order they come in.

    The value of the labels ``node_pair`` and ``node_id_pair``: both ids, sorted, joined by
    ``_`` (docs/contract.md, Labels).

    >>> node_pair("compute-node-2", "compute-node-1")
    'compute-node-1_compute-node-2'
    """
    return "_".join(sorted((first, second)))


class Handle:
    """Base of all handles: one metric of a contract.

    A handle is its own copy, and is pickled by its name. One that is no global raises TypeError.

    Args:
        metric: The metric, or the name of one of Butterfly's.
    """

    __slots__ = ("metric",)

    def __init__(self, metric: Metric | str) -> None:
        #: The contract's entry of this metric.
        self.metric: Metric = catalog.BY_NAME[metric] if isinstance(metric, str) else metric

    def __repr__(self) -> str:
        """Name the metric."""
        return f"<{type(self).__name__} {self.metric.name}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> str:
        """Name the global that is this handle, in the module of its class."""
        module = type(self).__module__
        for name, value in vars(sys.modules[module]).items():
            if value is self:
                return name
        raise TypeError(
            f"{self!r} can't be pickled, because no global of {module} is this handle; pickle that"
            " of butterfly_otel.metrics, or look it up by its name where it is unpickled"
        )


give_hints(Handle)


class SynchronousHandle(Handle):
    """A handle that is measured by calls, which go to the sink attached to it."""

    __slots__ = (
        *("_cells", "_dependents", "_lookups", "_most", "_nesting", "_odd", "_sink", "_version"),
    )

    def __init__(self, metric: Metric | str) -> None:
        super().__init__(metric)
        self._sink: Sink | None = None
        self._dependents = Dependents()
        self._nesting = nesting(self.metric)
        self._most = self.metric.stream_limit
        self._lookups = Lookups(self._nesting, self._most)
        # What they have looked up, to the target; None while nothing is measured.
        self._cells: Any = None
        # What is not looked up there: values that are not strings, or break the contract.
        self._odd: Memory[Target] = Memory(_MOST_ODD)
        self._version = object()  # replaced whenever something is forgotten
        share(self)

    def attach(self, sink: Sink | None) -> None:
        """Send measurements to ``sink`` from now on, or nowhere. Called by the runtime."""
        if sink is not None:
            tracing.watch()
        self._sink = sink
        self.invalidate()

    @property
    def attached(self) -> bool:
        """Whether measurements go anywhere now."""
        return self._sink is not None

    def invalidate(self) -> None:
        """Forget every series looked up so far. Called by the runtime."""
        with _keeping:
            self._version = object()
            self._odd = Memory(_MOST_ODD)
            self._lookups = Lookups(self._nesting, self._most)
            self._cells = None if self._sink is None else self._lookups.cells
        self._dependents.unsettle()

    def forget(self, spellings: Sequence[LabelValues]) -> None:
        """Forget a series that has ended, and nothing else. Called by the sink.

        Args:
            spellings: The label values, in the contract's order, that lead to it.
        """
        with _keeping:
            self._version = object()
            # What breaks the contract may find a place now.
            self._odd = Memory(_MOST_ODD)
            for values in spellings:
                self._lookups.forget(values)
        self._dependents.unsettle(spellings)

    def record_values(self, values: LabelValues, amount: float) -> None:
        """Record for label values in the contract's order. Called by the runtime."""
        cells = self._cells
        try:
            if APART:
                cells = cells.here
            for at in self._nesting:
                cells = cells[values[at]]
            target = cells if values else cells[()]
        except Exception:  # noqa: BLE001 - unknown, or no label value at all
            target = self.find(values)
        target.record(amount)

    def find(self, values: LabelValues) -> Any:  # noqa: ANN401 - a target; a cell where it is ready
        """Return where label values lead that are not looked up in line."""
        return self.settle(values)[0]

    def settle(self, values: LabelValues) -> tuple[Target, bool]:
        """Return where measurements of label values go, and whether that may be kept.

        It may until this handle says that it is stale.
        """
        odd = self._odd
        try:
            target = odd.recall_values(values) if len(odd) else None
        except Exception:  # noqa: BLE001 - values that do anything
            target = None
        return self._settle_anew(values) if target is None else (target, False)

    def _settle_anew(self, values: LabelValues) -> tuple[Target, bool]:
        # In this order: what a former sink has found must not be kept for the next one.
        version, cells, sink = self._version, self._cells, self._sink
        if sink is None or cells is None:
            return NOWHERE, False
        target, keep = sink.target(values)
        return target, keep and self._keep(version, values, target)

    def _keep(self, version: object, values: LabelValues, target: Target) -> bool:
        """Remember where label values lead; False where they can't be kept."""
        odd = type(target) is Reporting
        for value in values:
            if type(value) is not str and value is not None and not isinstance(value, str):
                odd = True
        with _keeping:
            if version is not self._version:
                return False
            if odd:
                self._odd.remember_values(values, target)
                return False
            try:
                self._lookups.keep(values, target)
            except Exception:  # noqa: BLE001 - a str subclass' own __hash__ or __eq__ may raise
                return False
        return True

    def adopt(self, dependent: Dependent) -> None:
        """Tell ``dependent`` whenever what it has looked up is stale.

        One that has ``values``, those of a series, is told when that ends; any other, always.
        """
        self._dependents.add(dependent, getattr(dependent, "values", None))

    def _remove(self, values: LabelValues) -> None:
        if self._sink is not None:
            # What is known leads to a series that is no more, of which the sink tells.
            self._sink.remove(values)


def int_text(value: object) -> object:
    """Return an int as label text and anything else as it is, for the guard to judge."""
    try:
        return str(value) if type(value) is int else value
    except ValueError:
        # Of very many digits Python makes no text, which the guard reports.
        return value


class CounterHandle(SynchronousHandle):
    """A value that only grows."""

    __slots__ = ()


class UpDownCounterHandle(SynchronousHandle):
    """A value that calls move up and down."""

    __slots__ = ()


class GaugeHandle(SynchronousHandle):
    """A value that is set."""

    __slots__ = ()


class HistogramHandle(SynchronousHandle):
    """A distribution of values."""

    __slots__ = ()


class ObservableHandle(Handle):
    """A value that callbacks read at each collection.

    Callbacks must return at once: read slow sources in the background and return the last
    reading. What a callback does not report is not exported, so a series ends by itself
    when its source is gone. A callback that raises is counted, logged once, and loses
    nothing but its own observations.
    """

    __slots__ = ("_keys", "_source", "registrations")

    def __init__(self, metric: Metric | str) -> None:
        super().__init__(metric)
        #: The oldest first; replaced at each change, so that a collection needs no lock.
        self.registrations: tuple[Registration, ...] = ()
        self._source: object = None
        self._keys = self.metric.label_keys

    def source(self) -> Callable[[], tuple[ObserveCallback, ...]]:
        """Return what returns the callbacks, until the next runtime asks. Called by the runtime."""

        def callbacks() -> tuple[ObserveCallback, ...]:
            # Readers of a runtime that is over may collect once more.
            known = self.registrations if self._source is callbacks else ()
            return tuple(each.callback for each in known)

        self._source = callbacks
        return callbacks

    def observe(self, callback: ObserveCallback) -> Registration:
        """Call ``callback`` at each collection, until the registration is undone.

        Args:
            callback: Takes nothing; returns the current value (for a metric whose labels
                all have a default) or an iterable of ``observation(...)``, one a series.

        Returns:
            A registration; ``unregister()`` it, or use it as a context manager.
        """
        registration = Registration(self, callback)
        self._change(lambda known: (*known, registration))
        return registration

    def unregister(self, registration: Registration) -> None:
        """Undo a registration. Called by that."""
        self._change(lambda known: tuple(each for each in known if each is not registration))

    def _change(
        self, change: Callable[[tuple[Registration, ...]], tuple[Registration, ...]]
    ) -> None:
        with _registering:
            while True:
                before = self.registrations
                after = change(before)
                # Else a finalizer in the midst of it has changed them as well.
                if self.registrations is before:
                    self.registrations = after
                    return

    def _observation(self, value: float, values: LabelValues) -> Observation:
        # Label values of any type: the guard turns them into strings at collection.
        attributes: dict[str, Any] = {}
        for key, given in zip(self._keys, values):  # noqa: B905 - it costs
            if given is not None:
                attributes[key] = given  # noqa: PERF403 - so does a comprehension, in 3.11
        return (_observation_class or _find_observation_class())(value, attributes)


def _find_observation_class() -> type[Observation]:
    global _observation_class  # noqa: PLW0603 - one import a process
    from opentelemetry.metrics import Observation  # noqa: PLC0415 - keeps import light

    _observation_class = Observation
    return Observation
