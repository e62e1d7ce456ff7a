"""Rules about what OTLP says and an exposition does not: kinds, units, temporality."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from butterfly_otel.lint.expositions.rules.names import UNIT_WORDS
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.expositions.otlp.points import Stream
    from butterfly_otel.lint.findings import Severity

#: What the names of rules mean that only OTLP has.
OTLP_RULE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "counter-fell": "a cumulative count fell, and its start time is the same",
        "not-compared": "there are so many series that not all are compared between pushes",
        "otlp-message": "a message is one that OTLP does not allow",
        "otlp-start": "a cumulative count does not say when counting began",
        "otlp-time": "a point has no time, or one before its start time",
        "temporality": "a metric is sent as deltas, or without a temporality",
    }
)

#: As in ``opentelemetry.proto``: AGGREGATION_TEMPORALITY_DELTA and _CUMULATIVE.
DELTA: Final = 1
CUMULATIVE: Final = 2

_KINDS: Final = {
    "monotonic_sum": "a monotonic sum",
    "sum": "a sum that is not monotonic",
    "gauge": "a gauge",
    "histogram": "a histogram with explicit boundaries",
    "exponential_histogram": "an exponential histogram",
    "summary": "a summary",
}
_KIND_OF: Final = {"counter": "monotonic_sum", "up_down_counter": "sum"}
#: What Prometheus makes gauges of.
_GAUGES: Final = frozenset({"sum", "gauge"})


def stream_findings(streams: Iterable[Stream], names: Mapping[str, Metric]) -> Iterator[Finding]:
    """Yield what is wrong with how metrics of the contract are declared."""
    for stream in streams:
        metric = names.get(stream.name)
        if metric is not None:
            yield from _kind(stream, metric)
            yield from _unit(stream, metric)
            yield from _temporality(stream)


def _kind(stream: Stream, metric: Metric) -> Iterator[Finding]:
    instrument = metric.instrument.removeprefix("observable_")
    wanted = _KIND_OF.get(instrument, instrument)
    if stream.kind == wanted:
        return
    message = f"arrives as {_KINDS[stream.kind]}, and must be {_KINDS[wanted]}"
    severity: Severity = "error"
    if _GAUGES.issuperset((stream.kind, wanted)):
        severity = "warning"
        message += f", an instrument of the kind {instrument} (for Prometheus both are gauges)"
    elif stream.kind == "exponential_histogram":
        message += ": give the SDK a View with the contract's boundaries"
    yield Finding("type-wrong", severity, metric.name, message)


def _unit(stream: Stream, metric: Metric) -> Iterator[Finding]:
    if stream.unit == metric.unit:
        return
    got, wanted = (UNIT_WORDS.get(unit, "") for unit in (stream.unit, metric.unit))
    # Annotations and no unit are the same to whatever makes names of units.
    harmless = got == wanted and (not stream.unit or stream.unit.startswith("{"))
    told = f"is `{stream.unit}`" if stream.unit else "is empty"
    message = f"the unit {told}, and must be `{metric.unit}`"
    if not harmless:
        message += ": a translation with suffixes makes another name of it"
    severity: Severity = "info" if harmless else "error"
    yield Finding("unit", severity, metric.name, message)


def _temporality(stream: Stream) -> Iterator[Finding]:
    if stream.temporality == DELTA:
        message = (
            "is sent as deltas, which Prometheus takes only from a Collector that adds them up"
            " (`deltatocumulative`): ask the SDK for cumulative temporality"
        )
        yield Finding("temporality", "warning", stream.name, message)
    elif stream.temporality not in (None, CUMULATIVE):
        message = f"has the temporality {stream.temporality}, which is none that OTLP knows"
        yield Finding("temporality", "error", stream.name, message)
