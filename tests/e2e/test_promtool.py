"""promtool's opinion of our endpoint, of our rules and of every query we show."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

import butterfly_otel
from butterfly_otel.catalog import queries
from butterfly_otel.operate.rules import Options
from butterfly_otel.render.rules import render_alerts
from tests.contract.golden import FOLDER

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
QUERY = re.compile(r"^```promql\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
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


@pytest.mark.parametrize("version", ["promtool3", "promtool2"])
def test_every_query_parses(version: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every example query, and every query of a runbook, is PromQL for Prometheus 3 and 2.42."""
    pages = sorted((ROOT / "docs" / "runbooks").iterdir())
    found = [QUERY.findall(page.read_text(encoding="utf-8")) for page in pages]
    assert all(found)
    expressions = [query.expr for query in queries.ALL] + [expr for each in found for expr in each]
    rules = [
        {"record": f"example:number_{number}", "expr": expr}
        for number, expr in enumerate(expressions)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "examples", "rules": rules}]}))
    assert f"{len(expressions)} rules found" in checked(request.getfixturevalue(version), path)


@pytest.mark.parametrize("version", ["promtool3", "promtool2"])
def test_the_shipped_rules_are_valid(version: str, request: pytest.FixtureRequest) -> None:
    """`promtool check rules` has nothing against the files in docs, in either version."""
    for name in ("prometheus_rules.yml", "prometheus_alerts.yml"):
        answer = checked(request.getfixturevalue(version), ROOT / "docs" / name)
        assert "SUCCESS" in answer


def test_dotted_labels_are_for_prometheus_3(
    promtool3: Path, promtool2: Path, tmp_path: Path
) -> None:
    """Rules that look for OpenTelemetry's own label names load in Prometheus 3 alone."""
    path = tmp_path / "alerts.yml"
    path.write_text(render_alerts(Options(dotted_labels=True)))
    assert "SUCCESS" in checked(promtool3, path)
    with pytest.raises(subprocess.CalledProcessError):
        checked(promtool2, path)


def checked(promtool: Path, path: Path) -> str:
    """What `promtool check rules` says of a file; raises where it is wrong."""
    command = [promtool, "check", "rules", path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
