"""Real Prometheus and node_exporter: one web configuration file, one scrape configuration."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import butterfly_otel
from tests.certificates import HASHED, PASSWORD, Certificates
from tests.everyday import everyday

from .node_exporter import NodeExporter
from .servers import HOST, Prometheus, Scrape, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

REFUSALS = "butterfly_otel_scrape_refusals_total"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """An authority and certificates."""
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def endpoint() -> Iterator[Callable[..., str]]:
    """What configures a node by settings, and returns its `host:port`."""

    def configure(**settings: Any) -> str:
        runtime = butterfly_otel.configure(
            node_id="n1", node_role="compute", collectors="none", prometheus_port=0, **settings
        )
        url = runtime.prometheus_url
        assert url is not None
        return f"{HOST}:{url.rpartition(':')[2].partition('/')[0]}"

    yield configure
    butterfly_otel.shutdown()


def scrape(
    job: str, targets: list[str], certificates: Certificates, *, mutual: bool, **changes: Any
) -> Scrape:
    """A job by TLS, with alice's password unless told otherwise."""
    tls: dict[str, Any] = {"ca_file": str(certificates.ca)}
    if mutual:
        tls["cert_file"] = str(certificates.client)
        tls["key_file"] = str(certificates.client_key)
    extra: dict[str, Any] = {
        "scheme": "https",
        "tls_config": tls,
        "basic_auth": {"username": "alice", "password": PASSWORD},
        **changes,
    }
    kept = {name: value for name, value in extra.items() if value is not None}
    return Scrape(targets=targets, job=job, extra=kept)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("version", everyday([3], [2, 3]))
def test_one_file_secures_node_exporter_and_this(
    request: pytest.FixtureRequest,
    node_exporter: Path,
    tmp_path: Path,
    certificates: Certificates,
    endpoint: Callable[..., str],
    version: int,
    mutual: bool,  # noqa: FBT001
) -> None:
    """Who may scrape one may scrape the other; wrong ones are refused by both, and counted here."""
    program: Path = request.getfixturevalue(f"prometheus{version}")
    auth = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
    web = certificates.web(
        tls_server_config={"min_version": "TLS12", **(auth if mutual else {})},
        basic_auth_users={"alice": HASHED},
        http_server_config={"http2": True, "headers": {"X-Frame-Options": "deny"}},
    )
    stranger = Certificates(tmp_path / "stranger")
    with NodeExporter(node_exporter, tmp_path, web) as other:
        targets = [endpoint(prometheus_web_config=web), other.address]
        wrong = {"username": "alice", "password": "wrong"}
        jobs = [
            scrape("right", targets, certificates, mutual=mutual),
            scrape("password", targets, certificates, mutual=mutual, basic_auth=wrong),
            scrape("nobody", targets, certificates, mutual=mutual, basic_auth=None),
            scrape(
                "bearer",
                targets,
                certificates,
                mutual=mutual,
                basic_auth=None,
                authorization={"credentials": PASSWORD},
            ),
            scrape("http", targets, certificates, mutual=mutual, scheme="http"),
            scrape("authority", targets, stranger, mutual=mutual),
        ]
        if mutual:
            jobs.append(scrape("certificate", targets, certificates, mutual=False))
        with Prometheus(program, tmp_path, scrapes=jobs) as prometheus:
            reasons = ["wrong_credentials", "missing_credentials", "plain_http", "failed_handshake"]
            for reason in [*reasons, *(["client_certificate"] if mutual else [])]:
                prometheus.wait_for(f'{REFUSALS}{{reason="{reason}"}} > 0', 60)
            wait_until(lambda: len(prometheus.query("up")) == 2 * len(jobs), 60, "every target")
            for job in jobs:
                up = prometheus.query(f'min_over_time(up{{job="{job.job}"}}[1m])')
                assert [one.value for one in up] == [float(job.job == "right")] * 2, job.job
            assert prometheus.query("node_time_seconds")


def test_a_token_from_a_file(
    prometheus3: Path, tmp_path: Path, certificates: Certificates, endpoint: Callable[..., str]
) -> None:
    """A bearer token lets Prometheus in, and another one when both files have changed."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("t0ken\n")
    theirs.write_text("t0ken\n")
    target = endpoint(
        prometheus_certificate=certificates.certificate,
        prometheus_key=certificates.key,
        prometheus_bearer_token_file=ours,
    )
    right, wrong = (
        {"authorization": {"credentials_file": str(path)}, "basic_auth": None}
        for path in (theirs, certificates.ca)
    )
    jobs = [
        scrape("right", [target], certificates, mutual=False, **right),
        scrape("wrong", [target], certificates, mutual=False, **wrong),
    ]
    with Prometheus(prometheus3, tmp_path, scrapes=jobs) as prometheus:
        prometheus.wait_for('up{job="right"} == 1')
        prometheus.wait_for('up{job="wrong"} == 0')
        ours.write_text("t0ken\nnext\n")
        theirs.write_text("next\n")
        ours.write_text("next\n")
        prometheus.wait_for('count_over_time(up{job="right"}[5s]) >= 4', 60)
        assert [one.value for one in prometheus.query('up{job="right"}')] == [1.0]


@pytest.mark.long
def test_reload_under_load_fails_no_scrape(
    prometheus3: Path, tmp_path: Path, certificates: Certificates, endpoint: Callable[..., str]
) -> None:
    """Certificates and users change ten times while Prometheus scrapes ten times a second."""
    users = {"alice": HASHED}
    web = certificates.web(basic_auth_users=users)
    job = scrape("right", [endpoint(prometheus_web_config=web)], certificates, mutual=False)
    often = Scrape(targets=job.targets, job="right", interval="100ms", extra={**job.extra})
    with Prometheus(prometheus3, tmp_path, scrapes=[often]) as prometheus:
        prometheus.wait_for("up == 1")

        def scrapes() -> float:
            found = prometheus.query("count_over_time(up[10m])")
            return found[0].value if found else 0.0

        for number in range(10):
            before = scrapes()
            certificates.issue("server", HOST)
            certificates.web(basic_auth_users={**users, f"user-{number}": HASHED})
            wait_until(lambda before=before: scrapes() > before + 5, 60, "more scrapes")
        assert [one.value for one in prometheus.query("min_over_time(up[10m])")] == [1.0]


@pytest.mark.long
def test_slow_clients_keep_prometheus_in(
    prometheus3: Path, tmp_path: Path, certificates: Certificates, endpoint: Callable[..., str]
) -> None:
    """While a hundred clients stall in their handshakes, again and again, no scrape fails."""
    import socket  # noqa: PLC0415 - for this one alone

    web = certificates.web(basic_auth_users={"alice": HASHED})
    target = endpoint(prometheus_web_config=web)
    job = scrape("right", [target], certificates, mutual=False)
    stop = threading.Event()

    def stall() -> None:
        opened: list[socket.socket] = []
        while not stop.wait(0.03):
            client = socket.create_connection((HOST, int(target.rpartition(":")[2])), 30)
            client.sendall(b"\x16\x03\x01\x02\x00\x01")
            opened.append(client)
            if len(opened) > 100:
                opened.pop(0).close()
        for each in opened:
            each.close()

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        with Prometheus(prometheus3, tmp_path, scrapes=[job]) as prometheus:
            prometheus.wait_for("count_over_time(up[1m]) >= 8", 60)
            assert [one.value for one in prometheus.query("min_over_time(up[1m])")] == [1.0]
    finally:
        stop.set()
        thread.join()
