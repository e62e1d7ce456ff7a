"""What labels lead to is remembered, right or wrong, and forgotten with the series alone."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import butterfly_otel
from butterfly_otel import LabelError, catalog, metrics
from butterfly_otel.enforcement.guard import LabelGuard
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.engine.table import Table
from butterfly_otel.handles.lookups import APART
from butterfly_otel.process.remembered import Memory

Start = Callable[..., Any]
TOKENS = "butterfly_tokens_processed_total"
REQUESTS = "butterfly_requests_total"
SIZES = "butterfly_checkpoint_size_bytes"
VIOLATIONS = "butterfly_otel_label_violations_total"


def _api(measured: Any, name: str = TOKENS) -> Any:
    return measured.runtime.meter_provider.get_meter("butterfly_otel").create_counter(name)


def _guarded(measured: Any, name: str = TOKENS) -> Any:
    return measured.runtime.meter_provider.get_meter("butterfly_otel").guarded(name)


def by_handle(_measured: Any, **labels: Any) -> None:
    """Measure through the typed handle."""
    metrics.tokens_processed_total.add(1, **labels)


def by_bound(_measured: Any, **labels: Any) -> None:
    """Measure through a bound instrument that is kept."""
    key = tuple(labels.items())
    if key not in _kept:
        _kept[key] = metrics.tokens_processed_total.bind(**labels)
    _kept[key].add(1)


def by_api(measured: Any, **labels: Any) -> None:
    """Measure through OpenTelemetry's API on the contract's meter."""
    _api(measured).add(1, labels)


_kept: dict[Any, Any] = {}
ways = pytest.mark.parametrize("measure", [by_handle, by_bound, by_api])
engines = pytest.mark.parametrize("engine", ["butterfly", "sdk"])


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    _kept.clear()


def _never(*_args: object, **_kwargs: object) -> Any:
    msg = "it is known already"
    raise AssertionError(msg)


@ways
def test_what_is_wrong_is_told_at_each_measurement_and_looked_at_once(
    start: Start, measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a budget, of the wrong type, and right ones: none is judged a second time."""
    measured = start()
    for number in range(20):
        measure(measured, model=f"m{number}")
    given: list[Any] = ["m0", "stranger", 7, 7.0, True, None]
    for value in given:
        measure(measured, model=value)
    monkeypatch.setattr(LabelGuard, "judge", _never)
    for _ in range(4):
        for value in given:
            measure(measured, model=value)
    counted = {dict(key)["reason"]: n for key, n in measured.values(VIOLATIONS).items()}
    assert counted == {"over_budget": 5 * 4, "missing": 5}
    assert sum(measured.values(TOKENS).values()) == 20 + 5 * len(given)


def test_an_unknown_label_is_told_at_each_measurement_and_looked_at_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of OpenTelemetry's API, which takes any key."""
    measured = start()
    counter = _api(measured)
    counter.add(1, {"model": "m", "tenant": "t"})
    monkeypatch.setattr(LabelGuard, "judge", _never)
    counter.add(1, {"model": "m", "tenant": "t"})
    assert measured.value(VIOLATIONS, metric=TOKENS, label="tenant", reason="unknown_label") == 2


@ways
def test_strict_mode_raises_each_time(start: Start, measure: Any) -> None:
    """Also for what is remembered, with the value of that measurement in the message."""
    measured = start(strict=True)
    for number in range(20):
        measure(measured, model=f"m{number}")
    for value in ("one", "one", "two", "one"):
        with pytest.raises(LabelError, match=f"'{value}' beyond its budget of 20"):
            measure(measured, model=value)
    assert len(measured.values(TOKENS)) == 20


@engines
@ways
def test_a_stranger_takes_the_place_that_is_given_back(
    start: Start, engine: str, measure: Any
) -> None:
    """What is wrong is remembered only as long as it is wrong."""
    measured = start(engine=engine)
    for number in range(21):
        measure(measured, model=f"m{number}")
        measure(measured, model=f"m{number}")
    metrics.tokens_processed_total.remove(model="m3")
    measure(measured, model="m20")
    measure(measured, model="m3")
    values = {dict(key)["model"]: n for key, n in measured.values(TOKENS).items()}
    assert (values["m20"], values["other"], "m3" in values) == (1, 3, False)
    assert sum(measured.values(VIOLATIONS).values()) == 3


