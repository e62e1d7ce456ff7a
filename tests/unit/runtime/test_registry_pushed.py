"""`push_registry`: what prometheus_client holds leaves by every exporter that pushes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter as Times
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricsData
from prometheus_client import CollectorRegistry, Counter, Summary

import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.runtime import pushing
from tests.unit.exporters.bridge.bridged import Custom
from tests.unit.exporters.test_push import Recorder
from tests.unit.runtime.test_configure import NODE


class Exported:
    """What is exported in place of OTLP and the console."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recorders = {"otlp": Recorder(), "console": Recorder()}
        for name, recorder in self.recorders.items():
            monkeypatch.setitem(
                pushing.EXPORTERS,  # type: ignore[arg-type]
                name,
                lambda _config, recorder=recorder: recorder,
            )

    def last(self, name: str = "otlp") -> MetricsData:
        """Export, and return what was."""
        assert butterfly_otel.force_flush()
        return self.recorders[name].exported[-1]

    def times(self, name: str = "otlp") -> Times[str]:
        """Export, and tell how often each metric was in it."""
        return Times(
            metric.name
            for resource in self.last(name).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """What is exported."""
    return Exported(monkeypatch)


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry with one counter."""
    made = CollectorRegistry()
    Counter("vllm:requests", "R.", registry=made).inc(3)
    return made


def settings(**more: Any) -> dict[str, Any]:
    """Settings of a node that pushes a registry."""
    return {
        **NODE,
        "prometheus_port": 0,
        "collectors": "none",
        "export_interval": 3600,
        "push_registry": True,
        **more,
    }


@pytest.mark.parametrize("exporter", ["otlp", ["otlp", "prometheus"]])
@pytest.mark.parametrize("engine", ["butterfly", "sdk"])
def test_everything_is_exported_once(
    exported: Exported, registry: CollectorRegistry, exporter: Any, engine: Any
) -> None:
    """Ours and the registry's, though the collector of ours is in that registry as well."""
    butterfly_otel.configure(**settings(exporter=exporter, registry=registry, engine=engine))
    metrics.requests_total.add(1, method="inference", status="success")
    times = exported.times()
    assert times["vllm:requests_total"] == times["butterfly_requests_total"] == 1
    assert set(times.values()) == {1}


def test_by_each_exporter(exported: Exported, registry: CollectorRegistry) -> None:
    """Whatever it is."""
    butterfly_otel.configure(**settings(exporter=["otlp", "console"], registry=registry))
    assert exported.times("otlp")["vllm:requests_total"] == 1
    assert exported.times("console")["vllm:requests_total"] == 1


def test_of_the_node(exported: Exported, registry: CollectorRegistry) -> None:
    """They have the resource that our metrics have."""
    butterfly_otel.configure(**settings(exporter="otlp", registry=registry))
    [resource] = exported.last().resource_metrics
    assert resource.resource.attributes["service.instance.id"] == "coordinator-1"
    assert len(resource.scope_metrics) == 2


def test_not_unless_it_is_asked_for(exported: Exported, registry: CollectorRegistry) -> None:
    """By default they are scraped alone; the variable asks as well as the argument."""
    butterfly_otel.configure(**settings(exporter="otlp", registry=registry, push_registry=False))
    assert "vllm:requests_total" not in exported.times()


def test_by_the_variable(
    exported: Exported, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a line of code."""
    monkeypatch.setenv("BUTTERFLY_OTEL_PUSH_REGISTRY", "true")
    given = settings(exporter="otlp", registry=registry)
    del given["push_registry"]
    butterfly_otel.configure(**given)
    assert exported.times()["vllm:requests_total"] == 1


def test_nothing_adds_to_the_contract(exported: Exported) -> None:
    """A counter that prometheus_client has under one of its names isn't pushed beside ours."""
    registry = CollectorRegistry()
    Counter("butterfly_requests", "R.", registry=registry).inc(9)
    butterfly_otel.configure(**settings(exporter="otlp", registry=registry))
    metrics.requests_total.add(1, method="inference", status="success")
    assert exported.times()["butterfly_requests_total"] == 1


def test_what_is_missing_is_counted(exported: Exported) -> None:
    """A collector that raises costs neither ours nor the others, and counts as at a scrape."""
    registry = CollectorRegistry()

    def broken() -> Any:
        raise RuntimeError

    registry.register(Custom(broken))  # type: ignore[arg-type]
    Summary("steps", "S.", registry=registry).observe(1)
    butterfly_otel.configure(**settings(exporter="otlp", registry=registry))
    assert exported.times()["steps"] == 1
    points = {
        point.attributes["reason"]: point.value
        for resource in exported.last().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "butterfly_otel_scrape_omissions_total"
        for point in metric.data.data_points
        if point.value
    }
    assert points["failed_collector"] >= 1


def test_who_does_not_push_a_registry_imports_nothing_for_it() -> None:
    """A start that pushes by OTLP alone stays as light as it was."""
    code = (
        "import sys, butterfly_otel\n"
        "butterfly_otel.configure(node_id='n', node_role='compute', exporter='console',"
        " collectors='none')\n"
        "heavy = 'prometheus_client', 'butterfly_otel.exporters.bridge'\n"
        "print([each for each in sys.modules if each in heavy])\n"
        "import os; sys.stdout.flush(); os._exit(0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"
