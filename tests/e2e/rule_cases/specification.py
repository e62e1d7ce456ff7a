"""Stories of the specification's alerts, and of NodeIsolated."""

from __future__ import annotations

from .model import AlertCase, Fire, s

A, B = {"instance": "a", "job": "butterfly"}, {"instance": "b", "job": "butterfly"}
NODE_EXPORTER = {"instance": "a:9100", "job": "node"}


def requests(status: str, role: str = "coordinator", **target: str) -> str:
    """Return a series of inference requests."""
    name = "butterfly_requests_total"
    return s(name, node_role=role, method="inference", status=status, **target)


def p99(bound: str, method: str = "inference", **target: str) -> str:
    """Return a bucket of the requests' duration."""
    name = "butterfly_request_duration_seconds_bucket"
    return s(name, node_role="coordinator", method=method, le=bound, **target)


def leaders(**target: str) -> str:
    """Return a counter of leader changes."""
    return s("butterfly_consensus_leader_changes_total", **target)


def faults(node: str, kind: str = "merkle_mismatch", **target: str) -> str:
    """Return a counter of Byzantine faults."""
    name = "butterfly_byzantine_faults_detected_total"
    return s(name, node_id=node, fault_type=kind, **target)


def memory(node: str, pool: str = "model", **target: str) -> str:
    """Return a pool of a node."""
    return s("butterfly_memory_allocated_bytes", node_id=node, pool=pool, **target)


def heat(node: str, gpu: str) -> str:
    """Return the temperature of a GPU."""
    return s("butterfly_gpu_temperature_celsius", node_id=node, gpu_id=gpu, **A)


def link(near: str, far: str, **target: str) -> str:
    """Return a connection."""
    return s("butterfly_connection_active", from_node=near, to_node=far, **target)


def _errors(share: str) -> Fire:
    return Fire(
        {"node_role": "coordinator", "method": "inference"},
        "Many inference requests fail on coordinator nodes",
        f"{share} of inference requests fail on coordinator nodes (threshold: 5%).",
    )


HIGH_ERROR_RATE = (
    AlertCase(
        "HighErrorRate",
        "6 % of all coordinators' requests fail, then 1 %; compute nodes and probes are well",
        {
            requests("error", **A): "0+12x60 720+0x60",
            requests("success", **A): "0+88x120",
            requests("success", **B): "500+100x30 0+100x90",
            requests("error", "compute", **B): "0+4x120",
            requests("success", "compute", **B): "0+100x120",
            s("butterfly_requests_total", node_role="coordinator", method="health_check",
              status="success", **A): "0+1000x120",
        },
        {"4m": (), "12m": (_errors("6%"),), "18m": ()},
    ),
    AlertCase(
        "HighErrorRate",
        "4.5 % are granted, and without failures or requests there is no ratio",
        {
            requests("error", **A): "0+9x60",
            requests("success", **A): "0+191x60",
            requests("success", "compute", **B): "0+100x60",
        },
        {"15m": (), "30m": ()},
    ),
    AlertCase(
        "HighErrorRate",
        "a burst of four minutes is none",
        {requests("error", **A): "0+50x16 800+0x60", requests("success", **A): "0+50x80"},
        {"4m": (), "6m": (), "9m": ()},
    ),
)  # fmt: skip

HIGH_LATENCY = (
    AlertCase(
        "HighLatency",
        "2 % of inference take longer than 5 s; checkpoints may",
        {
            p99("1.0"): "0+0x120",
            p99("5.0"): "0+98.8x60 5928+100x60",
            p99("10.0"): "0+100x120",
            p99("+Inf"): "0+100x120",
            p99("5.0", "checkpoint"): "0+0x120",
            p99("10.0", "checkpoint"): "0+0x120",
            p99("+Inf", "checkpoint"): "0+100x120",
        },
        {
            "4m": (),
            "12m": (
                Fire(
                    {"node_role": "coordinator", "method": "inference"},
                    "Inference is slow on coordinator nodes",
                    "P99 of inference requests on coordinator nodes is 5.8 s"
                    " (threshold: 5 s; more than 10 s show as 10).",
                ),
            ),
            "20m": (),
        },
    ),
    AlertCase(
        "HighLatency",
        "just below the threshold by OTLP's boundaries, and no requests are no latency",
        {
            p99("1"): "0+96x40 _x40",
            p99("5"): "0+99.5x40 _x40",
            p99("10"): "0+100x40 _x40",
            p99("+Inf"): "0+100x40 _x40",
        },
        {"9m": (), "20m": ()},
    ),
)

