"""One metric beyond its budgets: nothing is lost, and what is known stays exact."""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from butterfly_otel import catalog
from butterfly_otel.catalogs import load
from butterfly_otel.enforcement.rule import LabelRule
from butterfly_otel.engine.cells import CounterCell
from butterfly_otel.loadtest import memory, scenarios
from butterfly_otel.loadtest.flooding import flood_metric
from butterfly_otel.loadtest.judging import judge_flood
from butterfly_otel.loadtest.scenarios import FLOODS
from butterfly_otel.operate import sizes
from butterfly_otel.views.overlays import apply_overlay
from butterfly_otel.views.streams import Stream, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.loadtest.scenarios import Flood

#: Beyond every budget, though labels take turns, and beyond the smaller limits.
SETS = 2_200
_OWN = Path(__file__).parents[3] / "examples" / "own_contract" / "gen_ai.yaml"
TOKENS = Stream.of(catalog.BY_NAME["butterfly_tokens_processed_total"])


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is broken on purpose is not logged, and what pytest has in memory is not weighed."""
    monkeypatch.setattr(memory, "resident", lambda: None)
    logger = logging.getLogger("butterfly_otel")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


def kinds() -> list[Metric]:
    """Return one metric of each kind: by its instrument, how many labels, and what they keep."""
    found: dict[Any, Metric] = {}
    for metric in catalog.ALL:
        if metric.name in sizes.faults():
            continue
        open_ended = sum(each.kind != "closed" for each in metric.labels)
        keep = {each.keep for each in metric.labels}
        key = (metric.instrument, len(metric.labels), open_ended, "latest" in keep)
        found.setdefault(key, metric)
    return list(found.values())


@pytest.mark.parametrize("flood", FLOODS)
def test_nothing_is_lost_whatever_is_offered(flood: Flood) -> None:
    """Offered is kept, overflowed and refused to the last one; series are the contract's."""
    for metric in kinds():
        sets = SETS // 5 if flood == "churn" else SETS
        found = flood_metric(Stream.of(metric), flood, sets)
        assert found.offered == found.kept + found.overflowed + found.refused, found
        assert found.series <= found.budget, found
        assert found.samples <= found.limit, found
        assert not found.wrong, found
        if found.sets == sets:
            assert found.refused == sets // 64, found
        if flood == "ids" and found.sets == SETS:
            assert found.overflowed > 0 or metric.labels[-1].keep == "latest", found
        if flood == "churn":
            assert found.overflowed == 0, found


@pytest.mark.parametrize("flood", FLOODS)
def test_nothing_is_lost_of_a_contract_of_ones_own(flood: Flood) -> None:
    """Names with dots and labels that are numbers are found again on the page."""
    contract = load(str(_OWN))
    for metric in contract:
        found = flood_metric(Stream.of(metric, contract.meter), flood, SETS // 5)
        assert found.offered == found.kept + found.overflowed + found.refused, found
        assert found.kept > 0, found
        assert found.series <= found.budget, found
        assert not found.wrong, found


def test_label_sets_of_a_stream_limit_go_to_the_overflow_point() -> None:
    """Every combination is within its budgets, and still there is an end."""
    metric = catalog.BY_NAME["butterfly_connection_errors_total"]
    found = flood_metric(Stream.of(metric), "limits", 6_000)
    assert found.series == found.budget == 5_001
    assert found.overflowed == 6_001 - 5_000
    assert not judge_flood(found)


@pytest.mark.parametrize("flood", FLOODS)
def test_an_overlay_narrows_what_is_offered(flood: Flood) -> None:
    """With labels dropped, and budgets of its own, the same holds."""
    for stream in apply_overlay(default_streams(), "low-cardinality"):
        if stream.labels != stream.metric.labels:
            assert not judge_flood(flood_metric(stream, flood, 300))


def test_a_measurement_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the overflow series is not counted: the sum tells, to the last one."""
    real, lost = CounterCell.update, iter([True])

    def update(self: CounterCell, amount: float) -> None:
        if "other" in self.labels().values() and next(lost, False):
            return
        real(self, amount)

    monkeypatch.setattr(CounterCell, "update", update)
    found = flood_metric(TOKENS, "ids", 200)
    assert found.offered == found.kept + found.overflowed + found.refused + 1
    assert any("were offered, but" in each for each in judge_flood(found))


def test_a_budget_that_lets_too_much_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value more than there may be is a series that the contract does not have."""
    real = LabelRule.seat

    def seat(self: LabelRule, text: str) -> tuple[str, str | None]:
        return (text, None) if text == "model-beyond-50" else real(self, text)

    monkeypatch.setattr(LabelRule, "seat", seat)
    found = flood_metric(TOKENS, "ids", 200)
    assert any("known series are not exact" in each for each in judge_flood(found))
    assert found.offered == found.kept + found.overflowed + found.refused


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        "butterfly_tokens_processed_total",
        "butterfly_layer_compute_duration_seconds",
        "butterfly_otel_collector_up",
        "butterfly_checkpoint_size_bytes",
    ],
)
@pytest.mark.parametrize("flood", ["ids", "churn"])
def test_memory_does_not_grow_with_label_sets(
    name: str, flood: Flood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the budgets are used up, some thousand sets more leave nothing behind."""
    monkeypatch.setattr(scenarios, "_ROUND", 1_024)
    metric = catalog.BY_NAME[name]
    blocks: list[int] = []

    def count(done: int) -> None:
        # Rounds that churn are small.
        if done < (len(blocks) + 1) * 1_024:
            return
        gc.collect()
        blocks.append(sys.getallocatedblocks())

    flood_metric(Stream.of(metric), flood, 8 * 1_024, count)
    # After the first page, which was read half-way, and with more sets than any stream may have;
    # every second one, since what is observed has the places of the last round against it.
    assert blocks[7] - blocks[5] < 500
