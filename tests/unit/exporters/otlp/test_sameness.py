"""Our bytes decode to the same message as the official encoder's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as OfficialGrpcExporter,
)
from opentelemetry.sdk.metrics import Exemplar, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.metrics.view import (
    ExponentialBucketHistogramAggregation,
    View,
)

from butterfly_otel.engine import MeterProvider as OurMeterProvider
from butterfly_otel.exporters.otlp import temporalities
from butterfly_otel.exporters.otlp_wire import MetricsEncoder
from butterfly_otel.exporters.otlp_wire import official as theirs
from butterfly_otel.exporters.parts import points_of
from tests.unit.exporters.otlp.messages import canonical, official, parsed
from tests.unit.exporters.otlp.readers import Keeping
from tests.unit.exporters.otlp.strategies import collections
from tests.unit.exporters.prometheus.support import (
    START,
    collected,
    counter,
    distribution,
    histogram,
    number,
)

EXEMPLAR = Exemplar({"task_id": "t1"}, 0.5, START, 0xABC, 0xDEF)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Leave out the tracebacks that the official encoder logs for attributes it can't encode."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


# Without shrinking, which takes minutes with data of this size.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=60, deadline=None, phases=_PHASES, suppress_health_check=list(HealthCheck))
@given(collections())
@example([MetricsData([])])
def test_any_collections_in_a_row(every: list[MetricsData]) -> None:
    """Whatever is collected, with the same or other attributes objects, the message is the same."""
    encoder = MetricsEncoder()
    for data in every:
        assert canonical(encoder.encode(data)) == official(data)
        # Once more, with everything kept.
        assert canonical(encoder.encode(data)) == official(data)


@settings(max_examples=60, deadline=None, phases=_PHASES, suppress_health_check=list(HealthCheck))
@given(collections(), st.integers(1, 8))
def test_any_collections_in_batches(every: list[MetricsData], most: int) -> None:
    """Batches are those of the official exporter, each the same message, also with parts kept."""
    encoder, split = MetricsEncoder(), SimpleNamespace(_max_export_batch_size=most)
    for data in (each for each in every for _ in range(2)):
        parts: list[Any] = [*OfficialGrpcExporter._split_metrics_data(cast("Any", split), data)]
        if len(parts) < 2:
            parts = [data]
        batches = encoder.batches(data, most)
        assert [canonical(batch.body) for batch in batches] == [official(part) for part in parts]
        assert [batch.points for batch in batches] == [points_of(part) for part in parts]


@pytest.fixture
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to the official encoder."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("the official encoder was asked")

    monkeypatch.setattr(theirs, "encode_metric", refuse)
    monkeypatch.setattr(theirs, "encode_attributes", refuse)


ORDINARY = {
    "sum": counter("c", number({"k": "v"}, 1), number({"k": "w"}, 2)),
    "float sum": counter("c", number({"k": "v"}, 1.5), unit="s", help_text="é"),
    "mixed sum": counter("c", number({"k": "v"}, 1.5), number({}, 3, [EXEMPLAR])),
    "delta": counter("c", monotonic=False, temporality=AggregationTemporality.DELTA),
    "gauge": Metric("g", None, None, Gauge([NumberDataPoint({}, None, START, -1)])),  # type: ignore[arg-type]
    "empty": Metric("g", None, None, Gauge([])),
    "scalars": counter(
        "c", number({"a": -1, "b": True, "c": 0.5, "d": "", "": "x" * 300, "e": "é" * 65}, 1)
    ),
    "histogram": histogram("h", distribution({"k": "v"}, [1, 2, 3], (1.0, 5.0), 3, [EXEMPLAR])),
    "wide histogram": histogram("h", distribution({}, [*range(21)], tuple(map(float, range(20))))),
    "uneven histogram": histogram("h", distribution({}, [1], ()), distribution({}, [], (1.0,))),
    "half a histogram": histogram(
        "h", distribution({}, [1], ()), replace(distribution({}, [1], ()), min=None)
    ),
    "exponential": Metric(
        "e",
        "",
        "s",
        ExponentialHistogram(
            [
                ExponentialHistogramDataPoint(
                    {"k": "v"},
                    START,
                    START,
                    1000,
                    2.5,
                    -3,
                    2,
                    Buckets(-7, [1, 0, 300]),
                    Buckets(0, []),
                    1,
                    0.5,
                    2.0,
                    [EXEMPLAR],
                )
            ],
            AggregationTemporality.DELTA,
        ),
    ),
}


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.usefixtures("only_ours")
def test_what_is_ordinary_needs_no_help(kind: str) -> None:
    """No kind of point that an SDK makes is left to the official encoder, which is slow."""
    data = collected(ORDINARY[kind])
    assert canonical(MetricsEncoder().encode(data)) == official(data)


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
@pytest.mark.parametrize("provider", [MeterProvider, OurMeterProvider])
@pytest.mark.usefixtures("only_ours")
def test_what_a_provider_collects(
    provider: type[MeterProvider], temporality: Literal["cumulative", "delta"]
) -> None:
    """Collections of the SDK's provider and of ours, as series come, go on and are in conflict."""
    reader = Keeping(preferred_temporality=temporalities(temporality))
    exponential = View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation())
    meters = provider([reader], views=[exponential], shutdown_on_exit=False)
    meter = meters.get_meter("m", "1", "https://schema", {"k": [1, "x"]})
    every = [
        meter.create_counter("c").add,
        meter.create_counter("c", "By").add,
        meter.create_up_down_counter("u", "s", "help").add,
        meter.create_gauge("g").set,
        meter.create_histogram("h").record,
        meter.create_histogram("e").record,
    ]
    encoder = MetricsEncoder()
    for turn in range(4):
        for measure in every[: turn + 3]:
            measure(turn + 0.5, {"turn": turn})
            measure(turn, {})
        data = reader.fetch()
        assert canonical(encoder.encode(data)) == official(data)


