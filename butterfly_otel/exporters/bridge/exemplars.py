"""Exemplars and times of prometheus_client as OpenTelemetry has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import Exemplar

from butterfly_otel.exporters.bridge.series import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.samples import Sample

#: Hexadecimal digits of an id.
_TRACE, _SPAN = 32, 16


def nanoseconds(time: Any, otherwise: int) -> int:  # noqa: ANN401 - a number or a Timestamp
    """Return a sample's time in nanoseconds since the epoch; another where it has none."""
    if time is None:
        return otherwise
    whole = getattr(time, "sec", None)
    if whole is not None:
        return int(whole) * 1_000_000_000 + int(time.nsec)
    return round(float(time) * 1e9)


def exemplars_of(samples: Iterable[Sample], now: int) -> list[Exemplar]:
    """Return the exemplars of a series' samples."""
    return [_exemplar(each.exemplar, now) for each in samples if each.exemplar]


def _exemplar(given: Any, now: int) -> Exemplar:  # noqa: ANN401 - of prometheus_client's kind
    labels = dict(given.labels)
    trace = _id(labels.get("trace_id"), _TRACE)
    span = _id(labels.get("span_id"), _SPAN) if trace else 0
    if trace:
        del labels["trace_id"]
    if span:
        del labels["span_id"]
    # A trace without a span has a span of zeros, which OTLP says is none: encoders leave out the
    # one where the other is None.
    return Exemplar(
        filtered_attributes=attributes_of(labels),
        value=float(given.value),
        time_unix_nano=nanoseconds(given.timestamp, now),
        span_id=span if trace else None,
        trace_id=trace or None,
    )


def _id(text: object, digits: int) -> int:
    """Return an id; 0 where it is none, or is written otherwise, which then stays a label."""
    if not isinstance(text, str) or len(text) != digits:
        return 0
    try:
        number = int(text, 16)
    except ValueError:
        return 0
    return number if f"{number:0{digits}x}" == text else 0
