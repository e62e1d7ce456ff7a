"""The catalogue against the specification's facts, which were copied from it separately."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel.catalog import ALL, BY_NAME, CONTRACT, EXTENSIONS, Label, Metric

_FACTS_FILE = Path(__file__).parents[2] / "contract" / "specification.json"
FACTS: list[dict[str, Any]] = json.loads(_FACTS_FILE.read_text("utf-8"))["metrics"]
NAMES = [fact["name"] for fact in FACTS]
FACT_LABELS = [
    pytest.param(fact["name"], label, id=f"{fact['name']}-{label['name']}")
    for fact in FACTS
    for label in fact["labels"]
]

#: The specification's naming conventions: unit suffix to UCUM unit.
SUFFIX_UNITS = {"_seconds": "s", "_bytes": "By", "_celsius": "Cel", "_ratio": "1"}
#: Bytes that the name does not end with.
BYTE_COUNTERS = {"butterfly_network_bytes_sent", "butterfly_network_bytes_received"}

#: Kind, budget and choice of the values of every label without a vocabulary.
BUDGETS = {
    "error_type": ("open", 50, "first"),
    "node_id": ("identity", 1000, "first"),
    "from_node": ("identity", 1000, "first"),
    "to_node": ("identity", 1000, "first"),
    "from_coordinator": ("identity", 1000, "first"),
    "node_pair": ("pair", 1000, "first"),
    "node_id_pair": ("pair", 1000, "first"),
    "layer_id": ("bounded", 200, "first"),
    "model": ("bounded", 20, "first"),
    "gpu_id": ("bounded", 64, "first"),
    "core": ("bounded", 1024, "first"),
    "barrier_id": ("unbounded", 100, "first"),
    "task_id": ("unbounded", 100, "first"),
    "checkpoint_id": ("unbounded", 32, "latest"),
}

#: Metrics whose ``node_id`` is the subject of a verdict, so that it has to be told.
SUBJECT_METRICS = {
    "butterfly_byzantine_faults_detected_total",
    "butterfly_verification_checks_total",
    "butterfly_verification_failures_total",
    "butterfly_reputation_score",
}
#: Metrics of what this node receives: it is the far end.
RECEIVER_METRICS = {
    "butterfly_network_bytes_received",
    "butterfly_network_messages_received_total",
}

#: The instrument of every metric that is neither a synchronous counter nor a histogram.
INSTRUMENTS = {
    "butterfly_cpu_throttle_events_total": "observable_counter",
    "butterfly_requests_in_flight": "up_down_counter",
    "butterfly_checkpoint_count": "up_down_counter",
    "butterfly_tasks_queued": "observable_up_down_counter",
    "butterfly_memory_allocated_bytes": "observable_up_down_counter",
    "butterfly_gpu_memory_bytes": "observable_up_down_counter",
    "butterfly_disk_checkpoint_bytes": "observable_up_down_counter",
    "butterfly_quic_streams_active": "observable_up_down_counter",
    "butterfly_pipeline_depth": "gauge",
    "butterfly_batch_size": "gauge",
    "butterfly_attention_heads_active": "gauge",
    "butterfly_layer_memory_bytes": "gauge",
    "butterfly_connection_active": "gauge",
    "butterfly_synchronization_skew_seconds": "gauge",
    "butterfly_reputation_score": "gauge",
    "butterfly_memory_peak_bytes": "observable_gauge",
    "butterfly_memory_fragmentation_ratio": "observable_gauge",
    "butterfly_cpu_usage_ratio": "observable_gauge",
    "butterfly_gpu_utilization_ratio": "observable_gauge",
    "butterfly_gpu_temperature_celsius": "observable_gauge",
    "butterfly_gpu_compute_unit_active": "observable_gauge",
    "butterfly_quic_congestion_window_bytes": "observable_gauge",
    "butterfly_quic_rtt_seconds": "observable_gauge",
    "butterfly_quic_packet_loss_ratio": "observable_gauge",
    "butterfly_consensus_term": "observable_gauge",
    "butterfly_consensus_log_entries_total": "observable_gauge",
    "butterfly_consensus_commit_index": "observable_gauge",
    "butterfly_consensus_applied_index": "observable_gauge",
    "butterfly_cluster_size": "observable_gauge",
    "butterfly_quorum_size": "observable_gauge",
}

#: What the contract says of streams, worked out by hand.
STREAM_LIMITS = {
    "butterfly_requests_total": 48,  # (3 + 1) * (3 + 1) * (2 + 1)
    "butterfly_requests_in_flight": 9,  # (2 + 1) * (2 + 1)
    "butterfly_request_errors_total": 459,  # 3 * 3 * (50 + 1)
    "butterfly_consensus_leader_changes_total": 1,
    "butterfly_tensor_size_bytes": 603,  # (200 + 1) * (2 + 1)
    "butterfly_connection_latency_seconds": 1000,
    "butterfly_network_bytes_sent": 5000,
    "butterfly_layer_memory_bytes": 5000,
    "butterfly_layer_compute_duration_seconds": 4000,
    "butterfly_task_reassignments_total": 4,
    "butterfly_merkle_root_mismatches_total": 101,
}


def label_of(name: str, key: str) -> Label:
    """The catalogue's label of that key on that metric."""
    (label,) = (label for label in BY_NAME[name].labels if label.key == key)
    return label


