"""What is pushed by OTLP: each mistake is found, and what is right is left alone."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToJson, Parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_DELTA,
    AGGREGATION_TEMPORALITY_UNSPECIFIED,
    Metric,
)

from butterfly_otel import catalog
from butterfly_otel.lint.expositions.check import RULE_NAMES
from butterfly_otel.lint.expositions.otlp.rules import OTLP_RULE_NAMES
from butterfly_otel.lint.expositions.otlp.sources import Sources
from tests.unit.lint.otlp_fixture import (
    CUMULATIVE,
    TIME,
    attributes,
    full_request,
    metric,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from butterfly_otel.lint.findings import Finding

REQUESTS = "butterfly_requests_total"
DURATION = "butterfly_request_duration_seconds"
QUORUM = "butterfly_quorum_size"
IN_FLIGHT = "butterfly_requests_in_flight"
CPU = "butterfly_cpu_usage_ratio"


def found_in(*requests: ExportMetricsServiceRequest, **options: Any) -> list[Finding]:
    """Return what is found in pushes of one resource, but for how many metrics are there."""
    sources = Sources(**options)
    for each in requests:
        sources.take(each)
    ((_, found),) = sources.findings().items()
    return [item for item in found if item.rule != "coverage"]


def point_of(made: Metric, at: int = 0) -> Any:
    """Return a point of a metric, whatever its kind."""
    return getattr(made, str(made.WhichOneof("data"))).data_points[at]


def test_the_whole_contract_is_true() -> None:
    """Every metric of the contract, pushed as it is there, has no finding."""
    sources = Sources(expect_all=True)
    sources.take(full_request(service_name="node", service_instance_id="n1"))
    assert sources.findings() == {"node/n1": []}


def test_json_is_the_same() -> None:
    """What went through OTLP's JSON is found to be as true."""
    text = MessageToJson(full_request(service_name="node"))
    assert found_in(Parse(text, ExportMetricsServiceRequest()), expect_all=True) == []


def _type_of_sum(made: Metric) -> None:
    made.sum.is_monotonic = False


def _gauge_of_counter(made: Metric) -> None:
    made.gauge.data_points.add(as_int=1, time_unix_nano=TIME, attributes=point_of(made).attributes)


def _exponential(made: Metric) -> None:
    labels = point_of(made).attributes
    point = made.exponential_histogram.data_points.add(count=3, sum=1.0, time_unix_nano=TIME)
    point.start_time_unix_nano = 1
    point.positive.bucket_counts.extend([1, 2])
    point.attributes.extend(labels)
    made.exponential_histogram.aggregation_temporality = CUMULATIVE


def _summary(made: Metric) -> None:
    labels = point_of(made).attributes
    point = made.summary.data_points.add(count=3, sum=1.0, time_unix_nano=TIME)
    point.start_time_unix_nano = 1
    point.quantile_values.add(quantile=0.5, value=0.1)
    point.attributes.extend(labels)


def _delta(made: Metric) -> None:
    made.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA


def _no_temporality(made: Metric) -> None:
    made.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_UNSPECIFIED


def _unit(made: Metric) -> None:
    made.unit = "ms"


def _no_annotation(made: Metric) -> None:
    made.unit = ""


def _description(made: Metric) -> None:
    made.description = ""


def _label(made: Metric) -> None:
    point_of(made).attributes.extend(attributes(model="llama"))


def _no_label(made: Metric) -> None:
    del point_of(made).attributes[0]


def _value(made: Metric) -> None:
    for each in point_of(made).attributes:
        if each.key == "status":
            each.value.string_value = "sucess"


def _twice(made: Metric) -> None:
    point_of(made).attributes.append(point_of(made).attributes[0])


def _duplicate(made: Metric) -> None:
    made.sum.data_points.append(point_of(made))


def _negative(made: Metric) -> None:
    point_of(made).as_int = -1


def _not_finite(made: Metric) -> None:
    point_of(made).as_double = nan


def _percent(made: Metric) -> None:
    point_of(made).as_double = 55


def _boundary(made: Metric) -> None:
    point_of(made).explicit_bounds[0] = 0.001234


def _one_bucket_less(made: Metric) -> None:
    del point_of(made).bucket_counts[0]


def _descending(made: Metric) -> None:
    point_of(made).explicit_bounds[0] = 1e9


def _count(made: Metric) -> None:
    point_of(made).count += 1


def _no_sum(made: Metric) -> None:
    point_of(made).ClearField("sum")


def _no_start(made: Metric) -> None:
    point_of(made).start_time_unix_nano = 0


def _no_time(made: Metric) -> None:
    point_of(made).time_unix_nano = point_of(made).start_time_unix_nano = 0


def _late_start(made: Metric) -> None:
    point_of(made).start_time_unix_nano = TIME + 1


def _no_value(made: Metric) -> None:
    point_of(made).ClearField("as_double")


def _no_data(made: Metric) -> None:
    made.ClearField("gauge")


def _dotted(made: Metric) -> None:
    made.name = made.name.replace("_", ".")


def _suffixed(made: Metric) -> None:
    made.name = "butterfly_quorum_size_ratio"


