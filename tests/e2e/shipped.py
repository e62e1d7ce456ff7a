"""The configuration files of docs/ on real servers: as they are, but for addresses and waits."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .alertmanager import Alertmanager
from .processes import HOST, Server
from .prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Nobody waits a quarter of a minute in a test.
SOON = {
    "scrape_interval: 15s": "scrape_interval: 1s",
    "scrape_timeout: 10s": "scrape_timeout: 1s",
    "evaluation_interval: 15s": "evaluation_interval: 1s",
}
RULES = ("prometheus_rules.yml", "prometheus_alerts.yml")


def rewritten(path: Path, changes: Mapping[str, str]) -> str:
    """The text of a file with other addresses and waits, each of which has to be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{path.name} has no {old!r}"
        text = text.replace(old, new)
    return text


class ShippedPrometheus(Prometheus):
    """A Prometheus with a configuration file that we ship; it takes remote writes, too.

    Args:
        program: The `prometheus` executable.
        folder: An existing folder for the server's files.
        changes: Other addresses and waits in its configuration.
        fragments: Files for `scrape.d/`, with what changes in each of them.
        file: The configuration.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        changes: Mapping[str, str],
        *,
        fragments: Mapping[str, Mapping[str, str]] | None = None,
        file: Path = DOCS / "prometheus.yml",
    ) -> None:
        # Where the storage is away, it does not wait for it when it stops.
        flags = ["--web.enable-remote-write-receiver", "--storage.remote.flush-deadline=100ms"]
        super().__init__(program, folder, flags=flags)
        self.changes = dict(changes)
        self.file = file
        (self.folder / "scrape.d").mkdir()
        for name, changed in (fragments or {}).items():
            text = rewritten(DOCS / name, changed)
            (self.folder / "scrape.d" / name).write_text(text)
        for name in RULES:
            (self.folder / name).write_text((DOCS / name).read_text())

    @property
    def remote_write_url(self) -> str:
        """Where it takes remote writes."""
        return f"{self.url}/api/v1/write"

    def command(self) -> list[str]:
        """Write the configuration and give the command line."""
        command = super().command()
        text = rewritten(self.file, self.changes)
        (self.folder / "prometheus.yml").write_text(text)
        return command


class ShippedAlertmanager(Alertmanager):
    """An Alertmanager with docs/alertmanager.yml, whose receivers are one webhook."""

    def command(self) -> list[str]:
        """Write the configuration and give the command line."""
        command = super().command()
        changes = {
            "http://alert-receiver:8080/": self.webhook,
            "group_wait: 30s": "group_wait: 1s",
            "group_interval: 5m": "group_interval: 1s",
        }
        text = rewritten(DOCS / "alertmanager.yml", changes)
        (self.folder / "alertmanager.yml").write_text(text)
        return command


class ShippedCollector(Server):
    """A Collector with one of the files in docs/, told its addresses by its environment.

    Args:
        program: The `otelcol` executable.
        folder: An existing folder for the server's files.
        file: The configuration's name in docs/.
        role: What its variables are named after: AGENT or GATEWAY.
        variables: More of them, such as where it sends to.
    """

    name = "otelcol"
    ports_needed = 5

    def __init__(
        self, program: Path, folder: Path, file: str, role: str, variables: Mapping[str, str]
    ) -> None:
        super().__init__(program, folder)
        self.file, self.role, self.variables = file, role, dict(variables)

    @property
    def grpc_address(self) -> str:
        """The `host:port` that takes OTLP by gRPC."""
        return f"{HOST}:{self.ports[0]}"

    @property
    def http_endpoint(self) -> str:
        """The URL that takes metrics by OTLP/HTTP."""
        return f"http://{HOST}:{self.ports[1]}/v1/metrics"

    @property
    def telemetry_url(self) -> str:
        """The page with the Collector's own metrics."""
        return f"http://{HOST}:{self.ports[3]}/metrics"

    @property
    def page(self) -> str:
        """The `host:port` of the gateway's page."""
        return f"{HOST}:{self.ports[4]}"

    def environment(self) -> dict[str, str]:
        """The variables that its file names."""
        kinds = ("GRPC", "HTTP", "HEALTH", "TELEMETRY", "PAGE")
        ports = {
            f"BUTTERFLY_{self.role}_{kind}_PORT": str(port)
            for kind, port in zip(kinds, self.ports, strict=True)
        }
        return {f"BUTTERFLY_{self.role}_HOST": HOST, **ports, **self.variables}

    def command(self) -> list[str]:
        """The command line; the file is used where it lies."""
        return [str(self.program), "--config", f"file:{DOCS / self.file}"]

    def ready_url(self) -> str:
        """The health-check extension's page."""
        return f"http://{HOST}:{self.ports[2]}/"


class AlertReceiver(Server):
    """The program of deploy/compose that writes notifications to its log."""

    name = "alert-receiver"

    def __init__(self, folder: Path) -> None:
        super().__init__(Path(sys.executable), folder)

    def command(self) -> list[str]:
        """The command line."""
        program = ROOT / "deploy" / "compose" / "alert_receiver.py"
        return [str(self.program), "-u", str(program), str(self.ports[0])]

    def ready_url(self) -> str:
        """The base of its addresses."""
        return f"http://{HOST}:{self.ports[0]}/"


class KubernetesApi:
    """As much of Kubernetes' API as it takes to discover pods; a context manager.

    Args:
        pods: What it has, by name: labels, phase, and the ports of its container by name.
    """

    def __init__(
        self, pods: Mapping[str, tuple[Mapping[str, str], str, Mapping[str, int]]]
    ) -> None:
        self.asked: list[str] = []
        self._over = threading.Event()
        asked, over = self.asked, self._over
        body = json.dumps(_pod_list([_pod(name, *pod) for name, pod in pods.items()])).encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.append(self.path)
                query = parse_qs(urlsplit(self.path).query)
                if "sendInitialEvents" in query:  # a way to list that servers need not know
                    self._answer(422, _INVALID)
                elif "watch" in query:
                    self._watch()
                else:
                    self._answer(200, body)

            def _watch(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.flush()
                over.wait()
                self.close_connection = True

            def _answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


_INVALID = json.dumps(
    {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Invalid",
        "message": "sendInitialEvents is forbidden",
        "code": 422,
    }
).encode()


def _pod_list(pods: list[dict[str, Any]]) -> dict[str, Any]:
    meta = {"resourceVersion": "1"}
    return {"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": pods}


def _pod(
    name: str, labels: Mapping[str, str], phase: str, ports: Mapping[str, int]
) -> dict[str, Any]:
    listed = [{"name": key, "containerPort": port} for key, port in ports.items()]
    return {
        "metadata": {
            "name": name,
            "namespace": "butterfly",
            "uid": name,
            "resourceVersion": "1",
            "labels": dict(labels),
        },
        "spec": {"containers": [{"name": "butterfly", "image": "i", "ports": listed}]},
        "status": {"phase": phase, "podIP": HOST, "hostIP": HOST},
    }
