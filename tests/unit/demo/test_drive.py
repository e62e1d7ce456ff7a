"""Measuring the simulation: every metric, with the labels and values that make sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel import catalog
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.drive import Driver
from butterfly_otel.demo.size import Size

Start = Callable[..., Any]
Drive = Callable[..., list[Any]]
SMALL = Size(compute=4, layers=4, models=1)


@pytest.fixture(scope="module")
def collections(drive: Drive) -> list[Any]:
    """Ten simulated minutes of the default cluster, collected after each of them."""
    cluster = Cluster(seed=1)
    return drive(cluster, 600, 60)


def test_every_metric_has_data_within_a_minute(collections: list[Any]) -> None:
    """All metrics of the contract are there soon, and beside them each node's memory."""
    memory = {"butterfly_otel_memory_limit_bytes", "butterfly_otel_memory_used_bytes"}
    expected = {metric.name for metric in catalog.CONTRACT} | memory
    absent = sorted(expected - set(collections[0].metrics))
    assert absent == [], f"butterfly_otel/demo/drive/ does not measure {', '.join(absent)}"
    assert set(collections[0].metrics) == expected
    assert len(collections[0].metrics) == 64 + 2


def test_every_label_of_every_metric_is_used(collections: list[Any]) -> None:
    """Each series has exactly the contract's labels, none of them empty but the CPU core."""
    for name, series in collections[-1].metrics.items():
        keys = set(catalog.BY_NAME[name].label_keys)
        for labels in series:
            assert {key for key, _ in labels} == keys
            assert all(value for key, value in labels if key != "core")


def test_closed_vocabularies_are_used_up(collections: list[Any]) -> None:
    """Every value of every closed label appears, so that every query has something to find."""
    for metric in catalog.CONTRACT:
        series = collections[-1].metrics[metric.name]
        for label in metric.labels:
            seen = {value for labels in series for key, value in labels if key == label.key}
            assert seen == set(label.values) or label.kind != "closed", (metric.name, label.key)


def test_no_stream_reaches_its_limit(collections: list[Any]) -> None:
    """Nothing overflows, and the exposition stays small."""
    lines = 0
    for name, series in collections[-1].metrics.items():
        metric = catalog.BY_NAME[name]
        assert len(series) < metric.stream_limit or not metric.labels
        assert not any(key.startswith("otel") for labels in series for key, _ in labels)
        lines += len(series) * (len(metric.buckets) + 3 if metric.buckets else 1)
    assert 3000 < lines < 15_000


def test_series_are_no_more_than_expected(collections: list[Any]) -> None:
    """What the warnings about large clusters are based on is not less than the truth."""
    for name, expected in Size().expected_series().items():
        assert expected / 5 < len(collections[-1].metrics[name]) <= expected, name


def test_what_only_grows_only_grows(collections: list[Any]) -> None:
    """No counter falls, and no histogram loses a value; retired checkpoints aside."""
    before: dict[tuple[str, Any], float] = {}
    for collected in collections:
        for name, series in collected.metrics.items():
            metric = catalog.BY_NAME[name]
            for labels, point in series.items():
                if metric.monotonic or metric.type == "histogram":
                    value = point.value if metric.monotonic else point.count
                    assert value >= before.get((name, labels), 0)
                    before[name, labels] = value


def test_ratios_are_ratios(collections: list[Any]) -> None:
    """Whatever is a share lies between 0 and 1, and so does a reputation."""
    names = [metric.name for metric in catalog.CONTRACT if metric.name.endswith("_ratio")]
    assert len(names) == 4
    for collected in collections:
        for name in [*names, "butterfly_reputation_score"]:
            values = [point.value for point in collected.metrics[name].values()]
            assert all(0 <= value <= 1 for value in values)
            assert max(values) > 0


def test_memory_adds_up(collections: list[Any]) -> None:
    """Used and free memory of a GPU are its memory, and a peak is not below what is used."""
    for collected in collections:
        for gpu in collected.find("gpu_utilization_ratio"):
            used, free = (
                collected.total("gpu_memory_bytes", **gpu.attributes, state=state)
                for state in ("used", "free")
            )
            assert used + free == 80 * 2**30
            assert used > 0
            assert free > 0
        for peak in collected.find("memory_peak_bytes"):
            used = collected.total("memory_allocated_bytes", **peak.attributes)
            assert 2**30 < used <= peak.value + 4


