"""The manifests fit together, and what they tell the SDK is what it understands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from butterfly_otel import catalog
from butterfly_otel.cli import main
from butterfly_otel.operate import sizes
from butterfly_otel.settings.config import load_config

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
DOWNWARD = {"metadata.name": "a-pod", "metadata.namespace": "butterfly", "spec.nodeName": "m1"}
OBJECTS: list[dict[str, Any]] = [
    each for path in sorted(FOLDER.iterdir()) for each in yaml.safe_load_all(path.read_text())
]
WORKLOADS = [each for each in OBJECTS if each["kind"] in {"Deployment", "StatefulSet"}]


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Return the manifests of a kind."""
    return [each for each in OBJECTS if each["kind"] == kind]


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container, as Kubernetes would fill them in."""
    found: dict[str, str] = {}
    for variable in container["env"]:
        if "valueFrom" in variable:
            value = DOWNWARD[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            value = variable["value"]
            for name, known in found.items():
                value = value.replace(f"$({name})", known)
        assert "$(" not in value, f"{variable['name']} refers to what is not defined before it"
        found[variable["name"]] = value
    return found


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: each["kind"])
def test_a_workload_tells_the_sdk_who_it_is(workload: dict[str, Any]) -> None:
    """The pod's name is the node's id, the label is its role, and Prometheus can reach it."""
    template = workload["spec"]["template"]
    [container] = template["spec"]["containers"]
    config = load_config({}, environment(container))
    assert config.node_id == "a-pod"
    assert config.node_role == template["metadata"]["labels"]["app.kubernetes.io/component"]
    assert config.exporters == ("prometheus",)
    assert config.prometheus.host == "0.0.0.0"  # noqa: S104 - a pod's own addresses
    assert container["ports"] == [{"name": "metrics", "containerPort": config.prometheus.port}]
    assert [path.name for path in config.views] == ["low-cardinality"]
    attributes = dict(config.resource_attributes)
    assert attributes["k8s.pod.name"] == "a-pod"
    assert not attributes.keys() & {label.key for each in catalog.ALL for label in each.labels}


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: each["kind"])
def test_a_workload_is_selected_and_probed(workload: dict[str, Any]) -> None:
    """Its selector, a Service's and the ServiceMonitor's find its pods; probes ask for health."""
    spec = workload["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    [service] = [each for each in of_kind("Service") if each["spec"]["selector"] == labels]
    [monitor] = of_kind("ServiceMonitor")
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert [each["name"] for each in service["spec"]["ports"]] == ["metrics"]
    assert spec.get("serviceName", service["metadata"]["name"]) == service["metadata"]["name"]
    [container] = spec["template"]["spec"]["containers"]
    for probe, path in (
        ("startupProbe", "/-/ready"),
        ("readinessProbe", "/-/ready"),
        ("livenessProbe", "/-/healthy"),
    ):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


def test_coordinators_do_not_go_all_at_once() -> None:
    """They are spread over machines, and what is drained leaves them a quorum."""
    [coordinators] = of_kind("StatefulSet")
    spec = coordinators["spec"]
    labels = spec["template"]["metadata"]["labels"]
    [spread] = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"] == labels
    [budget] = of_kind("PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert spec["replicas"] - budget["spec"]["maxUnavailable"] > spec["replicas"] / 2


def test_jobs_are_named_as_the_rules_and_prometheus_yml_have_them() -> None:
    """The Operator takes `job` from the Service's name, which is the job of prometheus.yml."""
    config = yaml.safe_load((ROOT / "docs" / "prometheus.yml").read_text())
    jobs = {each["job_name"] for each in config["scrape_configs"]}
    assert {each["metadata"]["name"] for each in of_kind("Service")} <= jobs


def test_no_target_label_takes_the_name_of_a_label_of_the_contract() -> None:
    """Otherwise Prometheus would rename the metric's own label to `exported_…`."""
    taken = {label.key for metric in catalog.ALL for label in metric.labels}
    [monitor] = of_kind("ServiceMonitor")
    targets = {each["targetLabel"] for each in monitor["spec"]["endpoints"][0]["relabelings"]}
    for name in ("prometheus.yml", "prometheus-kubernetes.yml", "prometheus-gateway.yml"):
        config = yaml.safe_load((ROOT / "docs" / name).read_text())
        targets |= config.get("global", {}).get("external_labels", {}).keys()
        for job in config["scrape_configs"]:
            targets |= {each.get("target_label", "") for each in job.get("relabel_configs", ())}
            for static in job.get("static_configs", ()):
                targets |= static.get("labels", {}).keys()
    assert {"instance", "job", "cluster"} <= targets
    assert not targets & taken


