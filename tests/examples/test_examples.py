"""The examples, each run for real and checked by what it exports."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import ServerError, fetch
from tests.examples.program import EXAMPLES, Program, scraped

pytestmark = pytest.mark.timeout(100)
TESTS = Path(__file__).parents[1]
NODE = 'node_id="compute-node-1"'
MODEL = 'model="llama-70b"'
#: The tests of this machine's hardware want it read, and often.
HARDWARE = {"BUTTERFLY_OTEL_COLLECTORS": "auto", "BUTTERFLY_OTEL_SAMPLING_INTERVAL": "100"}


def test_every_example_has_a_test_and_a_row_in_the_readme() -> None:
    """No example is left out here, nor in the table."""
    tests = "".join(each.read_text(encoding="utf-8") for each in TESTS.glob("e*/test_*.py"))
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for example in EXAMPLES.rglob("*.py"):
        if example.read_text(encoding="utf-8").startswith("# Rendered"):
            continue
        name = example.relative_to(EXAMPLES).as_posix()
        assert f'"{name}"' in tests or f'"{example.name}"' in tests
        assert f"({name})" in readme


def test_the_coordinator_serves_the_contract() -> None:
    """Scraped while it runs, it shows requests, errors and Raft state; Ctrl-C ends it quietly."""
    program = Program("coordinator.py")
    try:
        url, text = program.url(), ""
        while 'error_type="timeout"' not in text:
            text = fetch(url)
        scraped(url, {'butterfly_consensus_term{node_id="coordinator-1"}': 3})
        program.stop(signal.SIGINT)
    finally:
        program.kill()


def test_the_compute_worker(tmp_path: Path) -> None:
    """Layers, tokens, tasks, pools and checkpoints; the next one recovers from what is left."""
    folder = tmp_path / "made" / "if need be"
    environ = {**HARDWARE, "CHECKPOINT_DIR": str(folder)}
    tensors = f'layer_id="3",{MODEL},{NODE}'
    checkpoint = f'{{{NODE},operation="checkpoint_write"}}'
    expected = {
        f"butterfly_layer_compute_duration_seconds_count{{{tensors}}}": 3,
        'butterfly_tensor_size_bytes_sum{direction="output",layer_id="3"}': 50,
        f"butterfly_tokens_processed_total{{{MODEL},{NODE}}}": 50,
        f"butterfly_sequences_processed_total{{{MODEL},{NODE}}}": 3,
        f'butterfly_tasks_completed_total{{{NODE},status="success"}}': 3,
        f'butterfly_tasks_completed_total{{{NODE},status="error"}}': 1,
        f"butterfly_tasks_queued{{{NODE}}}": 0,
        f'butterfly_checkpoint_count{{{NODE},status="complete"}}': 2,
        f'butterfly_checkpoint_count{{{NODE},status="pending"}}': 0,
        f"butterfly_disk_write_duration_seconds_count{checkpoint}": 2,
        f'butterfly_disk_io_errors_total{{{NODE},operation="write"}}': 0,
        f'butterfly_memory_allocated_bytes{{{NODE},pool="model"}}': 4 << 20,
        f"butterfly_memory_fragmentation_ratio{{{NODE}}}": 50 / 4096,
        'butterfly_otel_collector_up{collector="memory"}': 1,
        'butterfly_otel_collector_up{collector="disk"}': 1,
    } | {
        f'butterfly_checkpoint_duration_seconds_count{{{NODE},phase="{phase}"}}': 2
        for phase in ("snapshot", "write", "verify")
    }
    with Program("compute_worker.py", environ) as program:
        found = scraped(program.url(), expected)
    assert found[f'butterfly_memory_allocated_bytes{{{NODE},pool="system"}}'] > 1e6
    sizes = {
        int(v) for k, v in found.items() if k.startswith("butterfly_checkpoint_size_bytes_sum")
    }
    assert sizes == {path.stat().st_size for path in folder.iterdir()}

    with Program("compute_worker.py", environ) as program:
        again = {
            f'butterfly_recovery_attempts_total{{{NODE},outcome="success"}}': 1,
            f"butterfly_recovery_duration_seconds_count{{{NODE}}}": 1,
            f'butterfly_memory_allocated_bytes{{{NODE},pool="buffer"}}': 100,
        }
        found = scraped(program.url(), again)
    if sys.platform == "linux":
        assert found[f"butterfly_disk_checkpoint_bytes{{{NODE}}}"] > 0


def test_the_compute_worker_with_pytorch() -> None:
    """Blocks are timed by a decorated forward(), and the pool has the bytes of the parameters."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed here; pip install torch")
    model = 'model="tiny-mlp"'
    expected = {
        f'butterfly_layer_compute_duration_seconds_count{{layer_id="2",{model},{NODE}}}': 5,
        f"butterfly_sequences_processed_total{{{model},{NODE}}}": 5 * 8,
        f"butterfly_tokens_processed_total{{{model},{NODE}}}": 5 * 8 * 64,
        'butterfly_tensor_size_bytes_sum{direction="input",layer_id="2"}': 5 * 8 * 64 * 4,
        f'butterfly_memory_allocated_bytes{{{NODE},pool="model"}}': 3 * (64 * 64 + 64) * 4,
        'butterfly_otel_collector_up{collector="torch"}': 1,
    }
    with Program("compute_worker_torch.py", HARDWARE, warnings="default") as program:
        scraped(program.url(), expected)


