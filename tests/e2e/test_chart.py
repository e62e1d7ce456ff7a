"""The Helm chart makes what the kustomization makes, and what its values say."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from butterfly_otel.operate import sizes
from butterfly_otel.settings.config import load_config
from butterfly_otel.version import __version__

from .chart import CHART, ROOT, SHIPPED, ChartError, Helm, container, named, of_kind, variables

if TYPE_CHECKING:
    from .chart import Object

pytestmark = pytest.mark.e2e

KUSTOMIZE = ROOT / "deploy" / "kubernetes"
#: What Helm itself wants on everything.
OF_HELM = {"app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "helm.sh/chart"}
PUSHED = {"metrics": {"exporter": "otlp"}}
#: The most that etcd, and so the secret of a release, holds.
MOST_BYTES = 1 << 20
EVERYTHING = {
    "roles": {"observer": {"enabled": True}},
    "metrics": {"exporter": "both", "hardwareMetrics": True, "collectors": ["auto"]},
    "prometheusAccess": {"serviceAccount": {"name": "prometheus-k8s"}},
    "networkPolicy": {"enabled": True},
    "agent": {"enabled": True},
    "gateway": {"enabled": True, "remoteWriteUrl": "http://p:9090/api/v1/write"},
}


@pytest.fixture(scope="module")
def chart(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm with our chart."""
    return Helm(helm, tmp_path_factory.mktemp("helm"))


def _by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def _without_helm(made: Object) -> Object:
    labels = {k: v for k, v in made["metadata"]["labels"].items() if k not in OF_HELM}
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def _kustomized() -> list[Object]:
    """What the kustomization names, with its images and without its namespace."""
    kustomization = yaml.safe_load((KUSTOMIZE / "kustomization.yaml").read_text())
    images = {
        each["name"]: f"{each['newName']}:{each['newTag']}" for each in kustomization["images"]
    }
    found: list[Object] = []
    for name in kustomization["resources"]:
        for each in yaml.safe_load_all((KUSTOMIZE / name).read_text()):
            if each["kind"] in {"Deployment", "StatefulSet"}:
                [held] = each["spec"]["template"]["spec"]["containers"]
                held["image"] = images[held["image"]]
            found.append(each)
    return [each for each in found if each["kind"] != "Namespace"]


