"""The configurations of docs/ and deploy/, checked by the real tools and used as they are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

import butterfly_otel
from butterfly_otel.operate.rules import Alert, alert_groups
from tests.contract.drive import Expected, drive

from .demos import Demo
from .servers import TEXT, Prometheus, Receiver, fetch, wait_until
from .shipped import (
    DOCS,
    ROOT,
    RULES,
    SOON,
    AlertReceiver,
    KubernetesApi,
    ShippedAlertmanager,
    ShippedCollector,
    ShippedPrometheus,
)
from .test_contract import assert_exact, stored

pytestmark = pytest.mark.e2e

COMPOSE = ROOT / "deploy" / "compose"
FRAGMENTS = ("prometheus-kubernetes.yml", "prometheus-gateway.yml")
COORDINATORS = "coordinator-1:9464, coordinator-2:9464, coordinator-3:9464"
STORAGE = "http://thanos-receive:19291/api/v1/receive"
#: For tests that have no need of them.
AWAY = {
    COORDINATORS: "127.0.0.1:1",
    STORAGE: "http://127.0.0.1:1/",
    "alertmanager:9093": "127.0.0.1:1",
}
SEVERITY = {
    rule.name: rule.severity
    for group in alert_groups()
    for rule in group.rules
    if isinstance(rule, Alert)
}


def check(*command: object) -> str:
    """Run a tool that is content with what it is given; return what it says."""
    result = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    return said


def laid_out(folder: Path, configuration: Path) -> Path:
    """Put a configuration of Prometheus where its rules are; return where it is."""
    for name in RULES:
        shutil.copyfile(DOCS / name, folder / name)
    return Path(shutil.copyfile(configuration, folder / "prometheus.yml"))


def test_promtool_3_accepts_the_configuration_with_its_fragments(
    promtool3: Path, tmp_path: Path
) -> None:
    """prometheus.yml, both fragments and the rules are valid together."""
    path = laid_out(tmp_path, DOCS / "prometheus.yml")
    (tmp_path / "scrape.d").mkdir()
    for name in FRAGMENTS:
        shutil.copyfile(DOCS / name, tmp_path / "scrape.d" / name)
    said = check(promtool3, "check", "config", path)
    assert "2 rule files found" in said
    (tmp_path / "scrape.d" / "wrong.yml").write_text("scrape_configs: [{job_name: prometheus}]")
    with pytest.raises(AssertionError, match="prometheus"):
        check(promtool3, "check", "config", path)


def test_promtool_2_accepts_it_without_the_marked_lines(promtool2: Path, tmp_path: Path) -> None:
    """The command in its first lines makes of prometheus.yml one for Prometheus 2.42."""
    path = laid_out(tmp_path, DOCS / "prometheus.yml")
    command = re.search(r"^#   (grep .+) prometheus\.yml$", path.read_text(), re.MULTILINE)
    assert command is not None
    with pytest.raises(AssertionError, match="not found in type config"):
        check(promtool2, "check", "config", path)
    path.write_text(check("bash", "-c", f"{command[1]} {path}"))
    assert "2 rule files found" in check(promtool2, "check", "config", path)


def test_promtool_accepts_the_shards_of_the_guide(promtool3: Path, tmp_path: Path) -> None:
    """What docs/scaling.md adds to a job to shard it is valid in each job that scrapes nodes."""
    [text] = re.findall(
        r"```yaml\n(    relabel_configs:.*?)```", (DOCS / "scaling.md").read_text(), re.DOTALL
    )
    path = laid_out(tmp_path, DOCS / "prometheus.yml")
    config = yaml.safe_load(path.read_text())
    jobs = [one for one in config["scrape_configs"] if one["job_name"].startswith("butterfly-")]
    for job in jobs:
        job.update(yaml.safe_load(text))
    path.write_text(json.dumps(config))
    assert "SUCCESS" in check(promtool3, "check", "config", path)
    assert len(jobs) == 3


def test_amtool_accepts_the_alertmanager_and_routes_by_severity(amtool: Path) -> None:
    """alertmanager.yml is valid; critical alerts go to the pager, all others to the team."""
    file = DOCS / "alertmanager.yml"
    assert "SUCCESS" in check(amtool, "check-config", file)
    for severity, receiver in (("critical", "pager"), ("warning", "team"), ("none", "team")):
        route = ("config", "routes", "test", f"--config.file={file}", f"severity={severity}")
        assert check(amtool, *route).split() == [receiver]


@pytest.mark.parametrize("name", ["otel-collector.yml", "otel-collector-agent.yml"])
def test_the_collector_accepts_its_configurations(otelcol: Path, name: str) -> None:
    """Gateway and agent are valid without a variable set, and nothing in them is deprecated."""
    said = check(otelcol, "validate", "--config", f"file:{DOCS / name}")
    assert "deprecated" not in said
    with pytest.raises(AssertionError, match="limit_mib"):
        check(
            *("env", "BUTTERFLY_AGENT_MEMORY_MIB=x", "BUTTERFLY_GATEWAY_MEMORY_MIB=x"),
            *(otelcol, "validate", "--config", f"file:{DOCS / name}"),
        )


def test_the_configuration_of_compose_is_valid(promtool3: Path, tmp_path: Path) -> None:
    """Prometheus of the composed demo finds the same rules."""
    path = laid_out(tmp_path, COMPOSE / "prometheus.yml")
    assert "2 rule files found" in check(promtool3, "check", "config", path)


def contract_labels(prometheus: Prometheus) -> set[str]:
    """The names of all labels that any metric of the contract has in this Prometheus."""
    return {key for one in prometheus.series('{__name__=~"butterfly_.+"}') for key in one}


@pytest.mark.long
def test_prometheus_scrapes_evaluates_and_writes_on(
    prometheus3: Path, alertmanager: Path, tmp_path: Path
) -> None:
    """prometheus.yml against a demo: series, rules, Alertmanager, long-term storage, no clashes."""
    with ExitStack() as stack:
        enter = stack.enter_context
        receiver = enter(Receiver())
        notifier = enter(ShippedAlertmanager(alertmanager, tmp_path, receiver.url))
        flags = ["--web.enable-remote-write-receiver"]
        storage = enter(Prometheus(prometheus3, tmp_path, flags=flags))
        demo = enter(Demo(tmp_path, ["--no-faults"]))
        changes = {
            **SOON,
            COORDINATORS: demo.target,
            "alertmanager:9093": notifier.address,
            STORAGE: f"{storage.url}/api/v1/write",
        }
        prometheus = enter(ShippedPrometheus(prometheus3, tmp_path, changes))
        prometheus.wait_for('up{job="butterfly-coordinators"} == 1')
        prometheus.wait_for('up{job="alertmanager"} == 1')
        # Recorded every 30 s.
        prometheus.wait_for("butterfly:cluster_throughput:1m", timeout=60)
        labels = contract_labels(prometheus)
        stored_on = storage.wait_for("butterfly:cluster_throughput:1m")

        def evaluated() -> bool:
            groups = prometheus.api("rules")["groups"]
            often = [group for group in groups if group["interval"] == 1]
            health = {rule["health"] for group in often for rule in group["rules"]}
            return len(often) > 1 and health == {"ok"}

        wait_until(evaluated, 30, "an evaluation of every rule that has no interval of its own")
        rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
        managers = prometheus.api("alertmanagers")["activeAlertmanagers"]
        [samples] = prometheus.query('scrape_samples_scraped{job="butterfly-coordinators"}')
    assert not {key for key in labels if key.startswith("exported_")}
    assert {"node_id", "node_role", "job", "instance"} <= labels
    assert {key for one in stored_on for key in one.labels} >= {"cluster", "environment"}
    assert [manager["url"] for manager in managers] == [f"{notifier.url}/api/v2/alerts"]
    assert samples.value > 100
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
    assert {rule["name"] for rule in rules} >= SEVERITY.keys()


def test_prometheus_discovers_pods(prometheus3: Path, tmp_path: Path) -> None:
    """prometheus-kubernetes.yml finds nodes by labels and port, and gives them job and instance."""
    ours = {"app.kubernetes.io/part-of": "butterfly"}
    role = "app.kubernetes.io/component"
    with ExitStack() as stack:
        enter = stack.enter_context
        demo = enter(Demo(tmp_path, ["--no-faults"]))
        ports = {"metrics": demo.ports[0]}
        pods = {
            "coordinator-0": ({**ours, role: "coordinator"}, "Running", ports),
            "compute-7f9c-x2v": ({**ours, role: "compute"}, "Running", ports),
            "observer-0": ({**ours, role: "observer"}, "Running", ports),
            "grafana-0": ({**ours, role: "dashboards"}, "Running", ports),
            "compute-done": ({**ours, role: "compute"}, "Succeeded", ports),
            "compute-mute": ({**ours, role: "compute"}, "Running", {"grpc": 1}),
        }
        api = enter(KubernetesApi(pods))
        pod = "      - role: pod\n        namespaces"
        changed = {pod: pod.replace("namespaces", f"api_server: {api.url}\n        namespaces")}
        prometheus = enter(
            ShippedPrometheus(
                prometheus3,
                tmp_path,
                {**SOON, **AWAY},
                fragments={"prometheus-kubernetes.yml": changed},
            )
        )
        prometheus.wait_for('count(up{namespace="butterfly"} == 1) >= 3')
        found = {
            (one.labels["job"], one.labels["instance"], one.labels["namespace"])
            for one in prometheus.query('up{namespace="butterfly"}')
        }
        labels = contract_labels(prometheus)
    assert found == {
        ("butterfly-coordinators", "coordinator-0", "butterfly"),
        ("butterfly-compute-nodes", "compute-7f9c-x2v", "butterfly"),
        ("butterfly-observers", "observer-0", "butterfly"),
    }
    assert not {key for key in labels if key.startswith("exported_")}
    assert any("labelSelector=app.kubernetes.io%2Fpart-of%3Dbutterfly" in one for one in api.asked)


@pytest.fixture
def pushed() -> Iterator[Any]:
    """Return a function that pushes the whole contract to an address by gRPC."""
    with ExitStack() as stack:

        def push(address: str) -> Expected:
            butterfly_otel.configure(
                node_id="compute-node-1",
                node_role="compute",
                exporter="otlp",
                otlp_protocol="grpc",
                otlp_endpoint=f"http://{address}",
                export_interval=0.5,
                zero_init=False,
                strict=True,
                handle_signals=False,
                collectors="none",
            )
            expected = drive(stack)
            assert butterfly_otel.force_flush()
            return expected

        yield push


def test_pushed_through_agent_and_gateway(
    pushed: Any, otelcol: Path, prometheus3: Path, tmp_path: Path
) -> None:
    """SDK, agent, gateway: by remote write and by its page all 64 metrics arrive as they were."""
    with ExitStack() as stack:
        enter = stack.enter_context
        writing = enter(ShippedPrometheus(prometheus3, tmp_path, AWAY))
        target = {"BUTTERFLY_REMOTE_WRITE_URL": writing.remote_write_url}
        gateway = enter(
            ShippedCollector(otelcol, tmp_path, "otel-collector.yml", "GATEWAY", target)
        )
        above = {"BUTTERFLY_GATEWAY": gateway.grpc_address}
        agent = enter(
            ShippedCollector(otelcol, tmp_path, "otel-collector-agent.yml", "AGENT", above)
        )
        page = {"prometheus-gateway.yml": {"otel-gateway:8889": gateway.page}}
        reading = enter(ShippedPrometheus(prometheus3, tmp_path, {**SOON, **AWAY}, fragments=page))
        expected = pushed(agent.grpc_address)
        for prometheus in (writing, reading):
            assert_exact(stored(prometheus, expected), expected)
            assert not {key for key in contract_labels(prometheus) if key.startswith("otel_scope")}
            [info] = prometheus.query('target_info{job="butterfly/butterfly-compute"}')
            assert info.labels["instance"] == "compute-node-1"
        exposition = fetch(f"http://{gateway.page}/metrics", {"Accept": TEXT})
        telemetry = [fetch(each.telemetry_url) for each in (agent, gateway)]
        butterfly_otel.shutdown()
    assert "# TYPE butterfly_network_bytes_sent counter" in exposition
    assert all("otelcol_exporter_sent_metric_points" in each for each in telemetry)


def alert(name: str, cluster: str = "a", **labels: str) -> dict[str, Any]:
    """An alert as Prometheus would send it, with the severity that it has in the rules."""
    fixed = {"alertname": name, "severity": SEVERITY[name]}
    return {"labels": {**fixed, "cluster": cluster, "environment": "test", **labels}}


def send(url: str, alerts: Sequence[dict[str, Any]]) -> None:
    """Give alerts to an Alertmanager."""
    request = urllib.request.Request(
        f"{url}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


PARTITION = [
    alert("NodeIsolated", node_id="n1", from_node="n1", to_node="n1"),
    alert("NetworkPartition", from_node="n2", to_node="n3"),
    alert("AvailabilityBudgetFastBurn", slo="availability"),
    alert("LatencyBudgetSlowBurn", cluster="b", slo="latency"),
    alert("HighErrorRate", cluster="b", node_role="coordinator", method="inference"),
    alert("AvailabilityBudgetFastBurn", cluster="c", slo="availability"),
    alert("LatencyBudgetSlowBurn", cluster="c", slo="latency"),
    # Where somebody's own rules make more of it, it is told.
    alert("QueueBuildup", severity="critical", node_id="n6"),
    alert("GPUOverheating", node_id="n4", gpu_id="0"),
    alert("ByzantineFaultDetected", node_id="n5", fault_type="equivocation"),
    alert("ButterflyJobAbsent", cluster="d"),
]
CONSEQUENCES = [
    alert("NetworkPartition", from_node="n1", to_node="n2"),
    alert("NetworkPartition", from_node="n3", to_node="n1"),
    alert("FrequentLeaderChanges"),
    alert("HighErrorRate", node_role="coordinator", method="inference"),
    alert("HighLatency", node_role="coordinator"),
    alert("QueueBuildup", node_id="n2"),
    alert("LowThroughput", slo="throughput"),
    alert("LatencyBudgetSlowBurn", slo="latency"),
    alert("AvailabilityBudgetSlowBurn", cluster="c", slo="availability"),
    alert("HighErrorRate", cluster="c", node_role="coordinator", method="inference"),
    alert("ButterflyMetricAbsent", cluster="d", metric="butterfly_requests_total"),
]


def identity(one: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """What tells one alert from the others."""
    return frozenset(one["labels"].items())


def test_a_partition_silences_its_consequences(alertmanager: Path, tmp_path: Path) -> None:
    """With alertmanager.yml causes are told, consequences are not, and clusters stand apart."""
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        server = stack.enter_context(ShippedAlertmanager(alertmanager, tmp_path, receiver.url))
        send(server.url, [*PARTITION, *CONSEQUENCES])
        causes = {identity(one) for one in PARTITION}

        def told() -> bool:
            return causes <= {identity(one) for one in receiver.alerts("firing")}

        wait_until(told, 30, "a notification of every cause")
        states = {identity(one): one["status"] for one in server.alerts()}
        by_receiver = {
            (sent["receiver"], one["labels"]["severity"])
            for sent in receiver.notifications
            for one in sent["alerts"]
        }
    silenced = {one for one, status in states.items() if status["inhibitedBy"]}
    assert silenced == {identity(one) for one in CONSEQUENCES}
    assert {identity(one) for one in receiver.alerts("firing")} == causes
    assert by_receiver == {("pager", "critical"), ("team", "warning")}


def test_the_composed_demo(
    otelcol: Path, prometheus3: Path, alertmanager: Path, tmp_path: Path
) -> None:
    """What compose.yaml runs fits together: demo, agent, gateway, Prometheus, receiver."""
    with ExitStack() as stack:
        enter = stack.enter_context
        receiver = enter(AlertReceiver(tmp_path))
        notifier = enter(ShippedAlertmanager(alertmanager, tmp_path, receiver.ready_url()))
        changes = {
            "scrape_interval: 15s": "scrape_interval: 1s",
            "evaluation_interval: 15s": "evaluation_interval: 1s",
            "alertmanager:9093": notifier.address,
        }
        file = COMPOSE / "prometheus.yml"
        prometheus = enter(ShippedPrometheus(prometheus3, tmp_path, changes, file=file))
        target = {"BUTTERFLY_REMOTE_WRITE_URL": prometheus.remote_write_url}
        gateway = enter(
            ShippedCollector(otelcol, tmp_path, "otel-collector.yml", "GATEWAY", target)
        )
        above = {"BUTTERFLY_GATEWAY": gateway.grpc_address}
        agent = enter(
            ShippedCollector(otelcol, tmp_path, "otel-collector-agent.yml", "AGENT", above)
        )
        push = ["--exporter", "both", "--otlp-endpoint", agent.http_endpoint]
        enter(Demo(tmp_path, [*push, "--export-interval", "1", "--no-faults"]))
        prometheus.wait_for('butterfly_cluster_size{state="active"} > 0')
        jobs = {one["job"] for one in prometheus.series('{__name__=~"butterfly_.+"}')}
        send(notifier.url, [alert("GPUOverheating", node_id="n4", gpu_id="0")])
        wait_until(lambda: "GPUOverheating" in receiver.log_tail(), 30, "a line of the receiver")
    assert len(jobs) == 1
    assert jobs.pop().startswith("butterfly/")
    assert "team: firing warning GPUOverheating" in receiver.log_tail()