def test_the_observer() -> None:
    """Who lied is counted by node, trust falls, and the Raft state comes by its own names."""
    liar = 'node_id="compute-node-2"'
    me = 'node_id="observer-1"'
    expected = {
        f"butterfly_reputation_score{{{NODE}}}": 1,
        f"butterfly_reputation_score{{{liar}}}": 0.4,
        f'butterfly_verification_checks_total{{check_type="signature",{NODE}}}': 2,
        f'butterfly_verification_checks_total{{check_type="signature",{liar}}}': 2,
        f'butterfly_verification_checks_total{{check_type="result_comparison",{liar}}}': 1,
        f'butterfly_verification_failures_total{{failure_type="signature_invalid",{liar}}}': 1,
        f'butterfly_verification_failures_total{{failure_type="result_divergence",{liar}}}': 1,
        f'butterfly_byzantine_faults_detected_total{{fault_type="invalid_signature",{liar}}}': 1,
        f'butterfly_byzantine_faults_detected_total{{fault_type="incorrect_result",{liar}}}': 1,
        f'butterfly_cryptographic_failures_total{{{me},operation="verify"}}': 1,
        f"butterfly_consensus_term{{{me}}}": 2,
        f"butterfly_consensus_log_entries_total{{{me}}}": 4,
        f"butterfly_consensus_commit_index{{{me}}}": 4,
        f"butterfly_consensus_applied_index{{{me}}}": 4,
        "butterfly_consensus_leader_changes_total": 1,
        "butterfly_consensus_election_duration_seconds_count": 1,
        'butterfly_consensus_heartbeat_failures_total{from_node="observer-1",'
        'to_node="coordinator-1"}': 1,
        'butterfly_cluster_size{state="active"}': 3,
        'butterfly_cluster_size{state="recovering"}': 0,
        "butterfly_quorum_size": 3,
    }
    with Program("observer.py") as program:
        found = scraped(program.url(), expected)
    assert not [name for name in found if "failure_type" in name and NODE in name]


def test_the_grpc_service() -> None:
    """Both ends agree on messages and bytes, and a node that refuses is not connected."""
    there = 'from_node="coordinator-1",{}to_node="compute-node-1"'
    back = 'from_node="compute-node-1",{}to_node="coordinator-1"'
    gone = 'from_node="coordinator-1",to_node="compute-node-2"'
    grpc, tensor, kept = 'protocol="grpc",', 'message_type="tensor",', 'message_type="checkpoint",'
    expected = {
        f"butterfly_connection_active{{{there.format('')}}}": 1,
        f"butterfly_connection_active{{{gone}}}": 0,
        f'butterfly_connection_errors_total{{error_type="refused",{gone}}}': 1,
        f"butterfly_connection_latency_seconds_count{{{there.format('')}}}": 5,
        'butterfly_requests_total{method="inference",node_role="compute",status="success"}': 5,
        'butterfly_requests_total{method="checkpoint",node_role="compute",status="success"}': 1,
    }
    for way in ("sent", "received"):
        expected |= {
            f"butterfly_network_bytes_{way}{{{there.format(grpc)}}}": 5 * 256 + 4,
            f"butterfly_network_bytes_{way}{{{back.format(grpc)}}}": 5 * 256 + 3000,
            f"butterfly_network_messages_{way}_total{{{there.format(tensor)}}}": 5,
            f"butterfly_network_messages_{way}_total{{{back.format(tensor)}}}": 5,
            f"butterfly_network_messages_{way}_total{{{there.format(kept)}}}": 1,
            f"butterfly_network_messages_{way}_total{{{back.format(kept)}}}": 3,
        }
    with Program("grpc_service.py") as program:
        scraped(program.url(), expected)


