"""``timed``, ``counted`` and ``tracked``: one metric each, of any name and with any labels.

Constants among the labels are checked against the contract where the decorator is made; what
a call brings is checked as every other measurement is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from butterfly_otel.decorators.calls import Counted, Timed, Tracked
from butterfly_otel.decorators.targets import Attributed, Wanted, factor_of, series_for
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.handles.bound import BoundCounter, BoundHistogram, BoundUpDownCounter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.metrics import Counter, Histogram, UpDownCounter

    from butterfly_otel.decorators.calls import When
    from butterfly_otel.decorators.series import Unlabelled
    from butterfly_otel.handles.handles import (
        CounterHandle,
        HistogramHandle,
        UpDownCounterHandle,
    )

_TIMED = Wanted("timed", BoundHistogram, "histogram", "Histogram", "record")
_COUNTED = Wanted("counted", BoundCounter, "counter", "Counter", "add")
_TRACKED = Wanted("tracked", BoundUpDownCounter, "up_down_counter", "UpDownCounter", "add")


@overload
def timed(
    target: BoundHistogram | Unlabelled[BoundHistogram] | Histogram,
    *,
    labels: Mapping[str, object] | None = None,
    when: When = "end",
    methods: Iterable[str] | None = None,
) -> Timed: ...
@overload
def timed(
    target: HistogramHandle,
    *,
    labels: Mapping[str, object],
    when: When = "end",
    methods: Iterable[str] | None = None,
) -> Timed: ...
def timed(
    target: BoundHistogram | Unlabelled[BoundHistogram] | HistogramHandle | Histogram,
    *,
    labels: Mapping[str, object] | None = None,
    when: When = "end",
    methods: Iterable[str] | None = None,
) -> Timed:
    """Record how long each call, or a ``with`` block, takes.

    >>> from butterfly_otel import arg, metrics
    >>> @timed(metrics.layer_compute_duration_seconds.bind(layer_id=arg("layer"), model="llama"))
    ... def forward(layer: int) -> int:
    ...     return layer

    Args:
        target: A bound histogram, a handle, or a histogram of OpenTelemetry's, of any unit of
            time: what is recorded is in that.
        labels: Of a handle or an instrument, the labels by key: constants, ``arg(...)``,
            ``result(...)``, ``outcome(...)``.
        when: ``end``, ``success``, ``error``, or the exceptions that are timed.
        methods: On a class: the methods to measure; by default all its own public ones.

    Raises:
        ConfigurationError: When a constant is not in the contract, the metric's unit is not
            one of time, or a decorated function lacks a parameter asked for.
    """
    series = series_for(target, _TIMED, labels)
    if isinstance(series, Attributed):
        name, unit = series.name, series.unit
    else:
        name, unit = series.handle.metric.name, series.handle.metric.unit
    return Timed(series, when, methods, factor=factor_of(unit, name, "timed"))


@overload
def counted(
    target: BoundCounter | Unlabelled[BoundCounter] | Counter,
    *,
    labels: Mapping[str, object] | None = None,
    amount: float = 1,
    per: Literal["call", "item"] = "call",
    when: When = "end",
    methods: Iterable[str] | None = None,
) -> Counted: ...
@overload
def counted(
    target: CounterHandle,
    *,
    labels: Mapping[str, object],
    amount: float = 1,
    per: Literal["call", "item"] = "call",
    when: When = "end",
    methods: Iterable[str] | None = None,
) -> Counted: ...
def counted(
    target: BoundCounter | Unlabelled[BoundCounter] | CounterHandle | Counter,
    *,
    labels: Mapping[str, object] | None = None,
    amount: float = 1,
    per: Literal["call", "item"] = "call",
    when: When = "end",
    methods: Iterable[str] | None = None,
) -> Counted:
    """Count each call that has ended, or each item of a stream when it passes.

    >>> from butterfly_otel import metrics, result
    >>> @counted(metrics.tokens_processed_total.bind(model="llama"), amount=result(len))
    ... def generate(prompt: str) -> list[str]:
    ...     return prompt.split()

    Args:
        target: A bound counter, a handle, or a counter of OpenTelemetry's.
        labels: Of a handle or an instrument, the labels by key, as of :func:`timed`.
        amount: What is added; from ``arg(...)`` or ``result(...)`` where the call tells.
            Nothing is added where that is None.
        per: ``call``, or ``item`` for each item of a generator.
        when: ``end``, ``success``, ``error``, or the exceptions that are counted.
        methods: On a class: the methods to measure; by default all its own public ones.

    Raises:
        ConfigurationError: When a constant is not in the contract, or a decorated function
            lacks a parameter asked for.
    """
    if per not in {"call", "item"}:
        raise ConfigurationError(f"counted has per={per!r}; use 'call' or 'item'")
    series = series_for(target, _COUNTED, labels)
    return Counted(series, amount, when, methods, each_item=per == "item")


@overload
def tracked(
    target: BoundUpDownCounter | Unlabelled[BoundUpDownCounter] | UpDownCounter,
    *,
    labels: Mapping[str, object] | None = None,
    methods: Iterable[str] | None = None,
) -> Tracked: ...
@overload
def tracked(
    target: UpDownCounterHandle,
    *,
    labels: Mapping[str, object],
    methods: Iterable[str] | None = None,
) -> Tracked: ...
def tracked(
    target: BoundUpDownCounter
    | Unlabelled[BoundUpDownCounter]
    | UpDownCounterHandle
    | UpDownCounter,
    *,
    labels: Mapping[str, object] | None = None,
    methods: Iterable[str] | None = None,
) -> Tracked:
    """Count one more for as long as each call, or a ``with`` block, runs.

    >>> from butterfly_otel import metrics
    >>> @tracked(metrics.requests_in_flight.bind(method="inference"))
    ... def handle() -> None: ...

    Args:
        target: A bound up-down counter, a handle, or an up-down counter of OpenTelemetry's.
        labels: Of a handle or an instrument, the labels by key, as of :func:`timed`; none that
            is known only at the end.
        methods: On a class: the methods to measure; by default all its own public ones.

    Raises:
        ConfigurationError: When a constant is not in the contract, or a decorated function
            lacks a parameter asked for.
    """
    return Tracked(series_for(target, _TRACKED, labels), methods)