def test_limits_are_those_that_the_budgets_give() -> None:
    """Wherever nodes are scraped, `sample_limit` stands above all that one node may export."""
    [monitor] = of_kind("ServiceMonitor")
    limits = {"the ServiceMonitor": monitor["spec"]["sampleLimit"]}
    for name in ("prometheus.yml", "prometheus-kubernetes.yml"):
        for job in yaml.safe_load((ROOT / "docs" / name).read_text())["scrape_configs"]:
            if job["job_name"].startswith("butterfly-"):
                limits[job["job_name"]] = job["sample_limit"]
    assert len(limits) == 5
    assert set(limits.values()) == {sizes.sample_limit()}
    assert f"{sizes.ceiling():,}" in (ROOT / "docs" / "prometheus.yml").read_text()


def test_every_page_and_file_has_the_same_limit() -> None:
    """Whoever copies from a how-to, a manifest or a chart gets the number that `sizes` prints."""
    limit = re.compile(r"""\bsample_?[lL]imit\b["'`]*\s*[:=]\s*["']?([\d_,]+)""")
    found: dict[str, set[int]] = {}
    for folder in ("docs", "deploy", "examples", "README.md"):
        start = ROOT / folder
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            if path.is_file() and path.suffix in {".md", ".yml", ".yaml", ".json", ".tpl", ".py"}:
                told = limit.findall(path.read_text(encoding="utf-8"))
                numbers = {int(each.replace("_", "").replace(",", "")) for each in told}
                if numbers:
                    found[str(path.relative_to(ROOT))] = numbers
    assert {
        "docs/how-to/prometheus.md",
        "docs/prometheus.yml",
        "docs/prometheus-kubernetes.yml",
        "docs/scaling.md",
        "deploy/kubernetes/servicemonitor.yaml",
    } <= found.keys()
    # Another contract has another limit, which its page shows beside the command.
    del found["docs/how-to/own-contract.md"]
    assert found == {name: {sizes.sample_limit()} for name in found}


def test_the_rules_are_those_of_docs() -> None:
    """The PrometheusRule has exactly the groups of both rule files."""
    [rule] = of_kind("PrometheusRule")
    groups: list[Any] = []
    for name in ("prometheus_rules.yml", "prometheus_alerts.yml"):
        groups += yaml.safe_load((ROOT / "docs" / name).read_text())["groups"]
    assert rule["spec"]["groups"] == groups


def test_kustomize_builds_all_of_it() -> None:
    """Every manifest is a resource of the kustomization, in its namespace, with images named."""
    [kustomization] = of_kind("Kustomization")
    assert set(kustomization["resources"]) | {"kustomization.yaml"} == {
        path.name for path in FOLDER.iterdir()
    }
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl here")
    built = subprocess.run([kubectl, "kustomize", FOLDER], capture_output=True, check=True)
    found = list(yaml.safe_load_all(built.stdout))
    assert len(found) == len(OBJECTS) - 1
    assert {each["metadata"].get("namespace") for each in found if each["kind"] != "Namespace"} == {
        "butterfly"
    }
    images = [
        each["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in found
        if each["kind"] in {"Deployment", "StatefulSet"}
    ]
    assert all(image.startswith("registry.example/butterfly-") for image in images)


def test_rules_with_other_options_are_written_for_the_operator(tmp_path: Path) -> None:
    """`butterfly-otel rules --kubernetes` writes one PrometheusRule with the options applied."""
    arguments = ["rules", "--kubernetes", "--output", str(tmp_path)]
    assert main([*arguments, "--extra-label", "team=infra", "--threshold", "gpu_celsius=90"]) == 0
    [path] = tmp_path.iterdir()
    written = yaml.safe_load(path.read_text())
    assert (path.name, written["kind"]) == ("prometheusrule.yaml", "PrometheusRule")
    rules = [rule for group in written["spec"]["groups"] for rule in group["rules"]]
    assert {rule["labels"]["team"] for rule in rules} == {"infra"}
    [hot] = [rule for rule in rules if rule.get("alert") == "GPUOverheating"]
    assert hot["expr"].endswith("> 90")
