"""A real OpenTelemetry Collector for the end-to-end tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .processes import HOST, Server, fetch
from .prometheus import EXACT_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Collector(Server):
    """An OpenTelemetry Collector: OTLP in; Prometheus, a file and its log out.

    Its Prometheus exporter leaves names as they are and adds no labels of scope or resource.

    Args:
        program: The `otelcol` executable.
        folder: An existing folder for the server's files.
        prometheus: Settings of the Prometheus exporter that replace ours.
        exporters: More exporters by name, such as `otlphttp`, with their settings.
    """

    name = "otelcol"
    ports_needed = 4

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        prometheus: Mapping[str, Any] | None = None,
        exporters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(program, folder)
        self.prometheus = dict(prometheus or {})
        self.exporters = dict(exporters or {})
        self.file_path = self.folder / "metrics.jsonl"

    @property
    def grpc_endpoint(self) -> str:
        """The URL that takes OTLP by gRPC, without TLS."""
        return f"http://{HOST}:{self.ports[0]}"

    @property
    def http_endpoint(self) -> str:
        """The URL that takes metrics by OTLP/HTTP."""
        return f"http://{HOST}:{self.ports[1]}/v1/metrics"

    @property
    def prometheus_target(self) -> str:
        """The `host:port` of its Prometheus exporter, for a `Scrape`."""
        return f"{HOST}:{self.ports[2]}"

    @property
    def prometheus_url(self) -> str:
        """The URL of its Prometheus exporter."""
        return f"http://{self.prometheus_target}/metrics"

    def config(self) -> dict[str, Any]:
        """The whole configuration."""
        grpc, http, prometheus, health = (f"{HOST}:{port}" for port in self.ports)
        exporters: dict[str, Any] = {
            "prometheus": {
                "endpoint": prometheus,
                "translation_strategy": EXACT_NAMES,
                "without_scope_info": True,
                "send_timestamps": False,
                "resource_to_telemetry_conversion": {"enabled": False},
                **self.prometheus,
            },
            "file": {"path": str(self.file_path), "flush_interval": "100ms"},
            "debug": {"verbosity": "normal"},
            **self.exporters,
        }
        pipeline = {
            "receivers": ["otlp"],
            "processors": ["memory_limiter", "batch"],
            "exporters": list(exporters),
        }
        protocols = {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}
        return {
            "receivers": {"otlp": {"protocols": protocols}},
            "processors": {
                "memory_limiter": {"check_interval": "1s", "limit_mib": 512},
                "batch": {"timeout": "100ms"},
            },
            "exporters": exporters,
            "extensions": {"health_check": {"endpoint": health}},
            "service": {
                "extensions": ["health_check"],
                "pipelines": {"metrics": pipeline},
                "telemetry": {"metrics": {"level": "none"}},
            },
        }

    def command(self) -> list[str]:
        """Write the configuration and give the command line."""
        path = self.folder / "otelcol.yaml"
        path.write_text(json.dumps(self.config(), indent=2))
        return [str(self.program), "--config", f"file:{path}"]

    def ready_url(self) -> str:
        """The health-check extension's page."""
        return f"http://{HOST}:{self.ports[3]}/"

    def exposition(self, accept: str = "text/plain;version=0.0.4") -> str:
        """What its Prometheus exporter serves now."""
        return fetch(self.prometheus_url, {"Accept": accept})

    def exported(self) -> list[dict[str, Any]]:
        """What its file exporter wrote so far: an OTLP request in JSON each."""
        text = self.file_path.read_text() if self.file_path.exists() else ""
        # The last line may be on its way.
        whole, _, _ = text.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]