CLUSTER_BELOW_QUORUM = (
    AlertCase(
        "ClusterBelowQuorum",
        "the most pessimistic coordinator counts, against the largest quorum; it comes back",
        {
            s("butterfly_cluster_size", state="active", **A): "3x40",
            s("butterfly_cluster_size", state="active", **B): "3x3 1x10 3x26",
            s("butterfly_cluster_size", state="degraded", **A): "0x40",
            s("butterfly_quorum_size", **A): "2x40",
            s("butterfly_quorum_size", **B): "1x40",
        },
        {
            "90s": (),
            "3m": (
                Fire(
                    {},
                    "The cluster has lost its quorum",
                    "Only 1 voting members are active; 2 are needed to decide anything.",
                ),
            ),
            "5m": (),
        },
        severity="critical",
    ),
    AlertCase(
        "ClusterBelowQuorum",
        "as many as the quorum are enough, whatever else is degraded or recovering",
        {
            s("butterfly_cluster_size", state="active", **A): "2x40",
            s("butterfly_cluster_size", state="recovering", **A): "0x40",
            s("butterfly_quorum_size", **A): "2x40",
        },
        {"5m": ()},
        severity="critical",
    ),
    AlertCase(
        "ClusterBelowQuorum",
        "what nobody reports is no lost quorum",
        {s("butterfly_cluster_size", state="active", **A): "0x40"},
        {"5m": ()},
        severity="critical",
    ),
)

FREQUENT_LEADER_CHANGES = (
    AlertCase(
        "FrequentLeaderChanges",
        "6 in an hour that each of two coordinators counts; a restart is none; it passes",
        {
            leaders(**A): "3x40 4x8 5x8 6x8 7x8 8x8 9x400",
            leaders(**B): "3x40 4x8 5x8 6x8 7x8 0x8 1x400",
        },
        {
            "23m": (),
            "32m": (
                Fire(
                    {},
                    "Leaders change often",
                    "6 leader changes in an hour (threshold: 5).",
                ),
            ),
            "100m": (),
        },
    ),
    AlertCase(
        "FrequentLeaderChanges",
        "5 in an hour, seen by three coordinators, are granted; so are 20 in a day",
        {
            leaders(**A): "0x40 1x8 2x8 3x8 4x8 5x400",
            leaders(**B): "0x40 1x8 2x8 3x8 4x8 5x400",
            leaders(instance="c", job="butterfly"): "90x400",
        },
        {"60m": (), "90m": ()},
    ),
)


def _fault(node: str, count: str, kind: str = "merkle_mismatch") -> Fire:
    return Fire(
        {"node_id": node, "fault_type": kind},
        f"Byzantine fault detected on {node}",
        f"{count} faults of type {kind} were detected on {node} within ten minutes.",
    )


BYZANTINE_FAULT_DETECTED = (
    AlertCase(
        "ByzantineFaultDetected",
        "one more fault of a known series fires at once, and for ten minutes",
        {
            s("up", **A): "1x120",
            faults("n1", **A): "4x40 5x80",
            faults("n2", **A): "2x120",
        },
        {"9m": (), "10m30s": (_fault("n1", "1"),), "19m": (_fault("n1", "1"),), "22m": ()},
        severity="critical",
    ),
    AlertCase(
        "ByzantineFaultDetected",
        "a series that is born with a fault fires, on a target that was up before",
        {
            s("up", **A): "1x120",
            faults("n1", **A): "_x40 3x80",
            faults("n2", "invalid_signature", **A): "_x40 0x80",
        },
        {"9m": (), "10m30s": (_fault("n1", "3"),), "20m": (_fault("n1", "3"),), "23m": ()},
        severity="critical",
    ),
    AlertCase(
        "ByzantineFaultDetected",
        "so does one that is pushed, where nothing is up",
        {
            s("target_info", **B): "1x120",
            faults("n1", **B): "_x40 1x80",
        },
        {"10m30s": (_fault("n1", "1"),), "23m": ()},
        severity="critical",
    ),
    AlertCase(
        "ByzantineFaultDetected",
        "what a new target, or one that was down, has counted is old; other targets prove nothing",
        {
            s("up", **A): "_x40 1x80",
            faults("n1", **A): "_x40 7x80",
            s("up", **B): "1x10 0x30 1x80",
            faults("n2", **B): "3x10 _x30 3x80",
            s("up", instance="c", job="butterfly"): "1x120",
            s("up", instance="a", job="node"): "1x120",
        },
        {"10m15s": (), "11m": (), "15m": ()},
        severity="critical",
    ),
    AlertCase(
        "ByzantineFaultDetected",
        "two reporters of one node add up, a restart does not; types stay apart",
        {
            s("up", **A): "1x120",
            s("up", **B): "1x120",
            faults("n1", **A): "0x40 1x80",
            faults("n1", **B): "5x20 0x20 1x80",
            faults("n1", "invalid_signature", **A): "6x30 0x90",
        },
        {"9m": (), "11m": (_fault("n1", "2"),)},
        severity="critical",
    ),
)


