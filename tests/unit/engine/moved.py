"""A program: what the package does with an SDK in which a private name has moved.

For each name it gets on stdin, one a line, it forks, lets OpenTelemetry be imported with that
name replaced by another one throughout, measures, and prints what came of it as a line of JSON.
An empty line is the SDK as it is.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any
from urllib.request import urlopen

# Nothing of OpenTelemetry, so that each child imports that, and only that, for itself.
import prometheus_client
import typing_extensions  # noqa: F401 - as said


class Moving(MetaPathFinder):
    """Finds OpenTelemetry's modules, with one name replaced by another."""

    def __init__(self, name: str) -> None:
        self._pattern = re.compile(rf"\b{re.escape(name)}\b")
        self._moved = f"{name}_that_moved"

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the module's own specification, with another loader where it has the name."""
        if not fullname.startswith("opentelemetry."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            source = spec.loader.get_data(spec.loader.path).decode()
            replaced = self._pattern.sub(self._moved, source)
            if replaced != source:
                spec.loader = Replaced(fullname, spec.loader.path, replaced)
        return spec


class Replaced(SourceFileLoader):
    """Loads a module from another source than its file's."""

    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the base's signature
        """Compile the source; no cache has it."""
        return compile(self._source, self.path, "exec", dont_inherit=True)


class Told(logging.Handler):
    """Keeps what the package warns of."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage())


def measure() -> dict[str, Any]:
    """Configure, measure, scrape and export, twice; return the last and what was told."""
    told = Told()
    logging.getLogger("butterfly_otel").addHandler(told)
    logging.getLogger("opentelemetry").addHandler(told)
    result: dict[str, Any] = {}
    for _ in range(2):
        result = {**_once(), "told": told.messages}
    return result


def _once() -> dict[str, Any]:
    from opentelemetry import metrics as otel  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415

    import butterfly_otel  # noqa: PLC0415
    from butterfly_otel import metrics  # noqa: PLC0415
    from tests.collected import points  # noqa: PLC0415

    reader = InMemoryMetricReader()
    runtime = butterfly_otel.configure(
        node_id="coordinator-1",
        node_role="coordinator",
        exporter="prometheus",
        prometheus_port=0,
        registry=prometheus_client.CollectorRegistry(),
        metric_readers=[reader],
        collectors="none",
        zero_init=False,
        handle_signals=False,
    )
    metrics.requests_total.add(2, method="inference", status="success")
    metrics.requests_total.add(1, method="inference", status="success")
    metrics.request_duration_seconds.record(0.3, method="inference")
    metrics.pipeline_depth.set(4)
    bound = metrics.requests_total.bind(method="training", status="error")
    bound.add(1)
    otel.get_meter("butterfly_otel").create_counter("unknown").add(1)
    otel.get_meter("app").create_counter("jobs").add(5, {"kind": "night"})
    with urlopen(str(runtime.prometheus_url), timeout=10) as answer:
        text = answer.read().decode()
    data: Any = reader.get_metrics_data()
    metrics.requests_total.remove(method="inference", status="success")
    gone = {point.attributes["method"] for point in points(reader, "butterfly_requests_total")}
    engine = type(runtime.meter_provider).__name__
    provider: Any = runtime.meter_provider
    flushed = provider.force_flush()
    runtime.shutdown()
    return {
        "flushed": flushed,
        "engine": engine,
        "removed": "inference" not in gone,
        "exposition": sorted(line for line in text.splitlines() if "butterfly_otel_" not in line),
        "exported": sorted(
            metric.name
            for scope in data.resource_metrics[0].scope_metrics
            for metric in scope.metrics
            if not metric.name.startswith("butterfly_otel_")
        ),
    }


def _child(name: str) -> str:
    if name:
        sys.meta_path.insert(0, Moving(name))
    try:
        result = measure()
    except BaseException as error:  # noqa: BLE001 - reported to the test
        result = {"failed": f"{error!r}\n{traceback.format_exc()}"}
    return json.dumps({"name": name, **result})


def main() -> None:
    """Answer for each name."""
    for line in sys.stdin.read().split("\n"):
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            os.write(theirs, _child(line).encode() + b"\n")
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours, encoding="utf-8") as pipe:
            print(pipe.read(), end="", flush=True)  # noqa: T201 - the test reads it
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
