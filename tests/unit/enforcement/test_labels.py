"""Label enforcement, for handles and raw OpenTelemetry calls on our meter alike."""

from __future__ import annotations

import enum
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics as otel

import butterfly_otel
from butterfly_otel import LabelError, catalog, metrics
from butterfly_otel.enforcement.guard import Identity, LabelGuard
from butterfly_otel.enforcement.text import label_text
from butterfly_otel.enforcement.violations import Violations
from butterfly_otel.views.streams import Stream

Start = Callable[..., Any]
VIOLATIONS = "butterfly_otel_label_violations_total"
REQUESTS = "butterfly_requests_total"
GOOD = {"node_role": "coordinator", "method": "inference", "status": "success"}


def by_handle(**labels: Any) -> None:
    """Measure through the typed handle, with whatever labels."""
    metrics.requests_total.add(1, **labels)


def by_otel(**labels: Any) -> None:
    """Measure through OpenTelemetry's own API, as an application that does not know us."""
    provider = butterfly_otel.runtime.lifecycle._current.meter_provider  # type: ignore[attr-defined]
    provider.get_meter("butterfly_otel").create_counter(REQUESTS).add(1, labels)


both = pytest.mark.parametrize("measure", [by_handle, by_otel])


@both
def test_a_label_of_the_contract_is_exported_as_it_is(start: Start, measure: Any) -> None:
    """Labels inside their vocabularies pass unchanged and nothing is counted."""
    measured = start()
    measure(**GOOD)
    assert measured.value(REQUESTS, **GOOD) == 1
    assert measured.points(VIOLATIONS) == []


