"""What a load test calls wrong, and how it is reported."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from butterfly_otel.loadtest.judging import FACTOR, NOISE, judge_cluster, judge_flood
from butterfly_otel.loadtest.model import Clustered, Flooded, Report, Scraped, Shared
from butterfly_otel.loadtest.reporting import as_json, as_markdown, as_text

NAME = "butterfly_tokens_processed_total"
FLOODED = Flooded(
    metric=NAME,
    flood="ids",
    sets=1_000,
    offered=1_140,
    kept=600,
    overflowed=525,
    refused=15,
    ended=0,
    series=520,
    budget=5_001,
    samples=520,
    limit=5_001,
    calls=1_140,
    seconds=0.00114,
    memory=2**20,
    late_growth=0,
    scrape_seconds=0.001,
)
SHARED = Shared(
    nodes=10,
    offered={NAME: 100},
    kept={NAME: 100},
    folded={NAME: 0},
    refused={NAME: 0},
    samples={NAME: 100},
    calls=100,
    first_seconds=0.001,
    seconds=0.0001,
    memory=2**20,
    page_seconds=0.002,
    page_bytes=4_096,
    bytes=40_960,
)
SCRAPED = Scraped(
    version="3.16.0",
    targets=10,
    failed=(),
    samples=110,
    head_series=160,
    memory=2**20,
    slowest=0.01,
    rounds=3,
)
CLUSTERED = Clustered(
    nodes=10,
    driven=10,
    processes=1,
    found=SHARED,
    predicted={NAME: 100},
    predicted_series=110,
    predicted_memory=110 * 8_192,
    whole_series=110,
    scraped=SCRAPED,
)
MANY = replace(
    CLUSTERED,
    predicted_series=100_000,
    predicted_memory=819_200_000,
    scraped=replace(SCRAPED, head_series=100_000, memory=400_000_000),
)


def test_nothing_is_wrong_with_what_is_right() -> None:
    """Figures within their budgets and near what is predicted pass."""
    assert judge_flood(FLOODED) == ()
    assert judge_cluster(CLUSTERED) == ()
    assert judge_cluster(MANY) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"kept": 599},
            "1,140 were offered, but 599 kept, 525 overflowed and 15 refused are 1,139",
        ),
        ({"series": 5_002}, "5,002 series are more than the budget of 5,001"),
        ({"samples": 5_002}, "5,002 samples are more than the 5,001 that budgets allow"),
        ({"wrong": ("1 known series is not exact",)}, "1 known series is not exact"),
        ({"memory": 2**30}, "which the budgets predict"),
        ({"late_growth": NOISE + 1}, "memory grows with the label sets"),
    ],
)
def test_a_flood_that_breaks_something_is_told(changes: dict[str, object], words: str) -> None:
    """Each thing that can be wrong has a sentence, with the metric and the scenario."""
    [broken] = judge_flood(replace(FLOODED, **changes))  # type: ignore[arg-type]
    assert broken.startswith(f"{NAME} (ids): ")
    assert words in broken


def test_memory_that_nobody_tells_is_not_judged() -> None:
    """Where the system does not say what a process has, the rest is judged all the same."""
    assert judge_flood(replace(FLOODED, memory=None, late_growth=None)) == ()
    assert judge_cluster(replace(CLUSTERED, found=replace(SHARED, memory=None))) == ()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            replace(CLUSTERED, found=replace(SHARED, kept={NAME: 99})),
            "100 label sets were offered, but 99 came out",
        ),
        (replace(CLUSTERED, predicted={NAME: 401}), "100 samples instead of 401 predicted"),
        (replace(CLUSTERED, predicted={NAME: 24}), "100 samples instead of 24 predicted"),
        (replace(CLUSTERED, found=replace(SHARED, memory=2**30)), "nodes take 1,073,741,824 bytes"),
        (
            replace(CLUSTERED, scraped=replace(SCRAPED, failed=("node-1: refused",))),
            "Prometheus could not scrape node-1: refused",
        ),
        (
            replace(CLUSTERED, scraped=replace(SCRAPED, head_series=441)),
            "Prometheus has 441 series instead of 110 predicted",
        ),
        (
            replace(MANY, scraped=replace(SCRAPED, head_series=100_000, memory=4 * 10**9)),
            "Prometheus takes 4,000,000,000 bytes instead of 819,200,000 predicted",
        ),
        (
            replace(MANY, scraped=replace(SCRAPED, head_series=100_000, memory=10**8)),
            "Prometheus takes 100,000,000 bytes instead of 819,200,000 predicted",
        ),
    ],
)
def test_a_cluster_that_breaks_something_is_told(found: Clustered, words: str) -> None:
    """What is lost, what is off by more than the factor, and what could not be scraped."""
    [broken] = judge_cluster(found)
    assert words in broken


def test_a_wider_factor_lets_more_pass() -> None:
    """The factor is the caller's to choose."""
    found = replace(CLUSTERED, predicted={NAME: 401})
    assert judge_cluster(found, 2 * FACTOR) == ()


def report(*broken: str) -> Report:
    """Return a report of all there is."""
    return Report(
        command="butterfly-otel loadtest",
        factor=4.0,
        cluster=CLUSTERED,
        floods=(FLOODED,),
        broken=broken,
    )


def test_the_report_says_everything_in_a_terminal() -> None:
    """Each metric with its counts, the figures beside what was predicted, and a verdict."""
    text = as_text(report())
    assert "Every budget held, nothing was lost" in text
    [row] = [line for line in text.splitlines() if line.startswith(NAME) and " ids " in line]
    assert row.split()[1:] == [
        *("ids", "1,000", "1,140", "600", "525", "15", "520", "5,001", "1,000", "1", "MiB")
    ]
    assert "Prometheus 3.16.0: series in its head" in text
    assert "2 wrong:\n- this\n- that" in as_text(report("this", "that"))


def test_the_report_is_markdown_with_whole_rows() -> None:
    """Every row of a table has as many cells as its head, and the command is above them."""
    text = as_markdown(report())
    assert text.startswith("`butterfly-otel loadtest`\n")
    for table in text.split("\n\n"):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1


def test_the_report_is_one_json_object() -> None:
    """With plain numbers, what a call costs, and whether all is well."""
    document = json.loads(as_json(report("this")))
    assert document["ok"] is False
    assert document["broken"] == ["this"]
    assert document["floods"][0]["offered"] == 1_140
    assert document["floods"][0]["nanoseconds_a_call"] == 1_000
    assert document["cluster"]["scraped"]["head_series"] == 160
    assert json.loads(as_json(report()))["ok"] is True
