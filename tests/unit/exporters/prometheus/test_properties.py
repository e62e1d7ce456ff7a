"""Whatever is measured, the exposition parses and says nothing twice."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Metric,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from butterfly_otel.exporters.prometheus.model.escaping import ESCAPINGS, Escaping
from butterfly_otel.exporters.prometheus.model.names import STRATEGIES, Naming
from butterfly_otel.exporters.prometheus.packing.families import pack_family
from butterfly_otel.exporters.prometheus.translating.translate import Translator
from tests import prometheus_proto
from tests.unit.exporters.prometheus.support import (
    START,
    collected,
    counter,
    distribution,
    encode_openmetrics,
    encode_text,
    gauge,
    histogram,
    number,
    parse_openmetrics,
    parse_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.sdk.metrics.export import MetricsData

    from butterfly_otel.exporters.prometheus.model.families import Family

# Names and keys that love to collide, and any other text, surrogates included.
_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
_NAMES = st.sampled_from(
    ["x", "x.total", "x_total", "x_created", "h", "h_sum", "h.bucket", "target_info", "target", "é"]
) | _TEXT.filter(bool)
_KEYS = st.sampled_from(["a.b", "a_b", "le", "quantile", "__name__", "otel_scope_name"]) | _TEXT
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=4,
)
_ATTRIBUTES = st.dictionaries(_KEYS, _VALUES, max_size=3)
_NUMBERS = st.integers() | st.floats()
_UNITS = st.sampled_from(["", "1", "s", "By", "By/s", "{x}", "%"]) | _TEXT
# prometheus_client's parser takes an escaped quote in an exemplar for the end of the value.
_UNQUOTED = st.dictionaries(_KEYS, _TEXT.map(lambda text: text.replace('"', "'")), max_size=3)
_EXEMPLARS = st.lists(
    st.builds(
        Exemplar,
        _UNQUOTED,
        st.floats(allow_nan=False),
        st.integers(0, 2**60),
        st.none() | st.integers(0, 2**64 - 1),
        st.none() | st.integers(0, 2**128 - 1),
    ),
    max_size=2,
)


@st.composite
def _points(draw: st.DrawFn) -> Any:
    bounds = draw(st.lists(st.floats(), max_size=4).map(tuple))
    size = len(bounds) + 1
    counts = draw(st.lists(st.integers(0, 10**7), min_size=size, max_size=size))
    total = draw(st.floats())
    return distribution(draw(_ATTRIBUTES), counts, bounds, total, draw(_EXEMPLARS))


@st.composite
def _buckets(draw: st.DrawFn, scale: int) -> Buckets:
    # Of numbers that there are.
    lowest, highest = int(-1060 * 2.0**scale), int(1000 * 2.0**scale) - 4
    counts = draw(st.lists(st.integers(0, 300), max_size=4))
    return Buckets(draw(st.integers(lowest, max(lowest, highest))), counts)


@st.composite
def _exponentials(draw: st.DrawFn) -> Any:
    scale, zeros = draw(st.integers(-6, 20)), draw(st.integers(0, 3))
    positive, negative = draw(_buckets(scale)), draw(_buckets(scale))
    size = sum(positive.bucket_counts) + sum(negative.bucket_counts) + zeros
    return ExponentialHistogramDataPoint(
        *(draw(_ATTRIBUTES), START, START, size, draw(st.floats()), scale, zeros),
        *(positive, negative, 0, 0, 1, draw(_EXEMPLARS)),
    )


@st.composite
def _metrics(draw: st.DrawFn) -> Metric:
    name, unit, help_text = draw(_NAMES), draw(_UNITS), draw(_TEXT)
    kind = draw(
        st.sampled_from(["counter", "up_down_counter", "gauge", "histogram", "exponential"])
    )
    if kind == "exponential":
        exponentials = draw(st.lists(_exponentials(), min_size=1, max_size=3))
        data = ExponentialHistogram(exponentials, AggregationTemporality.CUMULATIVE)
        return Metric(name, help_text, unit, data)
    if kind == "histogram":
        found = draw(st.lists(_points(), min_size=1, max_size=3))
        return histogram(name, *found, unit=unit, help_text=help_text)
    points = draw(
        st.lists(st.builds(number, _ATTRIBUTES, _NUMBERS, _EXEMPLARS), min_size=1, max_size=3)
    )
    if kind == "gauge":
        return gauge(name, *points, unit=unit, help_text=help_text)
    monotonic = kind == "counter"
    return counter(name, *points, unit=unit, help_text=help_text, monotonic=monotonic)


@st.composite
def _collections(draw: st.DrawFn) -> MetricsData:
    scopes = st.builds(InstrumentationScope, _TEXT, _TEXT, _TEXT, st.just({"a.b": "x"}))
    return collected(
        *draw(st.lists(_metrics(), max_size=4)),
        scope=draw(scopes),
        resource=Resource({key: value for key, value in draw(_ATTRIBUTES).items() if key}),
        more=[(draw(scopes), draw(st.lists(_metrics(), max_size=3)))],
    )


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Keep the thousands of warnings that are due here out of the report."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_collections(), min_size=1, max_size=2),
    st.sampled_from(STRATEGIES),
    st.booleans(),
    st.sampled_from(ESCAPINGS),
    st.booleans(),
)
def test_any_collection_gives_valid_expositions(
    collections: list[MetricsData],
    strategy: Any,
    scope_labels: bool,  # noqa: FBT001 - drawn
    escaping: Escaping,
    verbatim: bool,  # noqa: FBT001 - drawn
) -> None:
    """All formats parse; no series, no TYPE, HELP or UNIT line comes twice.

    Protobuf has the very values that text has, and exponential histograms besides.
    """
    translator = Translator(
        Naming(strategy, escaping=escaping),
        scope_labels=scope_labels,
        verbatim=lambda _scope, name: verbatim and len(name) % 2 == 0,
        created=True,
    )
    for each in collections:
        families = translator.translate(each)
        parse_text(encode_text(families))
        parse_openmetrics(encode_openmetrics(families))
        body = b"".join(map(pack_family, families))
        assert _values(prometheus_proto.samples(body).values()) == _values(_written(families))
        natives = translator.translate(each, natives=True)
        for found in prometheus_proto.families(b"".join(map(pack_family, natives))):
            keys = [str(metric.label) for metric in found.metric]
            assert len(set(keys)) == len(keys)
            for metric in found.metric:
                _check_native(metric.histogram)


def _values(values: Iterable[float]) -> Counter[str]:
    return Counter(repr(float(each)) for each in values)


def _written(families: Iterable[Family]) -> Iterator[float]:
    for line in encode_text(families).decode().split("\n"):
        if line and not line.startswith("#"):
            yield float(line.rpartition(" ")[2])


def _check_native(found: Any) -> None:
    """Fail where Prometheus would: each bucket has a count, and they make up that of all."""
    if not found.HasField("schema"):
        return
    assert -4 <= found.schema <= 8
    total = found.zero_count
    for spans, deltas in (
        (found.positive_span, found.positive_delta),
        (found.negative_span, found.negative_delta),
    ):
        counts = [*accumulate(deltas)]
        assert sum(each.length for each in spans) == len(counts)
        assert all(each.offset >= 0 for each in spans[1:])
        assert min(counts, default=0) >= 0
        total += sum(counts)
    assert total == found.sample_count
    cumulated = [each.cumulative_count for each in found.bucket]
    bounds = [each.upper_bound for each in found.bucket]
    assert sorted(cumulated) == cumulated
    assert sorted(set(bounds)) == bounds
    assert max(cumulated, default=0) <= found.sample_count
