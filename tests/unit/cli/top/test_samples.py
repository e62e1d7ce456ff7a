"""What changes between two scrapes: growth, resets, quantiles, rows."""

from __future__ import annotations

from math import inf

import pytest

from butterfly_otel.cli.top.figures import Row, rows_of, sorted_rows
from butterfly_otel.cli.top.table import plain_table
from butterfly_otel.lint.expositions.fetch import Answer
from butterfly_otel.lint.expositions.growth import (
    Scrape,
    bucket_increase,
    increase,
    quantile,
    read_scrape,
)

URL = "http://host:1/metrics"


def scrape(at: float, text: str) -> Scrape:
    """Return a scrape of this text."""
    return read_scrape(Answer(text + "\n"), at)


def test_growth_is_summed_over_the_series_that_match() -> None:
    """Only series with the labels count; one that is new counts from 0."""
    before = scrape(0, 'c{a="1",b="x"} 5\nc{a="2",b="x"} 7')
    now = scrape(1, 'c{a="1",b="x"} 8\nc{a="2",b="y"} 2\nc{a="2",b="x"} 7.5')
    assert increase(before, now, "c") == 5.5
    assert increase(before, now, "c", b="x") == 3.5
    assert increase(before, now, "c", b="z") is None


def test_a_counter_that_fell_started_anew() -> None:
    """As in PromQL: after a reset everything there is has grown since; NaN is no value."""
    assert increase(scrape(0, "c 100"), scrape(1, "c 3"), "c") == 3
    assert increase(scrape(0, "c 100"), scrape(1, "c NaN"), "c") is None


def test_a_histogram_is_reset_as_a_whole() -> None:
    """A bucket that did not fall belongs to the new start as well, so buckets stay cumulative."""
    before = scrape(0, 'h_bucket{le="1"} 5\nh_bucket{le="2"} 10\nh_bucket{le="+Inf"} 10')
    now = scrape(1, 'h_bucket{le="1"} 6\nh_bucket{le="2.0"} 6\nh_bucket{le="+Inf"} 7')
    assert bucket_increase(before, now, "h") == [(1, 6), (2, 6), (inf, 7)]
    grown = scrape(2, 'h_bucket{le="1.0"} 6\nh_bucket{le="2"} 9\nh_bucket{le="+Inf"} 10')
    assert bucket_increase(now, grown, "h") == [(1, 0), (2, 3), (inf, 3)]


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, [(1.0, 2.0), (3.0, 6.0), (inf, 6.0)], 1.5),
        (0.99, [(1.0, 50.0), (5.0, 100.0), (inf, 100.0)], 4.92),
        (0.99, [(1.0, 50.0), (inf, 100.0)], 1.0),
        (0.5, [(1.0, 0.0), (inf, 0.0)], None),
        (0.5, [(1.0, 4.0)], None),
        (0.5, [(inf, 4.0)], None),
        (0.5, [], None),
    ],
)
def test_quantiles(q: float, buckets: list[tuple[float, float]], expected: float | None) -> None:
    """Interpolated as histogram_quantile() does, None where there is nothing to tell from."""
    assert quantile(q, buckets) == (None if expected is None else pytest.approx(expected))


BEFORE = """\
target_info{service_instance_id="coordinator-1"} 1
butterfly_requests_total{node_role="coordinator",method="inference",status="success"} 100
butterfly_requests_total{node_role="coordinator",method="inference",status="error"} 10
butterfly_request_duration_seconds_bucket{node_role="coordinator",method="inference",le="1.0"} 0
butterfly_request_duration_seconds_bucket{node_role="coordinator",method="inference",le="+Inf"} 0
butterfly_tokens_processed_total{node_id="coordinator-1",model="m"} 1000
butterfly_otel_label_violations_total{metric="x",label="l",reason="r"} 1
"""
NOW = """\
target_info{service_instance_id="coordinator-1"} 1
butterfly_requests_total{node_role="coordinator",method="inference",status="success"} 118
butterfly_requests_total{node_role="coordinator",method="inference",status="error"} 12
butterfly_requests_total{node_role="coordinator",method="health_check",status="success"} 500
butterfly_requests_total{node_role="compute",method="inference",status="success"} 500
butterfly_request_duration_seconds_bucket{node_role="coordinator",method="inference",le="1.0"} 20
butterfly_request_duration_seconds_bucket{node_role="coordinator",method="inference",le="+Inf"} 20
butterfly_requests_in_flight{node_role="coordinator",method="inference"} 4
butterfly_tokens_processed_total{node_id="coordinator-1",model="m"} 1500
butterfly_tasks_queued{node_id="coordinator-1"} 3
butterfly_cpu_usage_ratio{node_id="coordinator-1",core="0"} 0.2
butterfly_cpu_usage_ratio{node_id="coordinator-1",core="1"} 0.4
butterfly_memory_allocated_bytes{node_id="coordinator-1",pool="model"} 1000
butterfly_memory_allocated_bytes{node_id="coordinator-1",pool="system"} 500
butterfly_otel_memory_used_bytes{node_id="coordinator-1"} 3
butterfly_otel_memory_limit_bytes{node_id="coordinator-1"} 4
butterfly_gpu_utilization_ratio{node_id="coordinator-1",gpu_id="0"} 0.5
butterfly_gpu_temperature_celsius{node_id="coordinator-1",gpu_id="0"} 61
butterfly_gpu_temperature_celsius{node_id="coordinator-1",gpu_id="1"} 70
butterfly_gpu_memory_bytes{node_id="coordinator-1",gpu_id="0",state="used"} 1
butterfly_gpu_memory_bytes{node_id="coordinator-1",gpu_id="0",state="free"} 3
butterfly_cluster_size{state="active"} 3
butterfly_cluster_size{state="degraded"} 1
butterfly_quorum_size 2
butterfly_consensus_term{node_id="coordinator-1"} 7
butterfly_consensus_leader_changes_total 2
butterfly_byzantine_faults_detected_total{node_id="coordinator-1",fault_type="merkle_mismatch"} 2
butterfly_otel_label_violations_total{metric="x",label="l",reason="r"} 4
"""


