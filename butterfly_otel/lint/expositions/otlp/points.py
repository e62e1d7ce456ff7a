"""A resource of an OTLP request, read into the model that expositions are read into."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from butterfly_otel.lint.expositions.model import Exposition, Family, Labels, Metadata, Sample
from butterfly_otel.lint.expositions.rules.values import canonical_bound
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

#: ``DataPointFlags``: the series has ended, and the point has no value.
_NO_VALUE: Final = 1
#: TYPE, as Prometheus would have it, of each kind of data.
_TYPES: Final = {
    "gauge": "gauge",
    "histogram": "histogram",
    "exponential_histogram": "exponential_histogram",
    "summary": "summary",
}


class Stream(NamedTuple):
    """A metric of one scope, as it is declared in a push.

    Attributes:
        name: Its name.
        kind: The field of its data, such as ``sum``; ``monotonic_sum`` for a monotonic one.
        unit: Its unit, in UCUM.
        temporality: As OTLP numbers them; None for kinds that have none.
        scope: Name and version of the instrumentation scope.
    """

    name: str
    kind: str
    unit: str
    temporality: int | None
    scope: tuple[str, str]


class Point(NamedTuple):
    """What is compared of a point from push to push.

    Attributes:
        stream: The metric.
        labels: Its attributes.
        start: When counting began, in ns; 0 where that is not told.
        time: When it was measured, in ns.
        counts: What must not fall: the value of a sum, count and buckets of a histogram.
        samples: How many samples of the exposition it is, to find them again.
    """

    stream: Stream
    labels: Labels
    start: int
    time: int
    counts: tuple[float, ...]
    samples: tuple[Sample, ...]


class Push(NamedTuple):
    """What a request has of one resource.

    Attributes:
        exposition: Its metrics as families; "lines" only number them.
        streams: Its metrics as OTLP has them.
        points: Its points.
    """

    exposition: Exposition
    streams: tuple[Stream, ...]
    points: tuple[Point, ...]


def read_push(resource: ResourceMetrics) -> Push:
    """Return what a resource of a request has. Raises nothing, whatever it holds."""
    return _Reading().of(resource)


def attribute_text(value: Any) -> str:  # noqa: ANN401 - an AnyValue
    """Return an attribute's value as the label that Prometheus makes of it."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return str(value.string_value)
    plain = _plain(value)
    return "" if plain is None else json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:  # noqa: ANN401 - an AnyValue, and JSON
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if kind == "array_value":
        return [_plain(each) for each in inner.values]
    if kind == "kvlist_value":
        return {each.key: _plain(each.value) for each in inner.values}
    return b64encode(inner).decode() if kind == "bytes_value" else inner