def _memory(node: str, share: str) -> Fire:
    return Fire(
        {"node_id": node},
        f"Memory of {node} is nearly used up",
        f"{node} uses {share} of its memory (threshold: 90%).",
    )


HIGH_MEMORY_USAGE = (
    AlertCase(
        "HighMemoryUsage",
        "the pools of a node against its own limit; a peak is none; it passes",
        {
            memory("n1", "model", **A): "50x40 60x40 10x60",
            memory("n1", "tensor", **A): "34x140",
            memory("n2", "model", **B): "85x140",
            s("butterfly_otel_memory_limit_bytes", node_id="n1", **A): "100x140",
            s("butterfly_otel_memory_limit_bytes", node_id="n2", **B): "100x140",
            s("butterfly_memory_peak_bytes", node_id="n2", **B): "85x140",
        },
        {"9m": (), "12m": (), "18m": (_memory("n1", "94%"),), "24m": ()},
    ),
    AlertCase(
        "HighMemoryUsage",
        "where the node tells no limit, node_exporter's machine; where neither does, nothing",
        {
            memory("n1", **A): "95x80",
            memory("n2", **B): "95x80",
            s("node_memory_MemTotal_bytes", node_id="n1", **NODE_EXPORTER): "100x80",
            s("node_memory_MemTotal_bytes", node_id="n1", instance="c", job="node"): "50x80",
            s("node_memory_MemTotal_bytes", **NODE_EXPORTER): "1x80",
            s("butterfly_memory_allocated_bytes", pool="model", **B): "5x80",
        },
        {"4m": (), "8m": (_memory("n1", "95%"),)},
    ),
    AlertCase(
        "HighMemoryUsage",
        "what the node itself uses goes before its pools, some of which are a GPU's",
        {
            memory("n1", "model", **A): "500x80",
            memory("n2", "model", **B): "1x80",
            s("butterfly_otel_memory_used_bytes", node_id="n1", **A): "50x80",
            s("butterfly_otel_memory_used_bytes", node_id="n2", **A): "20x80",
            s("butterfly_otel_memory_used_bytes", node_id="n2", **B): "93x80",
            s("butterfly_otel_memory_limit_bytes", node_id="n1", **A): "100x80",
            s("butterfly_otel_memory_limit_bytes", node_id="n2", **B): "100x80",
        },
        {"4m": (), "8m": (_memory("n2", "93%"),)},
    ),
    AlertCase(
        "HighMemoryUsage",
        "where node_exporter alone is scraped, what the machine has left; a node's own goes before",
        {
            s("node_memory_MemTotal_bytes", node_id="n1", **NODE_EXPORTER): "100x80",
            s("node_memory_MemAvailable_bytes", node_id="n1", **NODE_EXPORTER): "8x80",
            s("node_memory_MemTotal_bytes", node_id="n1", instance="c", job="node"): "100x80",
            s("node_memory_MemAvailable_bytes", node_id="n1", instance="c", job="node"): "60x80",
            memory("n1", **A): "99x80",
            s("butterfly_otel_memory_used_bytes", node_id="n2", **B): "50x80",
            s("node_memory_MemTotal_bytes", node_id="n2", **NODE_EXPORTER): "100x80",
            s("node_memory_MemAvailable_bytes", node_id="n2", **NODE_EXPORTER): "1x80",
            s("node_memory_MemTotal_bytes", **NODE_EXPORTER): "100x80",
            s("node_memory_MemAvailable_bytes", **NODE_EXPORTER): "1x80",
        },
        {"4m": (), "8m": (_memory("n1", "92%"),)},
    ),
    AlertCase(
        "HighMemoryUsage",
        "the node's own limit goes before the machine's, and two reporters of it are one",
        {
            memory("n1", **A): "95x80",
            s("butterfly_otel_memory_limit_bytes", node_id="n1", **A): "200x80",
            s("butterfly_otel_memory_limit_bytes", node_id="n1", **B): "100x80",
            s("node_memory_MemTotal_bytes", node_id="n1", **NODE_EXPORTER): "100x80",
        },
        {"8m": ()},
    ),
)

