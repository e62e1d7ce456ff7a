"""One way for a measurement: whoever measures, labels and values are checked once, in one order."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel import LabelError, catalog, metrics
from butterfly_otel.enforcement.guard import Identity, LabelGuard
from butterfly_otel.enforcement.violations import Violations
from butterfly_otel.views.streams import Stream

Start = Callable[..., Any]
TOKENS = "butterfly_tokens_processed_total"
SIZES = "butterfly_checkpoint_size_bytes"
VIOLATIONS = "butterfly_otel_label_violations_total"
INVALID = "butterfly_otel_invalid_measurements_total"

engines = pytest.mark.parametrize("engine", ["butterfly", "sdk"])


def by_handle(_measured: Any, amount: Any, **labels: Any) -> None:
    """Measure through the typed handle."""
    metrics.tokens_processed_total.add(amount, **labels)


def by_bound(_measured: Any, amount: Any, **labels: Any) -> None:
    """Measure through a bound instrument."""
    metrics.tokens_processed_total.bind(**labels).add(amount)


def by_api(measured: Any, amount: Any, **labels: Any) -> None:
    """Measure through OpenTelemetry's API on the contract's meter."""
    meter = measured.runtime.meter_provider.get_meter("butterfly_otel")
    meter.create_counter(TOKENS).add(amount, labels)


ways = pytest.mark.parametrize("measure", [by_handle, by_bound, by_api])


def guard(name: str, *, keep: tuple[str, ...] | None = None) -> LabelGuard:
    """Return the guard of a metric, of which these labels are kept."""
    metric = catalog.BY_NAME[name]
    labels = tuple(each for each in metric.labels if keep is None or each.key in keep)
    stream = Stream(metric, labels, metric.buckets, metric.stream_limit)
    violations = Violations(strict=False, count=lambda _name, _labels: None)
    return LabelGuard(stream, Identity("n", "compute"), violations)


@engines
@ways
def test_a_wrong_label_and_a_wrong_value_are_both_counted_once(
    start: Start, engine: str, measure: Any
) -> None:
    """The same counts, whichever way the measurement comes and whatever aggregates."""
    measured = start(engine=engine)
    for number in range(20):
        measure(measured, 1, model=f"m{number}")
    for amount in ("x", -1):
        measure(measured, amount, model="one too many")
    assert sum(measured.values(VIOLATIONS).values()) == 2
    assert [dict(key)["reason"] for key in measured.values(INVALID)] == ["not_a_number", "negative"]
    assert set(measured.values(INVALID).values()) == {1}
    assert set(measured.values(TOKENS).values()) == {1}


@engines
@ways
def test_strict_mode_names_the_label_first(start: Start, engine: str, measure: Any) -> None:
    """Where label and value are wrong, each way raises the same error."""
    measured = start(engine=engine, strict=True)
    for number in range(20):
        measure(measured, 1, model=f"m{number}")
    with pytest.raises(LabelError, match="budget"):
        measure(measured, -1, model="one too many")


def test_what_was_admitted_is_not_checked_again() -> None:
    """The same mapping gives the same attributes, until a value loses its place."""
    tokens = guard(TOKENS)
    first = tokens.admit_mapping({"model": "m"})
    assert first == {"model": "m", "node_id": "n"}
    assert tokens.admit_mapping({"model": "m"}) is first
    tokens.release(tuple(first.values()))
    assert tokens.admit_mapping({"model": "m"}) is not first


def test_what_had_to_be_changed_is_reported_each_time() -> None:
    """Only what was admitted unchanged is remembered: numbers and missing values are not."""
    tokens = guard(TOKENS)
    for value in (1, True, 1.0):
        expected = {"model": "true" if value is True else str(value), "node_id": "n"}
        assert tokens.admit_mapping({"model": value}) == expected
    missing = tokens.admit_mapping(None)
    assert missing is not tokens.admit_mapping({})


def test_what_is_no_mapping_is_reported_each_time(start: Start) -> None:
    """Whatever was admitted before, an empty list is not an empty mapping."""
    measured = start()
    meter = measured.runtime.meter_provider.get_meter("butterfly_otel")
    changes = meter.create_counter("butterfly_consensus_leader_changes_total")
    for attributes in ({}, None, [], "", [], 0):
        changes.add(1, attributes)
    counted = {dict(key)["label"]: n for key, n in measured.values(VIOLATIONS).items()}
    assert counted == {"list": 2, "str": 1, "int": 1}


def test_a_value_that_lost_its_place_is_checked_again_by_the_api(start: Start) -> None:
    """The memory of what was admitted must not let more values in than the budget has."""
    measured = start()
    for number in range(30):
        by_api(measured, 1, model=f"m{number}")
        if number < 15:
            metrics.tokens_processed_total.remove(model=f"m{number}")
    assert measured.values(VIOLATIONS) == {}
    for number in range(15):
        by_api(measured, 1, model=f"m{number}")
    assert len(measured.values(TOKENS)) == 21
    assert sum(measured.values(VIOLATIONS).values()) == 10


def test_an_evicted_value_takes_a_place_again_by_the_api(start: Start) -> None:
    """Of labels that keep the latest, a remembered value does not come back beside 32 others."""
    measured = start()
    meter = measured.runtime.meter_provider.get_meter("butterfly_otel")
    sizes = meter.create_histogram(SIZES)
    for number in (*range(40), 0):
        sizes.record(1e6, {"checkpoint_id": f"ckpt_{number}"})
    found = {each.attributes["checkpoint_id"] for each in measured.points(SIZES)}
    assert found == {"ckpt_0", *(f"ckpt_{number}" for number in range(9, 40))}


def test_what_a_caller_passes_for_a_dropped_label_is_not_kept() -> None:
    """A label that an overlay drops is not looked at, so anything may be passed for it."""

    class Large:
        """Stands for what should be freed."""

    tokens = guard(TOKENS, keep=("node_id",))
    large = Large()
    gone = weakref.ref(large)
    assert tokens.admit_mapping({"model": large}) == {"node_id": "n"}
    assert tokens.admit_mapping({"model": "x" * 10_000}) == {"node_id": "n"}
    del large
    gc.collect()
    assert gone() is None


def test_a_flood_of_values_does_not_grow_the_memory() -> None:
    """What is remembered is bounded, also where a label that is dropped tells mappings apart."""
    tokens = guard(TOKENS, keep=("node_id",))
    for number in range(2 * catalog.BY_NAME[TOKENS].stream_limit):
        tokens.admit_mapping({"model": f"m{number}"})
    assert len(tokens._admitted) == catalog.BY_NAME[TOKENS].stream_limit


def test_what_is_observed_no_more_is_checked_again() -> None:
    """After a collection without it, an observation has to find a place like any other."""
    gpus = guard("butterfly_gpu_temperature_celsius")
    first = gpus.admit_mapping({"gpu_id": "GPU-0"})
    gpus.keep([first])
    assert gpus.admit_mapping({"gpu_id": "GPU-0"}) is first
    gpus.keep([])
    assert gpus.admit_mapping({"gpu_id": "GPU-0"}) is not first