def _fits(kubetypes: Path, text: str) -> None:
    done = subprocess.run([kubetypes], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_defaults_are_the_kustomization(chart: Helm) -> None:
    """Object by object, and to the last field, Helm makes what kubectl would apply."""
    made = chart.objects("--set", "dashboards.enabled=false")
    assert _by_name(list(map(_without_helm, made))) == _by_name(_kustomized())


@pytest.mark.parametrize("values", [None, *SHIPPED], ids=lambda path: path.stem if path else "none")
def test_shipped_values_lint_and_fit(chart: Helm, kubetypes: Path, values: Path | None) -> None:
    """`helm lint` finds nothing, and every manifest decodes strictly into its Go type."""
    given = ("--values", values) if values else ()
    assert "WARNING" not in chart.run("lint", "--strict", chart.chart, *given)
    _fits(kubetypes, chart.text(*given))


def test_everything_at_once_fits(chart: Helm, kubetypes: Path) -> None:
    """All that can be turned on decodes strictly into its Go type, with names that differ."""
    text = chart.text(values=EVERYTHING)
    _fits(kubetypes, text)
    made = [each for each in yaml.safe_load_all(text) if each]
    assert len(_by_name(made)) == len(made)
    assert {each["kind"] for each in made} >= {"DaemonSet", "NetworkPolicy", "Role", "ConfigMap"}


def test_the_kustomization_fits(kubetypes: Path) -> None:
    """Every manifest of deploy/kubernetes decodes strictly into its Go type."""
    paths = [path for path in KUSTOMIZE.iterdir() if path.name != "kustomization.yaml"]
    _fits(kubetypes, "\n---\n".join(path.read_text() for path in paths))


@pytest.mark.parametrize(
    "wrong",
    ["replicas: 1\n  replica: 2", "replicas: many", "template: []"],
    ids=lambda text: text[-12:],
)
def test_what_does_not_fit_is_found(kubetypes: Path, wrong: str) -> None:
    """A field that is unknown or of the wrong type is told of: otherwise it would prove nothing."""
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  {wrong}\n"
    done = subprocess.run([kubetypes], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "document 1" in done.stdout


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"metric": {}}, "metric"),
        ({"metrics": {"exporter": "statsd"}}, "exporter"),
        ({"metrics": {"port": 70000}}, "port"),
        ({"metrics": {"tls": {"secrets": "a"}}}, "secrets"),
        ({"roles": {"leader": {}}}, "leader"),
        ({"roles": {"compute": {"replicas": "4"}}}, "replicas"),
        ({"roles": {"compute": {"service": "nodes"}}}, "service"),
        ({"monitor": {"kind": "Probe"}}, "kind"),
        ({"monitor": {"interval": "15"}}, "interval"),
        ({"gateway": {"remoteWriteUrl": "prometheus:9090"}}, "remoteWriteUrl"),
        (PUSHED, "set metrics.otlp.endpoint, agent.enabled or gateway.enabled"),
        ({"agent": {"enabled": True}}, "set gateway.enabled to true, or agent.gateway"),
        ({"gateway": {"enabled": True}}, "gateway.enabled needs gateway.remoteWriteUrl"),
        (
            {"roles": {"coordinator": {"podDisruptionBudget": {"minAvailable": 2}}}},
            "roles.coordinator.podDisruptionBudget has minAvailable and maxUnavailable",
        ),
        (
            {"gateway": {"podDisruptionBudget": {"minAvailable": 1}}},
            "gateway.podDisruptionBudget has minAvailable and maxUnavailable",
        ),
        ({"metrics": {"auth": {"bearerToken": {"secret": "t"}}}}, "set metrics.tls.secret"),
        ({"metrics": {"tls": {"clientAuthority": {"secret": "t"}}}}, "set metrics.tls.secret"),
        (
            {"metrics": {"webConfig": {"secret": "w"}, "tls": {"secret": "t"}}},
            "metrics.webConfig.secret says all about TLS",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_wrong_values_are_told_of(chart: Helm, values: Object, said: str) -> None:
    """The schema finds what is misspelt or impossible; what does not go together is a sentence."""
    with pytest.raises(ChartError, match=re.escape(said)):
        chart.text(values=values)


def test_values_in_the_docs_are_values(chart: Helm, kubetypes: Path) -> None:
    """Every block of the page on Helm is taken by the chart, by itself."""
    page = (ROOT / "docs" / "how-to" / "helm.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        _fits(kubetypes, chart.text(values=yaml.safe_load(block)))


def test_a_default_is_taken_back_by_null(chart: Helm) -> None:
    """Another kind of budget replaces the default, as does none, or a scaler that counts."""
    budget = {"minAvailable": 2, "maxUnavailable": None}
    values = {"coordinator": {"podDisruptionBudget": budget, "replicas": None}}
    made = chart.objects(values={"roles": values})
    spec = named(made, "PodDisruptionBudget", "coordinator")["spec"]
    assert spec.keys() == {"minAvailable", "selector"}
    assert "replicas" not in named(made, "StatefulSet", "coordinator")["spec"]
    values = {"coordinator": {"podDisruptionBudget": {"maxUnavailable": None}}}
    assert of_kind(chart.objects(values={"roles": values}), "PodDisruptionBudget") == []


def _environment(workload: Object) -> dict[str, str]:
    fields = {"metadata.name": "a-pod", "metadata.namespace": "b", "spec.nodeName": "m1"}
    found: dict[str, str] = {}
    for name, value in variables(workload).items():
        if isinstance(value, dict):
            told = fields[value["fieldRef"]["fieldPath"]] if "fieldRef" in value else "a=b"
        else:
            told = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], value)
        found[name] = told
    return found