def test_a_node_has_every_figure() -> None:
    """Rates over the real interval; the coordinators' inference requests, nobody else's."""
    [row] = rows_of(URL, scrape(10, BEFORE), scrape(12, NOW))
    assert row == Row(
        "coordinator-1",
        URL,
        requests_per_second=10,
        error_ratio=0.1,
        p50=0.5,
        p99=0.99,
        tokens_per_second=250,
        in_flight=4,
        queued=3,
        gpu_utilization=0.5,
        gpu_temperature=70,
        gpu_memory=0.25,
        cpu=pytest.approx(0.3),
        memory_bytes=1500,
        memory_ratio=0.75,
        active=3,
        quorum=2,
        term=7,
        leader_changes=2,
        faults=2,
        new_faults=2,
        violations=4,
        new_violations=3,
    )


def test_without_an_earlier_scrape_there_are_no_rates() -> None:
    """What is measured at once is shown at once; everything over time waits."""
    [row] = rows_of(URL, None, scrape(12, NOW))
    assert (row.in_flight, row.faults, row.violations) == (4, 2, 4)
    over_time = (row.requests_per_second, row.error_ratio, row.p50, row.tokens_per_second)
    assert (*over_time, row.new_faults, row.new_violations) == (None,) * 6


def test_what_is_missing_is_nothing_rather_than_zero() -> None:
    """An endpoint with one metric has one figure; without a name it is called by its address."""
    [row] = rows_of(URL, scrape(0, "butterfly_quorum_size 3"), scrape(1, "butterfly_quorum_size 3"))
    assert row == Row("host:1", URL, quorum=3)


def test_an_endpoint_of_several_nodes_has_a_row_for_each() -> None:
    """Figures by node go to the nodes, those of requests to the endpoint; nodes sort by number."""
    text = "\n".join(f'butterfly_tasks_queued{{node_id="node-{n}"}} {n}' for n in (10, 2, 1))
    rows = sorted_rows(rows_of(URL, None, scrape(0, text)))
    assert [(row.node, row.queued) for row in rows] == [
        ("host:1", 13),
        ("node-1", 1),
        ("node-2", 2),
        ("node-10", 10),
    ]


def test_malformed_lines_are_left_out() -> None:
    """What can't be read spoils nothing else."""
    found = scrape(0, 'a 1\nb{ 2\nh_bucket{le="x"} 1')
    assert found.values("a") == [1]
    assert len(found.exposition.malformed) == 1
    assert bucket_increase(found, found, "h") == []


def test_what_is_above_the_highest_bucket_is_shown_as_more() -> None:
    """The histogram can't tell how much more than its highest bound; the cell says so."""
    name = "butterfly_request_duration_seconds_bucket"
    labels = 'node_role="coordinator",method="inference"'

    def text(fast: int, slow: int) -> str:
        bounds = {"5": fast, "10": fast, "+Inf": fast + slow}
        lines = (f'{name}{{{labels},le="{le}"}} {count}' for le, count in bounds.items())
        return "# TYPE butterfly_request_duration_seconds histogram\n" + "\n".join(lines)

    [row] = rows_of(URL, scrape(0, text(0, 0)), scrape(1, text(6, 4)))
    assert (row.p50_beyond, row.p99_beyond, row.p99) == (False, True, 10)
    lines = plain_table([row])
    assert ">10.00 s!" in lines[1].replace("  ", " ")
    assert lines[1].count(">") == 1
