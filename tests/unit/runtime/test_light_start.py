"""What a start does not import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Rooms and libraries that a plain set-up by pull has no use for.
_UNUSED = (
    "butterfly_otel.cli",
    "butterfly_otel.collectors",
    "butterfly_otel.decorators",
    "butterfly_otel.demo",
    "butterfly_otel.disk",
    "butterfly_otel.engine.older",
    "butterfly_otel.exporters.carrying",
    "butterfly_otel.exporters.console",
    "butterfly_otel.exporters.otlp",
    "butterfly_otel.exporters.otlp_wire",
    "butterfly_otel.exporters.prometheus.serving.asgi",
    "butterfly_otel.exporters.push",
    "butterfly_otel.integrations",
    "butterfly_otel.lint",
    "butterfly_otel.memory",
    "butterfly_otel.exporters.prometheus.securing",
    "butterfly_otel.operate",
    "butterfly_otel.page",
    "butterfly_otel.render",
    "butterfly_otel.runtime.claiming",
    "butterfly_otel.runtime.looked_at",
    "butterfly_otel.runtime.pushing",
    "butterfly_otel.runtime.sharing",
    "butterfly_otel.sharing",
    "butterfly_otel.testing",
    "butterfly_otel.views.documents",
    "butterfly_otel.views.overlays",
    "google.protobuf",
    "grpc",
    "jsonschema",
    "opentelemetry.exporter.otlp",
    "pynvml",
    "requests",
    "rich",
    "torch",
    "yaml",
)
#: What a set-up by push alone has no use for.
_PULL = (
    "butterfly_otel.exporters.prometheus",
    "butterfly_otel.page",
    "butterfly_otel.sharing",
    "http.server",
    "opentelemetry.exporter.prometheus",
    "prometheus_client",
)
#: What a set-up may have that uses some of them, and what it uses.
_USED = (
    ('collectors=["cpu"]', "butterfly_otel.collectors"),
    ('exporter=["prometheus", "console"]', "butterfly_otel.runtime.pushing"),
    ("prometheus_server=False", "butterfly_otel.runtime.claiming"),
    ('processes="shared"', "butterfly_otel.runtime.sharing"),
)


def _modules(settings: str) -> set[str]:
    """Return the modules of a process that has configured pull so."""
    program = f"""
import json, sys
import butterfly_otel
from butterfly_otel import metrics
butterfly_otel.configure(
    **{{"collectors": "none", **dict({settings})}},
    node_id="n1", node_role="compute", prometheus_port=0,
)
metrics.consensus_leader_changes_total.add(1)
print(json.dumps(sorted(sys.modules)))
sys.stdout.flush()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout.splitlines()[0]))


def _within(modules: set[str], names: tuple[str, ...]) -> set[str]:
    """Return the modules that have one of these names, or are in one of these packages."""
    return {
        module
        for module in modules
        for each in names
        # Above it, `opentelemetry.exporter` is a package that others share.
        if module == each or module.startswith(f"{each}.")
    }


def test_pull_alone_imports_nothing_that_it_does_not_use() -> None:
    """No collectors, no books of memory, nothing that pushes, and none of their libraries."""
    found = _within(_modules(""), _UNUSED)
    # The older releases of the SDK need what stands in for the newest one's names.
    from butterfly_otel.engine.sdk_names import OLDER  # noqa: PLC0415 - the SDK, late

    assert not {each for each in found if not (OLDER and each.startswith("butterfly_otel.engine"))}


def test_push_alone_imports_nothing_of_pull() -> None:
    """What is scraped, and what is served beside it, is not there where nobody scrapes."""
    assert not _within(_modules('exporter="console"'), _PULL)


@pytest.mark.parametrize(("settings", "used"), _USED)
def test_what_is_asked_for_is_imported(settings: str, used: str) -> None:
    """The list above has the names by which these modules are imported."""
    assert used in _modules(settings)