@pytest.mark.parametrize("exporter", ["prometheus", "otlp", "both"])
def test_nodes_are_told_what_the_sdk_understands(chart: Helm, exporter: str) -> None:
    """Whatever the exporter, the SDK reads the variables as they are meant."""
    made = chart.objects(
        values={
            **EVERYTHING,
            "metrics": {
                **EVERYTHING["metrics"],
                "exporter": exporter,
                "port": 9090,
                "overlays": ["low-cardinality"],
                "env": [{"name": "BUTTERFLY_OTEL_STRICT", "value": "true"}],
            },
        }
    )
    workloads = [each for each in made if each["kind"] in {"Deployment", "StatefulSet"}]
    nodes = [each for each in workloads if each["metadata"]["name"] != "otel-gateway"]
    assert len(nodes) == 3
    for node in nodes:
        config = load_config({}, _environment(node))
        labels = node["spec"]["template"]["metadata"]["labels"]
        assert config.node_role == labels["app.kubernetes.io/component"]
        wanted = {"both": ("prometheus", "otlp")}.get(exporter, (exporter,))
        assert config.exporters == wanted
        assert config.strict
        assert config.collectors == "auto" or list(config.collectors) == ["auto"]
        if exporter != "prometheus":
            assert config.otlp.endpoint == "http://otel-agent:4318/v1/metrics"
            assert config.export_interval == 15
        served = {each["name"] for each in container(node).get("ports", ())}
        assert served == ({"metrics"} if exporter != "otlp" else set())
        assert ("readinessProbe" in container(node)) == (exporter != "otlp")


def test_secrets_are_mounted_where_the_sdk_looks(chart: Helm) -> None:
    """Each file that a variable names is in a secret that is mounted there, for our group alone."""
    for values in SHIPPED:
        made = chart.objects("--values", values)
        for workload in of_kind(made, "StatefulSet"):
            pod = workload["spec"]["template"]["spec"]
            mounts = {
                each["mountPath"]: each["name"] for each in container(workload)["volumeMounts"]
            }
            secrets = {each["name"]: each["secret"] for each in pod["volumes"] if "secret" in each}
            files = [
                value
                for value in variables(workload).values()
                if isinstance(value, str) and value.startswith("/etc/butterfly-otel/")
            ]
            assert bool(files) == bool(secrets)
            for file in files:
                assert secrets[mounts[str(Path(file).parent)]]["defaultMode"] == 0o400
            assert ("fsGroup" in pod["securityContext"]) == bool(files)