@both
def test_a_stranger_in_a_closed_vocabulary_becomes_other(
    start: Start, measure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong value is exported as other, counted each time and logged once."""
    measured = start()
    with caplog.at_level(logging.WARNING, "butterfly_otel"):
        for _ in range(3):
            measure(method="inference", status="sucess")
    assert measured.value(REQUESTS, **{**GOOD, "status": "other"}) == 3
    counted = {"metric": REQUESTS, "label": "status", "reason": "unknown_value"}
    assert measured.value(VIOLATIONS, **counted) == 3
    assert len([r for r in caplog.records if "sucess" in r.message]) == 1


@both
def test_strict_mode_raises_and_says_what_is_allowed(start: Start, measure: Any) -> None:
    """With strict=True a wrong value is an error that names metric, label and vocabulary."""
    measured = start(strict=True)
    with pytest.raises(LabelError, match=r"butterfly_requests_total.*status.*success, error"):
        measure(method="inference", status="sucess")
    assert measured.points(REQUESTS) == []


@pytest.mark.parametrize(("length", "shown"), [(40, "x" * 40), (41, "x" * 37 + "...")])
def test_an_error_shows_a_value_up_to_a_lines_width(start: Start, length: int, shown: str) -> None:
    """A value of 40 characters is shown whole; of a longer one that many, three dots among them."""
    start(strict=True)
    with pytest.raises(LabelError, match=f"has the value '{re.escape(shown)}', which"):
        by_handle(method="inference", status="x" * length)


@both
def test_a_label_left_out_without_default_is_empty_and_counted(start: Start, measure: Any) -> None:
    """A missing label becomes the empty string; node_role has a default and is no violation."""
    measured = start()
    measure(method="inference", status=None) if measure is by_handle else measure(
        method="inference"
    )
    assert measured.value(REQUESTS, **{**GOOD, "status": ""}) == 1
    assert {dict(k)["reason"] for k in measured.values(VIOLATIONS)} == {"missing"}


def test_an_unknown_key_is_dropped_and_counted(start: Start) -> None:
    """A key the contract doesn't have is not exported; strict mode raises."""
    measured = start()
    by_otel(**GOOD, request_id="r-1")
    assert measured.value(REQUESTS, **GOOD) == 1
    counted = {"metric": REQUESTS, "label": "request_id", "reason": "unknown_label"}
    assert measured.value(VIOLATIONS, **counted) == 1
    butterfly_otel.shutdown()
    start(strict=True)
    with pytest.raises(LabelError, match="request_id"):
        by_otel(**GOOD, request_id="r-1")


def test_unknown_keys_are_counted_without_end_but_named_within_bounds(start: Start) -> None:
    """A flood of invented keys does not become a flood of series."""
    measured = start()
    for number in range(300):
        by_otel(**GOOD, **{f"key_{number}": "x"})
    values = measured.values(VIOLATIONS)
    assert sum(values.values()) == 300
    assert len(values) <= 101


def test_values_beyond_a_budget_become_other(start: Start) -> None:
    """The first 20 models are exported by name, all others as other, and nothing is lost."""
    measured = start()
    for number in range(50):
        metrics.tokens_processed_total.add(1, model=f"m{number}")
    values = measured.values("butterfly_tokens_processed_total")
    assert len(values) == 21
    assert values[(("model", "other"), ("node_id", "coordinator-1"))] == 30
    counted = {
        "metric": "butterfly_tokens_processed_total",
        "label": "model",
        "reason": "over_budget",
    }
    assert measured.value(VIOLATIONS, **counted) == 30


def test_a_flood_of_unknown_combinations_does_not_grow_a_handle(start: Start) -> None:
    """Only combinations that were admitted unchanged are remembered."""
    start()
    for number in range(5_000):
        metrics.tokens_processed_total.add(1, model=f"m{number}")
    assert metrics.tokens_processed_total._lookups.count <= 20


def test_removing_gives_places_in_a_budget_back(start: Start) -> None:
    """Peers come and go for years; what has gone must not keep new ones out."""
    measured = start()
    for number in range(100):
        metrics.tokens_processed_total.add(1, model=f"m{number}")
        metrics.tokens_processed_total.remove(model=f"m{number}")
    assert measured.values(VIOLATIONS) == {}
    metrics.tokens_processed_total.add(1, model="last")
    assert len(measured.values("butterfly_tokens_processed_total")) == 1


def test_what_is_observed_no_more_gives_its_place_back(start: Start) -> None:
    """A GPU instance has a new name each time it is made; the old ones keep no place."""
    measured = start()
    handle = metrics.gpu_temperature_celsius
    names: list[str] = []
    with handle.observe(lambda: [handle.observation(60, gpu_id=name) for name in names]):
        for generation in range(30):
            names[:] = ["GPU-0", *(f"MIG-{generation}-{number}" for number in range(7))]
            points = measured.values("butterfly_gpu_temperature_celsius")
            assert [dict(key)["gpu_id"] for key in points] == names
    assert measured.values(VIOLATIONS) == {}


def test_what_is_observed_all_the_time_keeps_its_place(start: Start) -> None:
    """Beyond the budget of 64 the first GPUs keep their names, whatever comes and goes."""
    measured = start()
    handle = metrics.gpu_temperature_celsius
    extra: list[str] = []
    steady = [f"GPU-{number}" for number in range(64)]
    with handle.observe(
        lambda: [handle.observation(60, gpu_id=name) for name in (*steady, *extra)]
    ):
        for extra[:] in ([], ["a"], ["b", "c"]):
            points = measured.values("butterfly_gpu_temperature_celsius")
            found = [dict(key)["gpu_id"] for key in points]
            assert found == [*steady, *(["other"] if extra else [])]


def test_a_place_that_another_series_needs_is_kept(start: Start) -> None:
    """A value is given back only when its last series is gone; a bound one asks again."""
    measured = start(node_role="compute")
    bound = metrics.tokens_processed_total.bind(model="m0")
    bound.add(1)
    metrics.tokens_processed_total.add(1, model="m0", node_id="other-node")
    metrics.tokens_processed_total.remove(model="m0")
    for number in range(1, 20):
        metrics.tokens_processed_total.add(1, model=f"m{number}")
    assert measured.values(VIOLATIONS) == {}
    metrics.tokens_processed_total.add(1, model="m20")
    assert len(measured.values(VIOLATIONS)) == 1
    bound.add(1)
    assert measured.value("butterfly_tokens_processed_total", model="m0", node_id="coordinator-1")


def test_removing_what_was_never_measured_has_no_effect(start: Start) -> None:
    """Not on the series of strangers, and not on the budget."""
    measured = start()
    for number in range(25):
        metrics.tokens_processed_total.add(1, model=f"m{number}")
    counted = measured.values(VIOLATIONS)
    metrics.tokens_processed_total.remove(model="stranger")
    other = {"model": "other", "node_id": "coordinator-1"}
    assert measured.value("butterfly_tokens_processed_total", **other) == 5
    assert measured.values(VIOLATIONS) == counted


def test_the_latest_checkpoints_are_kept_and_older_series_removed(start: Start) -> None:
    """checkpoint_id keeps the 32 most recent values; that is no violation."""
    measured = start()
    bound = metrics.checkpoint_size_bytes.bind(checkpoint_id="ckpt_000")
    bound.record(1e6)
    for number in range(1, 40):
        metrics.checkpoint_size_bytes.record(1e6, checkpoint_id=f"ckpt_{number:03}")
    found = sorted(
        p.attributes["checkpoint_id"] for p in measured.points("butterfly_checkpoint_size_bytes")
    )
    assert found == [f"ckpt_{number:03}" for number in range(8, 40)]
    assert measured.points(VIOLATIONS) == []
    bound.record(1e6)  # takes a place again, and the oldest one goes
    found = {
        p.attributes["checkpoint_id"] for p in measured.points("butterfly_checkpoint_size_bytes")
    }
    assert len(found) == 32
    assert "ckpt_000" in found
    assert "ckpt_008" not in found


def test_a_stream_beyond_its_limit_overflows(start: Start) -> None:
    """Beyond the stream's limit OpenTelemetry's overflow point takes what comes."""
    measured = start()
    limit = catalog.BY_NAME["butterfly_connection_active"].stream_limit
    for number in range(limit // 100 + 1):
        for peer in range(100):
            metrics.connection_active.set(1, from_node=f"f{number}", to_node=f"t{peer}")
    points = measured.points("butterfly_connection_active")
    assert len(points) == limit + 1
    assert {"otel.metric.overflow": True} in [p.attributes for p in points]


def test_callbacks_are_enforced_too(start: Start) -> None:
    """Observations with a wrong label become other and are counted."""
    measured = start()
    memory = metrics.memory_allocated_bytes
    wrong: Any = "heap"
    with memory.observe(lambda: [memory.observation(5, pool=wrong)]):
        values = measured.values("butterfly_memory_allocated_bytes")
    assert values == {(("node_id", "coordinator-1"), ("pool", "other")): 5}
    assert {dict(k)["label"] for k in measured.values(VIOLATIONS)} == {"pool"}


def test_raw_instruments_outside_the_contract_measure_nothing_on_our_meter(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Another name, or another kind than the catalogue's, is a no-op with one warning."""
    measured = start()
    meter = measured.runtime.meter_provider.get_meter("butterfly_otel")
    with caplog.at_level(logging.WARNING, "butterfly_otel"):
        for _ in range(2):
            meter.create_counter("my_own_total").add(1)
            meter.create_histogram(REQUESTS).record(1)
            meter.create_observable_gauge("x", [lambda _options: [otel.Observation(1)]])
    assert measured.reader.get_metrics_data() is None
    assert len(caplog.records) == 3


def test_raw_instruments_of_the_contract_share_their_stream_with_the_handles(start: Start) -> None:
    """A raw counter and a handle of one name add to the same series; callbacks add up."""
    measured = start()
    meter = measured.runtime.meter_provider.get_meter("butterfly_otel", "9.9")
    meter.create_counter(REQUESTS, unit="wrong", description="wrong").add(2, GOOD)
    metrics.requests_total.add(1, method="inference", status="success")
    assert measured.value(REQUESTS, **GOOD) == 3
    meter.create_observable_gauge("butterfly_quorum_size", [lambda _: [otel.Observation(3)]])

    def generator() -> Any:
        options = yield []
        while True:
            assert options.timeout_millis > 0
            options = yield [otel.Observation(7, {"node_id": "c2"})]

    meter.create_observable_gauge("butterfly_consensus_term", [generator()])
    assert measured.values("butterfly_quorum_size") == {(): 3}
    assert measured.values("butterfly_consensus_term") == {(("node_id", "c2"),): 7}


class Status(str, enum.Enum):
    """A vocabulary as applications often have it."""

    OK = "success"


@pytest.mark.parametrize(
    ("value", "text", "problem"),
    [
        ("plain", "plain", None),
        (7, "7", None),
        (1.5, "1.5", None),
        (True, "true", None),
        (Status.OK, "success", None),
        ("x" * 129, "x" * 128, "too_long"),
        ("a\ud800b", "a\ufffdb", "invalid_text"),
        ("é", "é", None),
    ],
)
def test_label_text(value: object, text: str, problem: str | None) -> None:
    """Values of any type become the text the contract says, and problems are named."""
    assert label_text(value) == (text, problem)


class Hostile:
    """An object that fails when it is turned into text."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.binary()
        | st.text(alphabet=st.characters(codec=None), max_size=300)
        | st.builds(Hostile),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    )
)
def test_no_label_value_ever_raises_in_production(value: object) -> None:
    """Whatever is passed as a label value, the guard returns valid, bounded text."""
    counted: list[str] = []
    metric = catalog.BY_NAME["butterfly_tokens_processed_total"]
    guard = LabelGuard(
        Stream.of(metric),
        Identity("n", "compute"),
        Violations(strict=False, count=lambda name, _labels: counted.append(name)),
    )
    attributes, clean = guard.admit((value, None))
    assert list(attributes) == ["model", "node_id"]
    assert len(attributes["model"]) <= 128
    attributes["model"].encode("utf-8")
    assert not clean or isinstance(value, str)


class _Hostile(dict[str, str]):
    """Can't be read."""

    def items(self) -> Any:
        """Raise."""
        raise RuntimeError

    __iter__ = get = items  # type: ignore[assignment]


@pytest.mark.parametrize("attributes", [["x"], "x", 5, _Hostile(method="inference")])
def test_attributes_that_are_none_are_counted_and_never_raise(
    start: Start, attributes: Any
) -> None:
    """OpenTelemetry's own API may be given anything; the measurement still counts."""
    measured = start()
    counter = measured.runtime.meter_provider.get_meter("butterfly_otel").create_counter(REQUESTS)
    counter.add(1, attributes)
    assert sum(measured.values(REQUESTS).values()) == 1
    kind = type(attributes).__name__
    labels = {"metric": REQUESTS, "label": kind, "reason": "unknown_label"}
    assert measured.value(VIOLATIONS, **labels) == 1
