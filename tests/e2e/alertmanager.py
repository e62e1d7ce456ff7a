"""A real Alertmanager for the end-to-end tests, and a receiver of what it sends."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from .processes import HOST, Server, fetch_json

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


class Receiver:
    """A webhook on loopback that keeps every notification it is sent; a context manager."""

    def __init__(self) -> None:
        self.notifications: list[dict[str, Any]] = []
        kept = self.notifications

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://{HOST}:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def alerts(self, status: str) -> list[dict[str, Any]]:
        """Every alert of every notification that came with this status."""
        alerts = (alert for sent in tuple(self.notifications) for alert in sent["alerts"])
        return [alert for alert in alerts if alert["status"] == status]


class Alertmanager(Server):
    """An Alertmanager that sends everything to one webhook, grouped by alert and cluster.

    Args:
        program: The `alertmanager` executable.
        folder: An existing folder for the server's files.
        webhook: Where notifications go.
    """

    name = "alertmanager"

    def __init__(self, program: Path, folder: Path, webhook: str) -> None:
        super().__init__(program, folder)
        self.webhook = webhook

    @property
    def address(self) -> str:
        """Its `host:port`, for Prometheus to send to."""
        return f"{HOST}:{self.ports[0]}"

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{self.address}"

    def config(self) -> dict[str, Any]:
        """The whole configuration; connections of an isolated node are no news."""
        inhibitions = [
            {
                "source_matchers": ['alertname="NodeIsolated"'],
                "target_matchers": ['alertname="NetworkPartition"'],
                "equal": ["cluster", end],
            }
            for end in ("from_node", "to_node")
        ]
        return {
            "route": {
                "receiver": "webhook",
                "group_by": ["alertname", "cluster"],
                "group_wait": "2s",
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [
                {
                    "name": "webhook",
                    "webhook_configs": [{"url": self.webhook, "send_resolved": True}],
                }
            ],
            "inhibit_rules": inhibitions,
        }

    def command(self) -> list[str]:
        """Write the configuration and give the command line."""
        path = self.folder / "alertmanager.yml"
        path.write_text(json.dumps(self.config(), indent=2))
        return [
            str(self.program),
            f"--config.file={path}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",  # alone
        ]

    def ready_url(self) -> str:
        """Alertmanager's own readiness page."""
        return f"{self.url}/-/ready"

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts it holds now, the inhibited ones too."""
        found: list[dict[str, Any]] = fetch_json(f"{self.url}/api/v2/alerts")
        return found