@ways
def test_a_series_that_ends_is_looked_up_again_and_no_other(
    start: Start, measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its key: neither are there other series looked at, nor other label values judged."""
    measured = start()
    for number in range(10):
        measure(measured, model=f"m{number}")
        measure(measured, model=f"m{number}")
    with monkeypatch.context() as patch:
        patch.setattr(Table, "remove", _never)
        patch.setattr(Table, "living", _never)
        metrics.tokens_processed_total.remove(model="m3")
    with monkeypatch.context() as patch:
        patch.setattr(LabelGuard, "judge", _never)
        for number in {*range(10)} - {3}:
            measure(measured, model=f"m{number}")
    judged: list[Any] = []
    judge = LabelGuard.judge
    with monkeypatch.context() as patch:
        patch.setattr(LabelGuard, "judge", lambda *a, **k: judged.append(a) or judge(*a, **k))
        measure(measured, model="m3")
        measure(measured, model="m3")
    assert len(judged) == 1
    values = {dict(key)["model"]: n for key, n in measured.values(TOKENS).items()}
    assert values == {f"m{number}": 2 if number == 3 else 3 for number in range(10)}


def test_a_series_ends_however_its_labels_were_spelt(start: Start) -> None:
    """With a default left out or given: each way leads to a new series afterwards."""
    measured = start()
    for number in range(20):
        metrics.tokens_processed_total.add(1, model=f"m{number}")
        metrics.tokens_processed_total.add(1, model=f"m{number}", node_id="coordinator-1")
        _api(measured).add(1, {"model": f"m{number}"})
        _api(measured).add(1, {"node_id": "coordinator-1", "model": f"m{number}"})
    metrics.tokens_processed_total.remove(model="m0", node_id="coordinator-1")
    metrics.tokens_processed_total.add(1, model="new")
    metrics.tokens_processed_total.add(1, model="m0")
    metrics.tokens_processed_total.add(1, model="m0", node_id="coordinator-1")
    _api(measured).add(1, {"model": "m0"})
    _api(measured).add(1, {"node_id": "coordinator-1", "model": "m0"})
    values = {dict(key)["model"]: n for key, n in measured.values(TOKENS).items()}
    assert "m0" not in values
    assert values["other"] == 4


def test_a_series_ends_under_an_overlay_that_drops_a_label(start: Start, tmp_path: Path) -> None:
    """A label that is dropped may have been given anything; all of that is looked up again."""
    overlay = tmp_path / "views.yaml"
    overlay.write_text(
        "file_format: '1.0'\nmeter_provider:\n  views:\n    - selector:\n"
        f"        instrument_name: {TOKENS}\n      stream:\n"
        "        attribute_keys:\n          included: [model]\n"
    )
    measured = start(views=overlay)
    for node in ("a", "b"):
        metrics.tokens_processed_total.add(1, model="m", node_id=node)
        _api(measured).add(1, {"model": "m", "node_id": node})
    assert measured.values(TOKENS) == {(("model", "m"),): 4}
    metrics.tokens_processed_total.remove(model="m", node_id="c")
    assert measured.values(TOKENS) == {}
    for number in range(20):
        metrics.tokens_processed_total.add(1, model=f"m{number}", node_id="a")
    metrics.tokens_processed_total.add(1, model="m", node_id="b")
    _api(measured).add(1, {"model": "m", "node_id": "a"})
    assert measured.value(TOKENS, model="other") == 2


def test_an_evicted_value_is_forgotten_and_no_other(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the latest checkpoints: the oldest one's series, handle and bound instrument alone."""
    measured = start()
    handle = metrics.checkpoint_size_bytes
    for number in range(32):
        handle.record(1.0, checkpoint_id=f"c{number}")
    oldest, latest = (handle.bind(checkpoint_id=each) for each in ("c0", "c31"))
    oldest.record(1.0)
    latest.record(1.0)
    with monkeypatch.context() as patch:
        patch.setattr(Table, "remove", _never)
        handle.record(1.0, checkpoint_id="new")
    with monkeypatch.context() as patch:
        patch.setattr(LabelGuard, "judge", _never)
        latest.record(1.0)
        for number in range(1, 32):
            handle.record(1.0, checkpoint_id=f"c{number}")
    oldest.record(1.0)
    found = {each.attributes["checkpoint_id"]: each.count for each in measured.points(SIZES)}
    assert found == {
        "c0": 1,
        "new": 1,
        "c31": 4,
        **{f"c{number}": 2 for number in range(2, 31)},
    }


def _sizes(measured: Any) -> dict[str, int]:
    guarded = _guarded(measured)
    handle: Any = metrics.tokens_processed_total
    return {
        "odd": len(handle._odd),
        "api": len(guarded._memory) + len(guarded._lookup[2]),
        "targets": len(guarded._targets),
        "held": len(guarded._guard._places._held),
        "values": sum(len(rule._counts) + len(rule._seated) for rule in guarded._guard._kept),
        "breaches": len(guarded._gate.violations._breaches),
        "dependents": len(handle._dependents._by_values) + len(handle._dependents._others),
    }


def test_a_flood_fills_no_memory(start: Start) -> None:
    """Whatever is passed, by whichever way, all that is remembered is bounded."""
    measured = start()
    metric = catalog.BY_NAME[TOKENS]
    for number in range(6_000):
        text = f"flood-{number}"
        by_handle(measured, model=text)
        by_handle(measured, model=number)
        metrics.tokens_processed_total.add(1, model=["list", number])  # type: ignore[arg-type]
        metrics.tokens_processed_total.bind(model=text).add(1)
        by_api(measured, model=text)
        by_api(measured, model="m", **{text: "x"})
        by_api(measured, model="m", node_id=text)
    gc.collect()
    found = _sizes(measured)
    bound = 2 * metric.stream_limit + 1024
    assert found.pop("odd") <= 512
    assert found.pop("api") <= bound + 1024
    assert found.pop("breaches") <= 110
    assert found.pop("dependents") <= 1
    assert all(each <= bound for each in found.values())


def test_series_that_come_and_go_leave_nothing_behind(start: Start) -> None:
    """Neither in the guard, nor in the handle's dictionaries within dictionaries."""
    measured = start()
    handle: Any = metrics.connection_active
    for number in range(300):
        labels = {"from_node": f"f{number}", "to_node": f"t{number}"}
        handle.set(1, **labels)
        handle.remove(**labels)
    cells = handle._cells.here if APART else handle._cells
    assert cells == {}
    assert handle._lookups.count == 0
    guarded = _guarded(measured, "butterfly_connection_active")
    assert (len(guarded._targets), len(guarded._guard._places._held)) == (0, 0)
    assert all(not rule._counts and not rule._seated for rule in guarded._guard._kept)
    assert measured.points("butterfly_connection_active") == []


@pytest.mark.parametrize("value", ["m", "stranger", 7])
@ways
def test_what_is_remembered_belongs_to_one_configuration(
    start: Start, measure: Any, value: Any
) -> None:
    """After shutdown nothing is measured, and the next configuration judges for itself."""
    for _ in range(2):
        measured = start()
        for number in range(19):
            metrics.tokens_processed_total.add(1, model=f"m{number}")
        for _ in range(3):
            measure(measured, model=value)
        assert measured.value(TOKENS, model=str(value), node_id="coordinator-1") == 3
        assert measured.values(VIOLATIONS) == {}
        butterfly_otel.shutdown()
        if measure is not by_api:
            measure(measured, model=value)


def test_the_contracts_meter_needs_one_look_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever order the attributes are given, with and without those that have a default."""
    measured = start()
    counter = _api(measured, REQUESTS)
    given = [
        {"method": "inference", "status": "success", "node_role": "coordinator"},
        {"status": "success", "node_role": "coordinator", "method": "inference"},
        {"status": "success", "method": "inference"},
    ]
    for each in given:
        counter.add(1, each)
    monkeypatch.setattr(LabelGuard, "judge_mapping", _never)
    monkeypatch.setattr(CellInstrument, "find", _never)
    for each in given:
        counter.add(1, dict(each))
    assert list(measured.values(REQUESTS).values()) == [6]


def test_a_violation_is_counted_once_for_what_is_measured_by_one_target(start: Start) -> None:
    """A request that is entered and left has one wrong method, not two."""
    measured = start()
    metrics.requests_in_flight.bind(method="wrong").target().record(1)  # type: ignore[arg-type]
    assert sum(measured.values(VIOLATIONS).values()) == 1


def test_series_may_begin_and_end_in_many_threads(start: Start) -> None:
    """Whoever is in between: at the end nothing is left, and every place is free."""
    measured = start()
    handle: Any = metrics.tokens_processed_total
    counter = _api(measured)
    kept = [handle.bind(model=f"m{number}") for number in range(4)]

    def churn() -> None:
        for turn in range(150):
            model = f"m{turn % 4}"
            handle.add(1, model=model)
            counter.add(1, {"model": model})
            kept[turn % 4].add(1)
            handle.add(1, model=turn)
            handle.remove(model=model)
            handle.remove(model=str(turn))

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for number in range(150):
        handle.remove(model=f"m{number % 4}")
        handle.remove(model=str(number))
    assert measured.values(TOKENS) == {}
    assert _sizes(measured) | {"dependents": 0, "breaches": 0} == dict.fromkeys(_sizes(measured), 0)
    for number in range(20):
        handle.add(1, model=f"new-{number}")
    assert measured.value(TOKENS, model="new-19", node_id="coordinator-1") == 1


def test_after_a_flood_only_what_comes_again_is_remembered() -> None:
    """Values that are new each time leave a number behind; a value that stays is still known."""
    memory: Memory[str] = Memory(10)
    for number in range(11):
        memory.remember_values((str(number),), "early")
    assert memory.recall_values(("10",)) == "early"
    memory.remember_values(("a",), "first")
    assert memory.recall_values(("a",)) is None
    memory.remember_values(("a",), "again")
    assert memory.recall_values(("a",)) == "again"
    for number in range(1000):
        memory.remember_values((f"new-{number}",), "new")
        assert len(memory) <= 10
    assert memory.recall_values(("a",)) == "again"