def test_logs_are_ordered(collections: list[Any]) -> None:
    """Applied <= commit <= log on every coordinator."""
    for collected in collections:
        for log in collected.find("consensus_log_entries_total"):
            commit = collected.total("consensus_commit_index", **log.attributes)
            applied = collected.total("consensus_applied_index", **log.attributes)
            assert 0 < applied <= commit <= log.value


def test_what_is_sent_covers_what_is_received(collections: list[Any]) -> None:
    """Each connection and kind of message has sent at least what was received."""
    for kind in ("bytes_{}", "messages_{}_total"):
        sent = collections[-1].metrics[f"butterfly_network_{kind.format('sent')}"]
        received = collections[-1].metrics[f"butterfly_network_{kind.format('received')}"]
        assert len(received) > 50
        for labels, point in received.items():
            assert point.value <= sent[labels].value


def test_requests_are_counted_by_both_roles(collections: list[Any]) -> None:
    """Coordinators count each request once; compute nodes each their part; in flight is little."""
    last = collections[-1]
    done = last.total("requests_total", node_role="coordinator", method="inference")
    parts = last.total("requests_total", node_role="compute", method="inference")
    assert 5 * done < parts <= 8 * done
    [timed] = last.find("request_duration_seconds", node_role="coordinator", method="inference")
    assert timed.count == done
    errors = last.total("request_errors_total", node_role="coordinator", method="inference")
    failed = last.total(
        "requests_total", node_role="coordinator", method="inference", status="error"
    )
    assert errors == failed > 0
    flying = last.total("requests_in_flight", node_role="coordinator", method="inference")
    assert 0 <= flying < 500


def test_tokens_are_counted_once(collections: list[Any]) -> None:
    """The sum over nodes is the cluster's throughput: thousands a second, of three models."""
    seconds = 540
    tokens = collections[-1].total("tokens_processed_total")
    assert 1000 < (tokens - collections[0].total("tokens_processed_total")) / seconds < 6000
    models = {point.attributes["model"] for point in collections[-1].find("tokens_processed_total")}
    assert models == {"llama-70b", "gpt-4", "claude-3"}


def test_latencies_are_realistic(collections: list[Any]) -> None:
    """Means lie where such a cluster has them."""
    expected = {
        "layer_compute_duration_seconds": (0.001, 0.03),
        "connection_latency_seconds": (0.0002, 0.005),
        "tensor_size_bytes": (1e5, 1e8),
        "checkpoint_size_bytes": (5e8, 5e9),
        "barrier_wait_duration_seconds": (0.001, 0.5),
        "disk_write_duration_seconds": (0.001, 1.0),
    }
    for name, (least, most) in expected.items():
        points = collections[-1].find(name)
        mean = sum(point.sum for point in points) / sum(point.count for point in points)
        assert least < mean < most, name


def test_retired_checkpoints_lose_their_series(drive: Drive) -> None:
    """No more checkpoints have a series than nodes keep, whatever is made."""
    cluster = Cluster(Size(compute=2, layers=2, models=1), 2, faults=[])
    [seen] = drive(cluster, 120 * 11, 120 * 11)
    sizes = seen.find("checkpoint_size_bytes")
    complete = seen.find("checkpoint_count", status="complete")
    assert {point.value for point in complete} <= {7, 8}
    assert len(sizes) == sum(point.value for point in complete)


def test_fast_simulations_measure_a_part_of_the_passes(start: Start) -> None:
    """Of ten forward passes one is measured layer by layer; tokens are all counted."""
    counts: list[float] = []
    for every in (1, 10):
        measured = start()
        cluster = Cluster(SMALL, 2, faults=[])
        driver = Driver(cluster, every)
        for _ in range(60):
            driver.measure(cluster.advance())
        points = measured.points("butterfly_layer_compute_duration_seconds")
        counts.append(sum(point.count for point in points))
        tokens = sum(measured.values("butterfly_tokens_processed_total").values())
        counts.append(tokens)
        driver.stop()
        measured.runtime.shutdown()
    assert counts[2] == pytest.approx(counts[0] / 10, abs=4)
    assert counts[1] == counts[3] > 0


def test_nothing_is_observed_after_stop(start: Start) -> None:
    """The observation callbacks are undone with the driver."""
    measured = start()
    driver = Driver(Cluster(SMALL, 2))
    assert len(measured.points("butterfly_consensus_term")) == 3
    driver.stop()
    assert measured.points("butterfly_consensus_term") == []
