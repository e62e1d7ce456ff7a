"""A webhook that writes each notification of Alertmanager to standard output.

python alert_receiver.py [PORT]
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 8080


def lines(receiver: str, notification: dict[str, Any]) -> list[str]:
    """Return a line for each alert of a notification."""
    return [
        f"{receiver}: {one['status']} {one['labels'].get('severity', '')}"
        f" {one['labels']['alertname']}: {one.get('annotations', {}).get('description', '')}"
        for one in notification["alerts"]
    ]


class Handler(BaseHTTPRequestHandler):
    """Takes notifications by POST; the path names the receiver."""

    def do_GET(self) -> None:
        """Say that it runs."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ready\n")

    def do_POST(self) -> None:
        """Write a notification; one that can't be read is refused."""
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            written = lines(self.path.strip("/"), body)
        except (ValueError, KeyError, TypeError) as error:
            self.send_error(400, f"no notification: {error!r}")
            return
        print("\n".join(written))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing of requests."""


def main() -> None:
    """Serve until stopped."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    # In a container every address is that of the container's own network.
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()  # noqa: S104


if __name__ == "__main__":
    main()