def test_names_and_order() -> None:
    """The catalogue has the specification's 64 names, in its order."""
    assert len(NAMES) == 64
    assert [metric.name for metric in CONTRACT] == NAMES


def test_extensions_are_apart() -> None:
    """The SDK's own metrics are no part of the contract, and everything is found by name."""
    assert not {metric.name for metric in EXTENSIONS} & set(NAMES)
    assert tuple(BY_NAME.values()) == ALL


@pytest.mark.parametrize("fact", FACTS, ids=NAMES)
def test_type_category_and_label_names(fact: dict[str, Any]) -> None:
    """Each metric has the specification's type, category and label names in its order."""
    metric = BY_NAME[fact["name"]]
    assert (metric.type, metric.category, metric.label_keys) == (
        fact["type"],
        fact["category"],
        tuple(label["name"] for label in fact["labels"]),
    )


@pytest.mark.parametrize("fact", FACTS, ids=NAMES)
def test_buckets(fact: dict[str, Any]) -> None:
    """Each histogram has the specification's bounds, and nothing else has any."""
    bounds = BY_NAME[fact["name"]].buckets
    expected = tuple(float(bound) for bound in fact["buckets"])
    assert ((*bounds, inf) if fact["type"] == "histogram" else bounds) == expected


@pytest.mark.parametrize(("name", "fact"), FACT_LABELS)
def test_label_values(name: str, fact: dict[str, Any]) -> None:
    """A list without an ellipsis is a vocabulary; with one it is examples and has a budget."""
    label = label_of(name, fact["name"])
    if fact["examples"]:
        assert (label.kind, label.budget, label.keep) == BUDGETS[label.key]
        assert label.values == (tuple(fact["values"]) if label.kind == "open" else ())
    else:
        assert (label.kind, label.values) == ("closed", tuple(fact["values"]))


@pytest.mark.parametrize(("name", "fact"), FACT_LABELS)
def test_label_defaults(name: str, fact: dict[str, Any]) -> None:
    """Only labels that name the reporting process, and the core, may be left out."""
    near_end = {"node_id", "from_node", "from_coordinator"}
    if name in RECEIVER_METRICS:
        near_end = {"to_node"}
    elif name in SUBJECT_METRICS:
        near_end = set()
    expected = {"node_role": "node_role", "core": "empty"} | dict.fromkeys(near_end, "node_id")
    assert label_of(name, fact["name"]).default == expected.get(fact["name"])


@pytest.mark.parametrize("metric", CONTRACT, ids=lambda metric: metric.name)
def test_unit(metric: Metric) -> None:
    """The unit is the one that the name ends with, or an annotation."""
    base = metric.name.removesuffix("_total")
    units = {unit for suffix, unit in SUFFIX_UNITS.items() if base.endswith(suffix)}
    if metric.name in BYTE_COUNTERS:
        units = {"By"}
    if units:
        assert {metric.unit} == units
    else:
        assert metric.unit.startswith("{")
        assert metric.unit.endswith("}")


@pytest.mark.parametrize("metric", CONTRACT, ids=lambda metric: metric.name)
def test_instrument(metric: Metric) -> None:
    """Each metric is measured by the instrument that was decided for it."""
    assert metric.instrument == INSTRUMENTS.get(metric.name, metric.type)
    assert metric.observable == ("observable" in metric.instrument)
    assert metric.monotonic == (metric.type == "counter")


@pytest.mark.parametrize(("name", "limit"), STREAM_LIMITS.items())
def test_stream_limit(name: str, limit: int) -> None:
    """A stream's limit is the product of its seats, capped, unless the entry says otherwise."""
    assert BY_NAME[name].stream_limit == limit