MISTAKES: list[tuple[str, str, Callable[[Metric], None], str, str]] = [
    ("type-wrong", REQUESTS, _type_of_sum, "error", "a sum that is not monotonic"),
    ("type-wrong", REQUESTS, _gauge_of_counter, "error", "arrives as a gauge"),
    ("type-wrong", IN_FLIGHT, _gauge_of_counter, "warning", "both are gauges"),
    ("type-wrong", DURATION, _exponential, "error", "an exponential histogram"),
    ("type-wrong", DURATION, _summary, "error", "arrives as a summary"),
    ("temporality", REQUESTS, _delta, "warning", "deltas"),
    ("temporality", REQUESTS, _no_temporality, "error", "the temporality 0"),
    ("unit", DURATION, _unit, "error", "the unit is `ms`, and must be `s`"),
    ("unit", REQUESTS, _no_annotation, "info", "the unit is empty"),
    ("help-missing", REQUESTS, _description, "warning", "no description"),
    ("label-extra", REQUESTS, _label, "error", "label `model`"),
    ("label-missing", REQUESTS, _no_label, "error", "is missing"),
    ("label-value", REQUESTS, _value, "error", "did you mean `success`?"),
    ("otlp-message", REQUESTS, _twice, "error", "twice"),
    ("duplicate-series", REQUESTS, _duplicate, "error", "a series is there twice"),
    ("counter-value", REQUESTS, _negative, "error", "is -1, and counts"),
    ("gauge-value", CPU, _not_finite, "warning", "is nan"),
    ("ratio-range", CPU, _percent, "warning", "is 55"),
    ("bucket-extra", DURATION, _boundary, "error", "0.001234"),
    ("bucket-missing", DURATION, _boundary, "error", "boundaries are missing"),
    ("otlp-message", DURATION, _one_bucket_less, "error", "one more"),
    ("otlp-message", DURATION, _descending, "error", "do not ascend"),
    ("histogram-count", DURATION, _count, "error", "differs"),
    ("histogram-sum", DURATION, _no_sum, "error", "is missing"),
    ("otlp-start", REQUESTS, _no_start, "warning", "no start time"),
    ("otlp-time", REQUESTS, _no_time, "error", "has no time"),
    ("otlp-time", REQUESTS, _late_start, "error", "behind its time"),
    ("otlp-message", CPU, _no_value, "error", "has no value"),
    ("otlp-message", CPU, _no_data, "error", "neither a kind nor points"),
    ("unknown-family", REQUESTS, _dotted, "error", "unescaped"),
    ("unknown-family", QUORUM, _suffixed, "error", "_ratio"),
]


@pytest.mark.parametrize(
    ("rule", "name", "mistake", "severity", "says"),
    MISTAKES,
    ids=[f"{each[0]}-{each[2].__name__.strip('_')}" for each in MISTAKES],
)
def test_mistake(
    rule: str, name: str, mistake: Callable[[Metric], None], severity: str, says: str
) -> None:
    """A mistake in one metric of a true push is found by its rule."""
    made = metric(name)
    mistake(made)
    found = found_in(request([made, metric(QUORUM)], service_name="node"))
    (finding,) = (item for item in found if item.rule == rule)
    assert finding.severity == severity
    assert says in finding.message
    assert finding.line is None
    assert {item.rule for item in found} <= {rule, *_ALSO.get(mistake, ())}


#: What is rightly found besides.
_ALSO: dict[Callable[[Metric], None], Sequence[str]] = {
    _boundary: ("bucket-missing", "bucket-extra"),
    _one_bucket_less: ("bucket-missing",),
    _descending: ("bucket-missing",),
    _no_time: ("otlp-start",),
    _twice: (),
}


def test_every_rule_of_otlp_has_a_mistake() -> None:
    """Each rule that only OTLP has is shown by a mistake, here or below."""
    shown = {each[0] for each in MISTAKES} | {"counter-fell", "not-compared"}
    assert set(OTLP_RULE_NAMES) <= shown
    assert not set(OTLP_RULE_NAMES) & set(RULE_NAMES)


def _counted(value: int, start: int, time: int) -> ExportMetricsServiceRequest:
    made = metric(REQUESTS)
    point = point_of(made)
    point.as_int, point.start_time_unix_nano, point.time_unix_nano = value, start, time
    return request([made], service_name="node")


def test_counter_that_fell() -> None:
    """A counter that falls from one push to the next is told, unless its start time is new."""
    (finding,) = found_in(_counted(5, 1, 10), _counted(4, 1, 20), _counted(3, 1, 30))
    assert (finding.rule, finding.severity, finding.subject) == ("counter-fell", "error", REQUESTS)
    assert found_in(_counted(5, 1, 10), _counted(1, 15, 20)) == []


def test_push_that_is_late() -> None:
    """A push that overtook another on the way is no counter that fell."""
    assert found_in(_counted(5, 1, 20), _counted(4, 1, 10), _counted(6, 1, 30)) == []