def test_prometheus_client_metrics_share_the_endpoint() -> None:
    """The application's old metrics stand beside the contract's, as they were."""
    expected = {
        'app_jobs_total{kind="inference"}': 3,
        'app_job_seconds_bucket{le="0.1"}': 3,
        "app_job_seconds_count": 3,
        'butterfly_requests_total{method="inference",node_role="coordinator",status="success"}': 3,
        'butterfly_tasks_queued{node_id="coordinator-1"}': 2,
    }
    with Program("prometheus_client_app.py") as program:
        scraped(program.url(), expected)


def test_exemplars_lead_to_the_traces() -> None:
    """Each bucket has the trace that it says, and what was in no span has none."""
    labels = 'method="inference",node_role="coordinator"'
    with Program("exemplars.py") as program:
        url = program.url()
        fast, slow = program.line().split()[-1], program.line().split()[-1]
        printed = {program.line().strip() for _ in range(3)}
        text = fetch(url, {"Accept": "application/openmetrics-text; version=1.0.0"})
        scraped(url, {f'butterfly_requests_total{{{labels},status="success"}}': 3})
    found = dict(re.findall(r'^(\S+) \S+ # \{.*trace_id="(\w+)".*\}', text, flags=re.MULTILINE))
    # A counter keeps one exemplar, by chance; a histogram keeps one a bucket.
    assert found.pop(f'butterfly_requests_total{{{labels},status="success"}}') in {fast, slow}
    bounds = {trace: float(name.split(',le="')[1].rstrip('"}')) for name, trace in found.items()}
    assert set(bounds) == {fast, slow}
    assert bounds[fast] < 1 <= bounds[slow]
    assert fast != slow
    assert printed == {line for line in text.splitlines() if " # {" in line}


def test_a_custom_metric_and_an_overlay() -> None:
    """Metrics of one's own are translated as OpenTelemetry says, the contract is narrowed."""
    layer = f'layer_id="1",{MODEL},{NODE}'
    lookups = "kv_cache_lookup_duration_seconds"
    expected = {
        'kv_cache_hits_total{tier="gpu"}': 2,
        f'{lookups}_bucket{{tier="gpu",le="0.001"}}': 1,
        f'{lookups}_bucket{{tier="gpu",le="0.01"}}': 1,
        f'{lookups}_bucket{{tier="gpu",le="+Inf"}}': 2,
        'kv_cache_blocks{tier="host"}': 40,
        f"butterfly_dependency_wait_duration_seconds_count{{{NODE}}}": 3,
        f'butterfly_layer_compute_duration_seconds_bucket{{{layer},le="0.05"}}': 1,
        f"butterfly_layer_compute_duration_seconds_count{{{layer}}}": 1,
    }
    overlay = ("--views", str(EXAMPLES / "overlay.yaml"))
    with Program("custom_metric.py") as program:
        found = scraped(program.url(), expected, *overlay)
    names = "\n".join(found)
    assert "tensor_size" not in names
    assert "task-" not in names
    assert f'butterfly_layer_compute_duration_seconds_bucket{{{layer},le="0.5"}}' not in found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_workers() -> None:
    """Each child has an endpoint and counts of its own, and all end with their parent."""
    done: dict[str, float] = {}
    with Program("forked_workers.py") as program:
        urls = [program.url() for _ in range(3)]
        for url in urls:
            node = re.findall(r'target_info\{service_instance_id="([^"]+)"', fetch(url))[0]
            name = f'butterfly_tasks_completed_total{{node_id="{node}",status="success"}}'
            done[node] = scraped(url, {name: int(node[-1])})[name]
    assert done == {"compute-node-1": 1, "compute-node-2": 2, "compute-node-3": 3}
    for url in urls:
        with pytest.raises(ServerError, match="did not answer"):
            fetch(url)
