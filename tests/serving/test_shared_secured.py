"""Workers that are one node, by TLS and with passwords: whichever answers, and takes over."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.certificates import HASHED, Certificates, basic
from tests.everyday import everyday
from tests.serving.load import SECONDS
from tests.serving.test_shared import _MOUNTED, Node, start
from tests.serving.watching import wait_for

if TYPE_CHECKING:
    import ssl

__all__ = ["start"]
pytestmark = pytest.mark.timeout(200)

REFUSED = 'butterfly_otel_scrape_refusals_total{reason="wrong_credentials"}'
#: Requests without a password.
_WRONG = 8


class Client:
    """Asks a node's own port by TLS."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._context = context

    def get(self, path: str, password: str = "secret") -> tuple[int, str]:  # noqa: S107
        """Return the status and the body; asks again where a process was killed meanwhile."""
        while True:
            secured = http.client.HTTPSConnection(
                "localhost", self._port, timeout=SECONDS, context=self._context
            )
            with closing(secured):
                try:
                    secured.request("GET", path, headers=basic("alice", password))
                    answer = secured.getresponse()
                    return answer.status, answer.read().decode()
                except (
                    ConnectionResetError,
                    http.client.RemoteDisconnected,
                    http.client.IncompleteRead,
                ):
                    continue  # a connection that was open when its process was killed


def _plainly(port: int, headers: dict[str, str] | None = None) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", "/metrics", headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def _refused(client: Client) -> int:
    lines = client.get("/metrics")[1].splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(REFUSED))


@pytest.mark.parametrize("kind", everyday(["preload"], ["uvicorn", "preload"]))
def test_tls_and_passwords_outlive_who_serves(
    kind: str, start: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker is killed once: who takes over asks for the same, and refusals add up."""
    certificates = Certificates(tmp_path / "certificates")
    web = certificates.web(basic_auth_users={"alice": HASHED})
    monkeypatch.setenv("BUTTERFLY_OTEL_PROMETHEUS_WEB_CONFIG", str(web))
    with start(kind) as node:
        client = Client(node.metrics, certificates.trusting())
        node.wait_for(60)
        wait_for(lambda: client.get("/metrics")[0] == 200, node.log.read_text)
        for _ in range(3):
            before = node.answered
            assert client.get("/metrics", "wrong")[0] == 401
            node.end_one(signal.SIGKILL)
            status, text = client.get("/metrics")
            assert (status, "butterfly_requests_total{" in text) == (200, True), (
                node.log.read_text()
            )
            assert client.get("/metrics", "wrong")[0] == 401
            status, body = _plainly(node.metrics)
            assert (status, "HTTPS" in body) == (400, True)
            # A health check needs none.
            assert client.get("/-/healthy", "wrong")[0] == 200
            node.wait_for(before + 30)
        # What was refused within a second before SIGKILL may be lost; the last one is not.
        assert 1 <= _refused(client) <= 6, node.log.read_text()

        def processes() -> list[dict[str, str]]:
            told: list[dict[str, str]] = json.loads(client.get("/-/state")[1])["processes"]
            return told

        wait_for(lambda: len(processes()) >= 3, node.log.read_text)
        shown = processes()
        assert len([each for each in shown if each["tells"].endswith(", leads")]) == 1
        pids = {str(each.pid) for each in node.workers()}
        assert pids <= {each["tells"].split()[1].rstrip(",") for each in shown}
        log = node.log.read_text()
        assert "Traceback" not in log, log
        assert "secret" not in log


def test_the_applications_own_port_asks_each_time(
    start: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever worker answers there, it wants the password, and counts who has none."""
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{alice: {HASHED}}}")
    monkeypatch.setenv("BUTTERFLY_OTEL_PROMETHEUS_WEB_CONFIG", str(web))
    with start("uvicorn", app=_MOUNTED) as node:
        node.wait_for(60)
        node.rest()
        assert {_plainly(node.port)[0] for _ in range(_WRONG)} == {401}
        found: set[float] = set()
        for _ in range(12):
            with closing(
                http.client.HTTPConnection("127.0.0.1", node.port, timeout=SECONDS)
            ) as own:
                own.request("GET", "/metrics", headers=basic("alice"))
                text = own.getresponse().read().decode()
            lines = [each for each in text.splitlines() if "missing_credentials" in each]
            found |= {float(each.rpartition(" ")[2]) for each in lines}
        assert found == {float(_WRONG)}