class _Reading:
    """One reading; numbers what it finds as if each were a line."""

    def __init__(self) -> None:
        self._line = 0
        self._metadata: dict[str, list[Metadata]] = {}
        self._samples: dict[str, list[Sample]] = {}
        self._findings: list[Finding] = []
        self._streams: list[Stream] = []
        self._points: list[Point] = []

    def of(self, resource: ResourceMetrics) -> Push:
        for scoped in resource.scope_metrics:
            scope = scoped.scope.name, scoped.scope.version
            for metric in scoped.metrics:
                self._metric(metric, scope)
        families = tuple(
            Family(
                name,
                tuple(each for each in metadata if each.keyword == "TYPE"),
                tuple(each for each in metadata if each.keyword == "HELP"),
                samples=tuple(self._samples.get(name, ())),
            )
            for name, metadata in self._metadata.items()
        )
        exposition = Exposition("otlp", families, tuple(self._findings))
        return Push(exposition, tuple(self._streams), tuple(self._points))

    def _next(self) -> int:
        self._line += 1
        return self._line

    def _wrong(self, rule: str, name: str, message: str) -> None:
        self._findings.append(Finding(rule, "error", name, message, self._next()))

    def _metric(self, metric: Metric, scope: tuple[str, str]) -> None:
        kind = metric.WhichOneof("data")
        if not metric.name:
            self._wrong("otlp-message", "", "a metric has no name")
            return
        if kind is None:
            self._wrong("otlp-message", metric.name, "has neither a kind nor points")
            return
        data: Any = getattr(metric, kind)
        monotonic = kind == "sum" and data.is_monotonic
        stream = Stream(
            metric.name,
            "monotonic_sum" if monotonic else kind,
            metric.unit,
            getattr(data, "aggregation_temporality", None),
            scope,
        )
        self._streams.append(stream)
        self._declare(metric, _TYPES.get(kind, "counter" if monotonic else "gauge"))
        for point in data.data_points:
            if not point.flags & _NO_VALUE:
                self._point(stream, kind, point)

    def _declare(self, metric: Metric, type_: str) -> None:
        """Note what is said of a metric, once: its scopes may say it each."""
        said = self._metadata.setdefault(metric.name, [])
        if all(each.keyword != "TYPE" for each in said):
            said.append(Metadata("TYPE", metric.name, type_, self._next()))
        if metric.description and all(each.keyword != "HELP" for each in said):
            said.append(Metadata("HELP", metric.name, metric.description, self._next()))

    def _point(self, stream: Stream, kind: str, point: Any) -> None:  # noqa: ANN401 - of any kind
        name = stream.name
        labels = self._labels(name, point.attributes)
        self._times(name, point)
        counts: tuple[float, ...] = ()
        if kind == "histogram":
            counts = (point.count, *point.bucket_counts)
            values = list(self._buckets(name, point))
        elif kind == "exponential_histogram":
            positive, negative = (
                sum(point.positive.bucket_counts),
                sum(point.negative.bucket_counts),
            )
            counts = (point.count, point.zero_count, positive, negative)
            values = [("_count", (), point.count)]
            if sum(counts[1:]) != point.count:
                self._wrong("otlp-message", name, "the count differs from what its buckets count")
        elif kind == "summary":
            counts = (point.count,)
            values = [
                ("", (("quantile", canonical_bound(each.quantile)),), each.value)
                for each in point.quantile_values
            ]
            values += [("_sum", (), point.sum), ("_count", (), point.count)]
        else:
            number = point.WhichOneof("value")
            if number is None:
                self._wrong("otlp-message", name, "a point has no value")
                return
            values = [("", (), float(getattr(point, number)))]
            counts = (values[0][2],) if stream.kind == "monotonic_sum" else ()
        samples = [
            Sample(name + suffix, (*labels, *more), value, self._next(), point.time_unix_nano / 1e9)
            for suffix, more, value in values
        ]
        self._samples.setdefault(name, []).extend(samples)
        start = point.start_time_unix_nano
        self._points.append(
            Point(stream, labels, start, point.time_unix_nano, counts, tuple(samples))
        )

    def _buckets(self, name: str, point: Any) -> Iterable[tuple[str, Labels, float]]:  # noqa: ANN401
        bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
        if not counts and not bounds:
            pass  # without buckets, which the rules tell of
        elif len(counts) != len(bounds) + 1:
            message = f"a histogram has {len(bounds)} boundaries and {len(counts)} buckets"
            self._wrong("otlp-message", name, f"{message}, which must be one more")
        elif any(not lower < upper for lower, upper in pairwise(bounds)):
            self._wrong("otlp-message", name, "a histogram's boundaries do not ascend")
        else:
            for bound, count in zip([*bounds, math.inf], accumulate(counts), strict=True):
                yield "_bucket", (("le", canonical_bound(bound)),), count
        if point.HasField("sum"):
            yield "_sum", (), point.sum
        yield "_count", (), point.count

    def _labels(self, name: str, attributes: Iterable[KeyValue]) -> Labels:
        found: dict[str, str] = {}
        for each in attributes:
            if each.key in found:
                message = f"a point has the attribute `{each.key}` twice"
                self._wrong("otlp-message", name, message)
            found[each.key] = attribute_text(each.value)
        return tuple(found.items())

    def _times(self, name: str, point: Any) -> None:  # noqa: ANN401 - of any kind
        if not point.time_unix_nano:
            self._wrong("otlp-time", name, "a point has no time")
        elif point.start_time_unix_nano > point.time_unix_nano:
            self._wrong("otlp-time", name, "a point's start time is behind its time")