def test_changed_types_of_equal_attributes() -> None:
    """Attributes that are equal but of other types are other attributes: 1 is not true."""
    encoder = MetricsEncoder()
    for value in (1, True, 1.0):
        data = collected(counter("c", number({"k": value}, 1)))
        assert canonical(encoder.encode(data)) == official(data)


def test_lists_among_attributes_may_change() -> None:
    """What could be changed inside of a series' attributes is encoded every time."""
    inside = [1]
    data = collected(counter("c", number({"k": inside}, 1)))  # type: ignore[dict-item]
    encoder = MetricsEncoder()
    before = encoder.encode(data)
    inside.append(2)
    assert canonical(encoder.encode(data)) == official(data) != canonical(before)


def test_an_integer_beyond_64_bits_goes_as_a_double() -> None:
    """Such a sum, which ends all exports by the official encoder, arrives as good as it can."""
    data = collected(counter("c", number({"k": "a"}, 1 << 64), number({"k": "b"}, 2)))
    body = parsed(MetricsEncoder().encode(data))
    large, small = body.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert (large.as_double, small.as_int) == (2.0**64, 2)
    with pytest.raises(Exception, match="out of range"):
        official(data)


def test_one_broken_metric_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """A metric that can't be encoded is left out, which is logged once while that lasts."""
    logging.disable(logging.NOTSET)
    broken = counter("broken", NumberDataPoint({}, START, -1, 1))
    fine = counter("fine")
    encoder = MetricsEncoder()
    for _ in range(2):
        assert canonical(encoder.encode(collected(fine, broken))) == official(collected(fine))
    mended = collected(fine, counter("broken"))
    assert canonical(encoder.encode(mended)) == official(mended)
    [record] = [each for each in caplog.records if each.name == "butterfly_otel"]
    assert "the metric broken can't be encoded for OTLP" in record.getMessage()
    assert "data_points" not in record.getMessage()


def test_what_nobody_has_heard_of_is_left_to_the_official_encoder() -> None:
    """A kind of data that is derived from a known one is encoded as the official encoder does."""

    class OwnSum(Sum):
        """A sum of somebody's own."""

    own = OwnSum([number({}, 1)], AggregationTemporality.CUMULATIVE, is_monotonic=True)
    data = collected(Metric("c", "", "", own))
    assert canonical(MetricsEncoder().encode(data)) == official(data)