def test_bucket_that_fell() -> None:
    """A histogram of which one bucket falls is told, though its count grows."""
    first, second = metric(DURATION), metric(DURATION)
    point = point_of(second)
    point.time_unix_nano += 1
    point.bucket_counts[0] -= 1
    point.bucket_counts[1] += 2
    point.count += 1
    found = found_in(request([first]), request([second]))
    assert [item.rule for item in found] == ["counter-fell"]


def test_deltas_may_fall() -> None:
    """Deltas are no totals, so that one that is less than the last has not fallen."""
    pushes = _counted(5, 1, 10), _counted(4, 10, 20)
    for push in pushes:
        push.resource_metrics[0].scope_metrics[0].metrics[
            0
        ].sum.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    assert [item.rule for item in found_in(*pushes)] == ["temporality"]


def test_mistake_of_one_push_alone() -> None:
    """A value that was wrong once is told, though the next push is right."""
    wrong, right = metric(CPU), metric(CPU)
    _percent(wrong)
    point_of(right).time_unix_nano += 1
    assert [item.rule for item in found_in(request([wrong]), request([right]))] == ["ratio-range"]


def test_budget_over_all_pushes() -> None:
    """A label whose values are few in each push and too many together is over its budget."""
    pushes: list[ExportMetricsServiceRequest] = []
    (label,) = catalog.BY_NAME["butterfly_consensus_term"].labels
    for number in range(label.budget + 1):
        made = metric("butterfly_consensus_term")
        point_of(made).attributes[0].value.string_value = f"node-{number}"
        pushes.append(request([made]))
    assert "label-budget" in {item.rule for item in found_in(*pushes)}


def test_same_series_in_two_scopes() -> None:
    """A series that two scopes have is one that Prometheus has twice."""
    push = request([metric(REQUESTS)])
    other = push.resource_metrics[0].scope_metrics.add()
    other.scope.name = "other"
    other.metrics.append(metric(REQUESTS))
    point_of(other.metrics[0]).time_unix_nano += 1
    assert [item.rule for item in found_in(push)] == ["duplicate-series"]


def test_points_of_two_times() -> None:
    """A push that has a series at two times, as a Collector batches them, has it once each."""
    made = metric(REQUESTS)
    made.sum.data_points.append(point_of(made))
    point_of(made, 1).time_unix_nano += 1
    assert found_in(request([made])) == []


def test_series_that_has_ended() -> None:
    """A point that says that its series has no value any more is passed over."""
    made = metric(REQUESTS)
    point = point_of(made)
    point.ClearField("as_int")
    point.flags = 1
    assert found_in(request([made, metric(QUORUM)])) == []


def test_resources_apart() -> None:
    """Each resource has findings of its own, under a name that is its own."""
    wrong = metric(REQUESTS)
    _value(wrong)
    sources = Sources()
    sources.take(request([wrong], service_name="a", service_instance_id="1"))
    sources.take(request([metric(REQUESTS)], service_name="a", service_instance_id="2"))
    sources.take(request([metric(REQUESTS)], host_name="x"))
    sources.take(request([metric(REQUESTS)], host_name="y"))
    rules = {
        name: [item.rule for item in found if item.severity == "error"]
        for name, found in sources.findings().items()
    }
    assert rules == {
        "a/1": ["label-value"],
        "a/2": [],
        "a resource without service.name": [],
        "a resource without service.name (2)": [],
    }


def test_nothing_of_the_contract() -> None:
    """A service that pushes nothing of the contract is told so."""
    other = Metric(name="http.server.duration", unit="ms")
    other.sum.data_points.add(as_int=1, time_unix_nano=TIME)
    assert [item.rule for item in found_in(request([other]))] == ["no-metrics"]


def test_attributes_that_are_not_text() -> None:
    """Attributes of other types are held against the contract as Prometheus writes them."""
    made = metric("butterfly_consensus_term")
    for value in (
        AnyValue(int_value=7),
        AnyValue(bool_value=True),
        AnyValue(double_value=0.5),
        AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])),
        AnyValue(bytes_value=b"x"),
    ):
        del point_of(made).attributes[:]
        point_of(made).attributes.append(KeyValue(key="node_id", value=value))
        assert found_in(request([made])) == []


def test_allowed_label() -> None:
    """A label that is allowed on all is no finding."""
    made = metric(REQUESTS)
    _label(made)
    assert found_in(request([made]), allow_labels=["model"]) == []


def test_series_beyond_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are too many series to compare, that is said."""
    monkeypatch.setattr("butterfly_otel.lint.expositions.otlp.history._MOST", 1)
    found = found_in(request([metric(REQUESTS), metric(QUORUM)]))
    assert "not-compared" in {item.rule for item in found}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_message_is_judged(data: st.DataObject) -> None:
    """No message makes it raise: bytes of a true one are changed at random."""
    body = bytearray(request([metric(REQUESTS), metric(DURATION)]).SerializeToString())
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    made = ExportMetricsServiceRequest()
    try:
        made.ParseFromString(bytes(body))
    except Exception:  # noqa: BLE001 - protobuf's, of either implementation
        return
    sources = Sources()
    sources.take(made)
    sources.take(made)
    sources.findings()
