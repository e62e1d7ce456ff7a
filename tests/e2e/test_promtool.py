"""promtool's opinion of our endpoint and of the catalogue's example queries."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest

import butterfly_otel
from butterfly_otel import catalog
from tests.contract.golden import FOLDER

pytestmark = pytest.mark.e2e

#: What docs/contract.md grants: names that contradict their type, and stand.
GRANTED = {
    "butterfly_checkpoint_count",
    "butterfly_consensus_log_entries_total",
    "butterfly_network_bytes_received",
    "butterfly_network_bytes_sent",
}


def complaints(promtool: Path, exposition: str) -> set[str]:
    """Return the names `promtool check metrics` complains of, one of them for each line."""
    result = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (result.stdout + result.stderr).splitlines()
    names = [line.split()[0] for line in lines]
    assert len(names) == len(set(names)), lines
    return set(names)


def test_the_whole_contract_has_only_the_granted_names(promtool3: Path) -> None:
    """Of the golden exposition promtool finds the four granted names and nothing else."""
    text = (FOLDER / "contract.txt").read_text(encoding="utf-8")
    assert complaints(promtool3, text) == GRANTED


def test_a_live_endpoint_with_everything_on_it_is_clean(promtool3: Path) -> None:
    """With target_info, our own telemetry and prometheus_client's metrics it is no worse."""
    runtime = butterfly_otel.configure(
        node_id="compute-node-1",
        node_role="compute",
        prometheus_host="127.0.0.1",
        prometheus_port=0,
        handle_signals=False,
    )
    butterfly_otel.metrics.tokens_processed_total.add(float("nan"), model="m")
    butterfly_otel.metrics.tokens_processed_total.add(1, model="x" * 200)
    with urllib.request.urlopen(str(runtime.prometheus_url), timeout=10) as answer:
        text = answer.read().decode()
    assert "butterfly_otel_label_violations_total{" in text
    assert complaints(promtool3, text) <= GRANTED


def test_every_example_query_parses(promtool3: Path, tmp_path: Path) -> None:
    """Each metric's query is PromQL, as the expression of a rule."""
    rules = [
        {"record": f"example:{metric.handle_name}", "expr": metric.query} for metric in catalog.ALL
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "examples", "rules": rules}]}))
    result = subprocess.run(
        [promtool3, "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(catalog.ALL)} rules found" in result.stdout
