"""What a reader and its provider know of each other, which is private to the SDK."""
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.metrics import Histogram, NoOpMeterProvider, ObservableCounter
from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader

from butterfly_otel.engine.sdk_names import OLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics import MeterProvider


#: As of the specification ("Metrics SDK", "Cardinality limits").
DEFAULT_LIMIT: Final = 2000


def limits_by_class(reader: MetricReader) -> Mapping[type, int]:
    """Return a reader's cardinality limits by instrument class; none before 1.45.2."""
    return getattr(reader, "_instrument_class_cardinality_limit", None) or {}


def begin_reader(
    reader: MetricReader, component: str, cardinality_limits: Mapping[Any, int] | None
) -> None:
    """Do what ``MetricReader`` does when it is made, with limits also where it takes none.

    Args:
        reader: What is being made; all of its instruments are cumulative.
        component: What the SDK's own metrics, from 1.41 on, call it.
        cardinality_limits: By class of instrument.
    """
    if OLDER:
        MetricReader.__init__(reader)
        limit_reader(reader, cardinality_limits)
    else:
        limits: Any = cardinality_limits
        MetricReader.__init__(reader, cardinality_limits=limits)
    reader._otel_component_type = component


def limit_reader(reader: Any, cardinality_limits: Mapping[Any, int] | None) -> None:  # noqa: ANN401
    """Let a reader, which takes none, have limits by class of instrument."""
    kinds = reader._instrument_class_temporality
    reader._instrument_class_cardinality_limit = dict.fromkeys(kinds, DEFAULT_LIMIT) | {
        kind: limit
        for base, limit in (cardinality_limits or {}).items()
        for kind in kinds
        if issubclass(kind, base)
    }


def attach_reader(
    reader: MetricReader, provider: MeterProvider, collect: Callable[..., Any]
) -> None:
    """Let a reader collect, and know the provider."""
    collect_by(reader, collect)
    introduce(reader, provider)


def introduce(reader: Any, provider: MeterProvider) -> None:  # noqa: ANN401
    """Let a reader know the provider (``MetricReader._set_meter_provider``, from 1.41 on)."""
    known: Any = getattr(MetricReader, "_set_meter_provider", None)
    kind = cast("type[object]", type(reader))
    ours = getattr(kind, "_set_meter_provider", known)
    if ours is known:
        introduce_stock(reader, provider)
    else:
        ours(reader, provider)


def introduce_stock(reader: MetricReader, provider: object) -> None:
    """Let the SDK's part of a reader know the provider, for metrics of its own.

    Those are asked for by a variable; in 1.41, which knows none, nobody gets them.
    """
    known: Any = getattr(MetricReader, "_set_meter_provider", None)
    if known is not None:
        asked = hasattr(environment_variables, "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED")
        known(reader, provider if asked else NoOpMeterProvider())


def collect_by(reader: MetricReader, collect: Callable[..., Any]) -> None:
    """Let a reader collect by a function, whether it belongs to a provider or not.

    ``MetricReader._set_collect_callback``, which every provider calls.

    Args:
        reader: The reader.
        collect: Called with the reader and ``timeout_millis``; None where there is nothing.
    """
    reader._set_collect_callback(collect)


def wrap_collect(reader: MetricReader, wrap: Callable[[Callable[..., Any]], Any]) -> bool:
    """Let a reader collect by what ``wrap`` makes of its function, now and whenever it gets one.

    Returns False, and does nothing, in a release whose readers are given none.

    ``MetricReader._set_collect_callback`` of this one reader, and ``._collect``.

    Args:
        reader: The reader.
        wrap: Given what :func:`collect_by` takes; returns the same.
    """
    given: Any = reader
    take: Callable[[Any], None] | None = getattr(given, "_set_collect_callback", None)
    if take is None:
        return False

    def taken(collect: Callable[..., Any] | None) -> None:
        take(None if collect is None else wrap(collect))

    given._set_collect_callback = taken
    known = getattr(given, "_collect", None)
    if known is not None:
        taken(known)
    return True


def prefers_deltas(reader: MetricReader) -> tuple[bool, bool]:
    """Tell whether a reader prefers deltas of observable counters, and of histograms.

    ``MetricReader._instrument_class_temporality``; cumulative where it does not tell.
    """
    kinds: Mapping[type, Any] = getattr(reader, "_instrument_class_temporality", None) or {}
    deltas = [kind for kind, each in kinds.items() if each == AggregationTemporality.DELTA]
    counters = any(issubclass(kind, ObservableCounter) for kind in deltas)
    return counters, any(issubclass(kind, Histogram) for kind in deltas)