def test_a_secured_endpoint_is_scraped_and_probed_by_tls(chart: Helm) -> None:
    """Prometheus and kubelets speak TLS; with clients' certificates kubelets only connect."""
    [secured] = [path for path in SHIPPED if path.stem == "secured"]
    made = chart.objects("--values", secured)
    [endpoint] = named(made, "ServiceMonitor", "butterfly")["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["ca"]["secret"]["name"] == "butterfly-metrics-ca"
    assert endpoint["authorization"]["credentials"]["name"] == "butterfly-metrics-token"
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    held = container(named(made, "StatefulSet", "coordinator"))
    assert {held[probe]["httpGet"]["scheme"] for probe in probes} == {"HTTPS"}
    [mutual] = [path for path in SHIPPED if path.stem == "mutual"]
    made = chart.objects("--values", mutual)
    held = container(named(made, "StatefulSet", "coordinator"))
    assert all(held[probe]["tcpSocket"] == {"port": "metrics"} for probe in probes)


def test_pod_monitors_give_the_jobs_of_the_services(chart: Helm) -> None:
    """By either kind of monitor a role's `job`, `instance` and limits are the same."""
    made = chart.objects("--set", "monitor.kind=PodMonitor")
    monitors = of_kind(made, "PodMonitor")
    assert {each["metadata"]["name"] for each in monitors} == {
        each["metadata"]["name"] for each in of_kind(made, "Service")
    }
    for monitor in monitors:
        assert monitor["spec"]["sampleLimit"] == sizes.sample_limit()
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        replaced = {each["targetLabel"]: each for each in endpoint["relabelings"]}
        assert replaced["job"]["replacement"] == monitor["metadata"]["name"]
        assert replaced["instance"]["sourceLabels"] == ["__meta_kubernetes_pod_name"]


def _open(policy: Object, protocol: str, port: int, *, watching: bool) -> bool:
    """Whether a policy lets a stranger, or Prometheus, in."""
    for rule in policy["spec"]["ingress"]:
        if "from" in rule and not watching:
            continue
        for each in rule["ports"]:
            if each["protocol"] == protocol and each["port"] <= port <= each.get(
                "endPort", each["port"]
            ):
                return True
    return False


@pytest.mark.parametrize("port", [1, 9464, 65535])
def test_a_policy_closes_the_metrics_alone(chart: Helm, port: int) -> None:
    """Prometheus reaches the metrics and nobody else does; all other ports stay open."""
    made = chart.objects("--set", f"networkPolicy.enabled=true,metrics.port={port}")
    policy = named(made, "NetworkPolicy", "butterfly-metrics")
    assert _open(policy, "TCP", port, watching=True)
    assert not _open(policy, "TCP", port, watching=False)
    for other in {1, 80, port - 1, port + 1, 65535} & set(range(1, 65536)) - {port}:
        assert _open(policy, "TCP", other, watching=False)
        assert _open(policy, "UDP", other, watching=False)


def test_collectors_run_with_the_files_of_docs(chart: Helm, otelcol: Path, tmp_path: Path) -> None:
    """Agent and gateway have docs' configurations, which validate, and stay within their memory."""
    made = chart.objects(values=EVERYTHING)
    for name, key, file in (
        ("otel-agent", "agent.yml", "otel-collector-agent.yml"),
        ("otel-gateway", "gateway.yml", "otel-collector.yml"),
    ):
        text = named(made, "ConfigMap", name)["data"][key]
        assert yaml.safe_load(text) == yaml.safe_load((ROOT / "docs" / file).read_text())
    daemon = named(made, "DaemonSet", "otel-agent")
    told = variables(daemon)
    assert told["BUTTERFLY_GATEWAY"] == "otel-gateway:4317"
    whole = int(container(daemon)["resources"]["limits"]["memory"].removesuffix("Mi"))
    limit, go = int(told["BUTTERFLY_AGENT_MEMORY_MIB"]), int(told["GOMEMLIMIT"].removesuffix("MiB"))
    assert whole * 0.79 < limit <= whole * 0.8
    assert limit * 0.79 < go <= limit * 0.8
    for kind, name in (("DaemonSet", "otel-agent"), ("Deployment", "otel-gateway")):
        [file] = named(made, "ConfigMap", name)["data"].values()
        (tmp_path / "config.yml").write_text(file)
        command = [otelcol, "validate", "--config", f"file:{tmp_path / 'config.yml'}"]
        told = variables(named(made, kind, name))
        done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    # Nodes of the chart reach the agent of their own machine, and the monitor leaves it alone.
    service = named(made, "Service", "otel-agent")
    assert service["spec"]["internalTrafficPolicy"] == "Local"
    chosen = named(made, "ServiceMonitor", "butterfly")["spec"]["selector"]["matchLabels"]
    assert not chosen.items() <= service["metadata"]["labels"].items()


def test_dashboards_are_those_of_docs(chart: Helm) -> None:
    """Each dashboard is in a ConfigMap of its own, which Grafana's sidecar finds."""
    made = of_kind(chart.objects(), "ConfigMap")
    held = {name: json.loads(text) for each in made for name, text in each["data"].items()}
    docs = {
        f"butterfly-{path.name}": json.loads(path.read_text())
        for path in (ROOT / "docs" / "dashboards").glob("*.json")
    }
    assert held == docs
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in made)


def test_a_release_fits_into_its_secret(chart: Helm) -> None:
    """Helm keeps chart and manifests in one secret: what it keeps stays below two thirds of it."""
    files = {
        str(path.relative_to(CHART)): base64.b64encode(path.read_bytes()).decode()
        for path in CHART.rglob("*")
        if path.is_file()
    }
    kept = json.dumps({"chart": files, "manifest": chart.text(values=EVERYTHING)})
    size = len(base64.b64encode(base64.b64encode(gzip.compress(kept.encode()))))
    assert size < MOST_BYTES * 2 / 3


def test_versions_and_images_are_those_of_the_rest(chart: Helm) -> None:
    """The chart has the package's version, and runs the Collector that the tests run."""
    told: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (told["version"], told["appVersion"]) == (__version__, __version__)
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())
    made = chart.objects(values=EVERYTHING)
    for name, kind in (("otel-agent", "DaemonSet"), ("otel-gateway", "Deployment")):
        image = container(named(made, kind, name))["image"]
        assert image == compose["services"][name]["image"]
