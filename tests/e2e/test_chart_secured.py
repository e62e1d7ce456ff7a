"""A node that is told what the chart tells it is scraped as the chart's monitors say."""

from __future__ import annotations

import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

import butterfly_otel
from tests.certificates import HASHED, PASSWORD, Certificates

from .chart import SHIPPED, Helm, container, named, of_kind, variables
from .servers import HOST, Prometheus, Scrape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .chart import Object

pytestmark = pytest.mark.e2e

REFUSALS = "butterfly_otel_scrape_refusals_total"
#: The values files by which metrics are pulled.
SECURED = {path.stem: path for path in SHIPPED if path.stem != "pushing"}
#: The certificate's name in them.
NAME = "metrics.butterfly.svc"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with every secret that the values files name, a folder each, as a mount has it."""
    made = Certificates(tmp_path / "certificates")
    certificate, key = made.issue("metrics", NAME)
    # Clients' certificates are of another authority, so that none passes for the other.
    theirs = Certificates(tmp_path / "clients")
    files = {
        "butterfly-metrics": {"tls.crt": certificate, "tls.key": key, "ca.crt": made.ca},
        "butterfly-metrics-ca": {"ca.crt": made.ca},
        "butterfly-metrics-clients": {"ca.crt": theirs.ca},
        "butterfly-prometheus": {"tls.crt": theirs.client, "tls.key": theirs.client_key},
        "butterfly-web": {"node.pem": certificate, "node.key": key},
    }
    texts = {
        "butterfly-metrics-token": {"token": "t0ken"},
        "butterfly-web": {
            "web.yml": "tls_server_config: {cert_file: node.pem, key_file: node.key}\n"
            f"basic_auth_users: {{prometheus: {HASHED}}}\n"
        },
        "butterfly-scraper": {"username": "prometheus", "password": PASSWORD},
    }
    folder = tmp_path / "secrets"
    for secret in {*files, *texts}:
        (folder / secret).mkdir(parents=True)
        for name, path in files.get(secret, {}).items():
            target = folder / secret / name
            target.touch(0o600)
            target.write_bytes(path.read_bytes())
        for name, text in texts.get(secret, {}).items():
            (folder / secret / name).write_text(text)
    return folder


def _environment(workload: Object, secrets: Path) -> Mapping[str, str]:
    """Its variables, with files where the secrets are."""
    pod = workload["spec"]["template"]["spec"]
    volumes = {each["name"]: each.get("secret", {}).get("secretName") for each in pod["volumes"]}
    found: dict[str, str] = {}
    for name, value in variables(workload).items():
        told = value
        if isinstance(value, dict):
            told = "coordinator-0" if "fieldRef" in value else "tenant=a"
        for mount in container(workload)["volumeMounts"]:
            secret = volumes[mount["name"]]
            if secret is not None:
                told = told.replace(f"{mount['mountPath']}/", f"{secrets / secret}/")
        found[name] = told
    return found


def _scraped(endpoint: Object, secrets: Path) -> dict[str, Any]:
    """What the Operator makes of an endpoint in Prometheus' configuration."""

    def file(reference: Object) -> str:
        return str(secrets / reference["name"] / reference["key"])

    tls = endpoint["tlsConfig"]
    made: dict[str, Any] = {"server_name": tls["serverName"], "ca_file": file(tls["ca"]["secret"])}
    if "cert" in tls:
        made["cert_file"] = file(tls["cert"]["secret"])
        made["key_file"] = file(tls["keySecret"])
    found: dict[str, Any] = {"scheme": endpoint["scheme"], "tls_config": made}
    if "authorization" in endpoint:
        credentials = file(endpoint["authorization"]["credentials"])
        found["authorization"] = {"credentials_file": credentials}
    if "basicAuth" in endpoint:
        found["basic_auth"] = {
            "username_file": file(endpoint["basicAuth"]["username"]),
            "password_file": file(endpoint["basicAuth"]["password"]),
        }
    return found


def _endpoint(made: list[Object]) -> Object:
    for monitor in of_kind(made, "PodMonitor"):
        if monitor["metadata"]["name"] == "butterfly-coordinators":
            return dict(monitor["spec"]["podMetricsEndpoints"][0])
    return dict(named(made, "ServiceMonitor", "butterfly")["spec"]["endpoints"][0])


@pytest.fixture
def ended() -> Iterator[None]:
    """Ends what a test has configured."""
    yield
    butterfly_otel.shutdown()


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("values", SECURED)
def test_prometheus_and_probes_are_let_in(
    helm: Path,
    prometheus3: Path,
    tmp_path: Path,
    secrets: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: str,
) -> None:
    """By each secured values file Prometheus scrapes, probes pass, and others are refused."""
    made = Helm(helm, tmp_path).objects("--values", SECURED[values])
    workload = named(made, "StatefulSet", "coordinator")
    here = {
        "OTEL_EXPORTER_PROMETHEUS_HOST": HOST,
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "OTEL_METRICS_EXPORTER": "prometheus",
    }
    for name, value in {**_environment(workload, secrets), **here}.items():
        monkeypatch.setenv(name, value)
    url = butterfly_otel.configure(collectors="none").prometheus_url
    assert url is not None
    address = url.partition("://")[2].partition("/")[0]
    probe = container(workload)["readinessProbe"]
    if "httpGet" in probe:
        # As kubelets do, without a look at the certificate.
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        asked = f"{probe['httpGet']['scheme'].lower()}://{address}{probe['httpGet']['path']}"
        with urllib.request.urlopen(asked, timeout=30, context=unverified) as answer:
            assert answer.status == 200
    right = _scraped(_endpoint(made), secrets)
    other = {**right, "tls_config": dict(right["tls_config"])}
    for proof in ("authorization", "basic_auth"):
        other.pop(proof, None)
    for proof in ("cert_file", "key_file"):
        other["tls_config"].pop(proof, None)
    jobs = [Scrape([address], "right", extra=right), Scrape([address], "other", extra=other)]
    with Prometheus(prometheus3, tmp_path, scrapes=jobs) as prometheus:
        prometheus.wait_for('up{job="right"} == 1', 60)
        prometheus.wait_for('up{job="other"} == 0', 60)
        prometheus.wait_for(f"sum({REFUSALS}) > 0", 60)
        [plain] = prometheus.query(f'{REFUSALS}{{reason="plain_http"}}')
        assert plain.value == 0
