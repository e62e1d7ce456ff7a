"""Any MetricsData there can be, for Hypothesis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

TEXT = st.text(max_size=6) | st.sampled_from(["é" * 100, "x" * 200, "x" * 61, "\0"])
#: Also lone surrogates, which the official encoder logs and leaves out.
_HOSTILE_TEXT = TEXT | st.text(st.characters(exclude_categories=()), max_size=4)
_INT64 = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-2, 130)
_UINT64 = st.integers(0, (1 << 64) - 1) | st.integers(0, 130)
_SINT32 = st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-70, 70)
_FLOAT = st.floats() | st.sampled_from([0.0, -0.0, float("nan"), float("inf"), 5e-324])
_TIME = st.sampled_from([0, 1, 1_700_000_000_000_000_000]) | _UINT64
_SCALAR = _HOSTILE_TEXT | st.booleans() | st.integers() | _INT64 | _FLOAT
_ANY: st.SearchStrategy[Any] = st.recursive(
    _SCALAR | st.none() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ATTRIBUTES: st.SearchStrategy[Any] = (
    st.dictionaries(_HOSTILE_TEXT, _SCALAR, max_size=4)
    | st.dictionaries(TEXT, _ANY, max_size=3)
    # Equal, and yet not the same.
    | st.sampled_from([{"k": 1}, {"k": True}, {"k": 1.0}, {"k": 0.0}, {"k": -0.0}, {}])
    | st.none()
)
_VALUE = _INT64 | _FLOAT
_EXEMPLARS = st.lists(
    st.builds(
        Exemplar,
        ATTRIBUTES,
        _VALUE,
        _TIME,
        st.none() | st.integers(0, (1 << 64) - 1),
        st.none() | st.integers(0, (1 << 128) - 1),
    ),
    max_size=2,
)
_TEMPORALITY = st.sampled_from(AggregationTemporality)
_KIND = st.sampled_from(["gauge", "sum", "histogram", "exponential"])


@st.composite
def collections(draw: st.DrawFn) -> list[MetricsData]:
    """Return collections in a row, which share attributes objects, resources and scopes."""
    pool = draw(st.lists(ATTRIBUTES, min_size=1, max_size=5))
    resources = [
        Resource({**(draw(st.dictionaries(TEXT, _ANY, max_size=3))), "number": number}, url)
        for number, url in enumerate(draw(st.lists(TEXT, min_size=1, max_size=2)))
    ]
    scopes = [
        InstrumentationScope(f"{name}{number}", version, url, attributes)
        for number, (name, version, url, attributes) in enumerate(
            draw(
                st.lists(
                    st.tuples(TEXT, st.none() | TEXT, st.none() | TEXT, ATTRIBUTES),
                    min_size=1,
                    max_size=2,
                )
            )
        )
    ]
    # What each scope has, which goes on from one collection to the next.
    every = {(id(r), id(s)): draw(_metrics(pool)) for r in resources for s in scopes}
    found: list[MetricsData] = []
    for _ in range(draw(st.integers(1, 3))):
        found.append(
            MetricsData(
                [
                    ResourceMetrics(
                        resource,
                        [
                            ScopeMetrics(scope, every[id(resource), id(scope)], "not this")
                            for scope in scopes
                        ],
                        "nor this",
                    )
                    for resource in resources
                ]
            )
        )
        every = {key: draw(_later(metrics, pool)) for key, metrics in every.items()}
    return found


@st.composite
def _later(draw: st.DrawFn, metrics: list[Metric], pool: list[Any]) -> list[Metric]:
    """Return what may have become of metrics: most of it as it was."""
    found = [replace(metric, data=draw(_later_data(metric.data))) for metric in metrics]
    change = draw(st.sampled_from(["none", "none", "new", "gone"]))
    if change == "new":
        return draw(_metrics(pool)) + found
    return found[1:] if change == "gone" else found


@st.composite
def _later_data(draw: st.DrawFn, data: Any) -> Any:
    points = list(data.data_points)
    change = draw(st.sampled_from(["none", "start", "time", "order", "gone", "bounds"]))
    if change == "order":
        points.reverse()
    elif change == "gone":
        points = points[1:]
    elif change == "start":
        points = [replace(each, start_time_unix_nano=draw(_TIME)) for each in points]
    elif change == "time":
        points = [replace(each, time_unix_nano=draw(_TIME)) for each in points]
    elif change == "bounds" and isinstance(data, Histogram):
        bounds = (draw(_FLOAT),)
        points = [replace(each, explicit_bounds=bounds) for each in points]
    return replace(data, data_points=points)


def _metrics(pool: list[Any]) -> st.SearchStrategy[list[Metric]]:
    # Few names, so that they come again and are in conflict.
    name = st.sampled_from(["a", "b", "é"])
    text = st.none() | TEXT
    return st.lists(st.builds(Metric, name, text, text, _data(pool)), min_size=1, max_size=3)


@st.composite
def _data(draw: st.DrawFn, pool: list[Any]) -> Any:
    same = st.sampled_from(pool)
    # A copy is another object, and so another series as far as anybody can know.
    attributes = same | same.map(lambda each: None if each is None else dict(each))
    temporality = draw(_TEMPORALITY)
    kind = draw(_KIND)
    if kind == "histogram":
        return Histogram(draw(_histogram_points(attributes)), temporality)
    if kind == "exponential":
        return ExponentialHistogram(draw(_exponential_points(attributes)), temporality)
    values = draw(st.sampled_from([_INT64, _FLOAT, _VALUE]))
    start = _TIME if kind == "sum" else _TIME | st.none()
    point = st.builds(NumberDataPoint, attributes, start, _TIME, values, _EXEMPLARS)
    points = draw(st.lists(point, max_size=4))
    return Gauge(points) if kind == "gauge" else Sum(points, temporality, draw(st.booleans()))


def _optional(draw: st.DrawFn) -> Any:
    return draw(st.sampled_from([_FLOAT, _FLOAT | _INT64, st.none(), _FLOAT | st.none()]))


@st.composite
def _histogram_points(draw: st.DrawFn, attributes: Any) -> list[HistogramDataPoint]:
    number = draw(st.integers(0, 3) | st.integers(14, 40))
    bounds = tuple(draw(st.lists(_FLOAT, min_size=number, max_size=number)))
    # Nearly always all points of a metric share the boundaries.
    other = draw(st.sampled_from([st.just(bounds), st.just(bounds) | st.tuples(_FLOAT)]))
    length = draw(st.sampled_from([st.just(number + 1), st.just(number), st.integers(0, 20)]))
    optional = [_optional(draw) for _ in range(3)]
    point = st.builds(
        lambda counts, *rest: HistogramDataPoint(*rest[:5], counts, *rest[5:]),
        length.flatmap(lambda size: st.lists(_UINT64, min_size=size, max_size=size)),
        attributes,
        _TIME,
        _TIME,
        _UINT64,
        optional[0],
        other,
        *optional[1:],
        _EXEMPLARS,
    )
    return draw(st.lists(point, max_size=4))


@st.composite
def _exponential_points(draw: st.DrawFn, attributes: Any) -> list[ExponentialHistogramDataPoint]:
    counts = st.lists(_UINT64, max_size=5) | st.lists(st.integers(0, 127), max_size=160)
    buckets = st.builds(Buckets, _SINT32, counts)
    optional = [_optional(draw) for _ in range(3)]
    point = st.builds(
        ExponentialHistogramDataPoint,
        attributes,
        _TIME,
        _TIME,
        _UINT64,
        optional[0],
        _SINT32,
        _UINT64,
        buckets,
        buckets,
        st.integers(0, (1 << 32) - 1) | st.just(1),
        *optional[1:],
        _EXEMPLARS,
    )
    return draw(st.lists(point, max_size=3))