GPU_OVERHEATING = (
    AlertCase(
        "GPUOverheating",
        "one GPU of one node, until it has cooled; a hot minute is none",
        {
            heat("n1", "0"): "60x20 90x32 80x40",
            heat("n1", "1"): "84x100",
            heat("n2", "0"): "60x20 90x4 80x80",
        },
        {
            "5m": (),
            "9m": (),
            "12m": (
                Fire(
                    {"node_id": "n1", "gpu_id": "0"},
                    "GPU 0 of n1 is too hot",
                    "GPU 0 of n1 has 90 °C (threshold: 85 °C).",
                ),
            ),
            "15m": (),
        },
    ),
    AlertCase(
        "GPUOverheating",
        "two that report the same GPU differ, and the hotter reading counts",
        {
            s("butterfly_gpu_temperature_celsius", node_id="n", gpu_id="1", **A): "60x40",
            s("butterfly_gpu_temperature_celsius", node_id="n", gpu_id="1", **B): "86x40",
        },
        {
            "8m": (
                Fire(
                    {"node_id": "n", "gpu_id": "1"},
                    "GPU 1 of n is too hot",
                    "GPU 1 of n has 86 °C (threshold: 85 °C).",
                ),
            )
        },
    ),
)


def _cut(near: str, far: str) -> Fire:
    return Fire(
        {"from_node": near, "to_node": far},
        f"{near} does not reach {far}",
        f"The connection from {near} to {far} is down.",
    )


NETWORK_PARTITION = (
    AlertCase(
        "NetworkPartition",
        "each direction that is down, until it is up; whoever reports it down is believed",
        {
            link("n1", "n2", **A): "1x4 0x10 1x30",
            link("n2", "n1", **B): "1x44",
            link("n1", "n3", **A): "1x44",
            link("n1", "n3", **B): "1x4 0x10 1x30",
            link("n2", "n3", **B): "1x4 0x2 1x38",
        },
        {"90s": (), "3m": (_cut("n1", "n2"), _cut("n1", "n3")), "5m": ()},
        severity="critical",
    ),
)


def _isolated(node: str, share: str) -> Fire:
    return Fire(
        {"node_id": node, "from_node": node, "to_node": node},
        f"{node} is cut off",
        f"Only {share} of the connections from and to {node} work.",
    )


NODE_ISOLATED = (
    AlertCase(
        "NodeIsolated",
        "a node that is gone is cut off as the others see it, until it is back",
        {
            link("n1", "n3", **A): "1x4 0x10 1x30",
            link("n2", "n3", **B): "1x4 0x10 1x30",
            link("n3", "n1", instance="c"): "1x4 stale _x9 1x30",
            link("n1", "n2", **A): "1x44",
            link("n2", "n1", **B): "1x44",
        },
        {"90s": (), "3m": (_isolated("n3", "0%"),), "5m": ()},
        severity="critical",
    ),
    AlertCase(
        "NodeIsolated",
        "half of the connections are enough, less are not; both directions count",
        {
            link("n1", "hub", **A): "0x40",
            link("n1", "hub", **B): "1x40",
            link("hub", "n1", **B): "0x40",
            link("n2", "hub", **A): "1x40",
            link("hub", "n2", **A): "0x40",
            link("hub", "n2", **B): "1x40",
            link("n3", "hub", **A): "1x40",
            link("n1", "n5", **A): "1x40",
            link("n5", "n1", **A): "1x40",
        },
        {"5m": (_isolated("hub", "40%"),)},
        severity="critical",
    ),
)

QUEUE_BUILDUP = (
    AlertCase(
        "QueueBuildup",
        "the processes of a node add up; nodes stay apart; it passes",
        {
            s("butterfly_tasks_queued", node_id="n1", **A): "10x20 60x32 10x40",
            s("butterfly_tasks_queued", node_id="n1", **B): "50x100",
            s("butterfly_tasks_queued", node_id="n2", **A): "95x100",
            s("butterfly_tasks_queued", node_id="n3", **A): "10x20 900x4 10x70",
        },
        {
            "5m": (),
            "9m": (),
            "12m": (
                Fire(
                    {"node_id": "n1"},
                    "Tasks pile up on n1",
                    "110 tasks wait on n1 (threshold: 100).",
                ),
            ),
            "15m": (),
        },
    ),
)

CASES = (
    *HIGH_ERROR_RATE,
    *HIGH_LATENCY,
    *CLUSTER_BELOW_QUORUM,
    *FREQUENT_LEADER_CHANGES,
    *BYZANTINE_FAULT_DETECTED,
    *HIGH_MEMORY_USAGE,
    *GPU_OVERHEATING,
    *NETWORK_PARTITION,
    *NODE_ISOLATED,
    *QUEUE_BUILDUP,
)
