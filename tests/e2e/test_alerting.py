"""Every fault of the demo makes a real Prometheus fire its alerts, and no others, to Alertmanager.

Each fault has a cluster of its own, with rules of its own: they come from `butterfly-otel rules`
with a selector, an extra label, and the demo's speed. All share one Prometheus and one
Alertmanager, whose notifications are what counts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel.cli import main
from butterfly_otel.demo.faults import INFO, KINDS

from .demos import Demo
from .servers import Alertmanager, Prometheus, Receiver, Scrape, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SPEED = 10
#: Simulated seconds: the start of every fault, and how long one lasts whose alerts wait 5 min.
START, LONG = 100, 700
HEALTHY = "healthy"
#: The slow ones wait for 15 min, after which a fast machine is done.
BURNS = frozenset(
    f"{slo}Budget{speed}Burn" for slo in ("Availability", "Latency") for speed in ("Fast", "Slow")
)


@dataclass(frozen=True)
class Outcome:
    """What a fault has to bring about.

    Attributes:
        notified: The alerts of which somebody hears.
        inhibited: Those that fire, and of which nobody hears.
        seconds: Simulated seconds that it lasts.
        unresolved: Those that go on for much longer than the fault, by their nature.
        besides: What may come of it, and need not: users may feel it, so budgets burn.
    """

    notified: frozenset[str]
    inhibited: frozenset[str] = frozenset()
    seconds: float = 300
    unresolved: frozenset[str] = frozenset()
    besides: frozenset[str] = BURNS

    @property
    def fired(self) -> frozenset[str]:
        """The alerts that fire, whether anybody hears of them or not."""
        return self.notified | self.inhibited


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


EXPECTED = {
    "node_failure": Outcome(_of("NodeIsolated"), _of("NetworkPartition")),
    "network_partition": Outcome(_of("NetworkPartition")),
    "quorum_loss": Outcome(
        # Without a quorum nothing is computed, for just as long as LowThroughput waits.
        _of("ClusterBelowQuorum", "NetworkPartition"),
        besides=BURNS | {"HighErrorRate", "LowThroughput"},
    ),
    "leader_failure": Outcome(_of("NodeIsolated"), _of("NetworkPartition")),
    "leader_instability": Outcome(
        _of("FrequentLeaderChanges"), seconds=LONG, unresolved=_of("FrequentLeaderChanges")
    ),
    "byzantine_fault": Outcome(_of("ByzantineFaultDetected")),
    "gpu_overheating": Outcome(_of("GPUOverheating"), seconds=LONG),
    "queue_buildup": Outcome(_of("QueueBuildup", "HighLatency"), seconds=LONG),
    "memory_pressure": Outcome(_of("HighMemoryUsage", "HighErrorRate"), seconds=LONG),
}


@dataclass(frozen=True)
class Site:
    """Everything that runs."""

    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver

    def notified(self, status: str) -> dict[str, set[str]]:
        """The names of the alerts that came with this status, by cluster."""
        found: dict[str, set[str]] = {cluster: set() for cluster in (*KINDS, HEALTHY)}
        for alert in self.receiver.alerts(status):
            found[alert["labels"]["cluster"]].add(alert["labels"]["alertname"])
        return found

    def fired(self) -> dict[str, set[str]]:
        """The names of the alerts that have ever fired, by cluster."""
        found: dict[str, set[str]] = {cluster: set() for cluster in (*KINDS, HEALTHY)}
        for sample in self.prometheus.query('last_over_time(ALERTS{alertstate="firing"}[30m])'):
            found[sample.labels["cluster"]].add(sample.labels["alertname"])
        return found


def _rules(cluster: str, folder: Path) -> list[Path]:
    arguments = ["rules", "--output", str(folder), "--speed", str(SPEED), "--scrape-interval", "1s"]
    arguments += ["--selector", f'cluster="{cluster}"', "--extra-label", f"cluster={cluster}"]
    assert main([*arguments, "--runbooks", "https://runbooks.example"]) == 0
    return [folder / "prometheus_rules.yml", folder / "prometheus_alerts.yml"]


def _demo(cluster: str, folder: Path) -> Demo:
    options = ["--speed", str(SPEED)]
    if cluster == HEALTHY:
        return Demo(folder, [*options, "--no-faults"])
    return Demo(folder, [*options, "--fault", f"{cluster}@{START}+{EXPECTED[cluster].seconds:g}"])


@pytest.fixture
def site(prometheus3: Path, alertmanager: Path, tmp_path: Path) -> Iterator[Site]:
    """A cluster for each fault and a healthy one, watched by one Prometheus."""
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        notifier = stack.enter_context(Alertmanager(alertmanager, tmp_path, receiver.url))
        rules, scrapes = list[Path](), list[Scrape]()
        for cluster in (*KINDS, HEALTHY):
            rules += _rules(cluster, tmp_path / f"rules-{cluster}")
            demo = stack.enter_context(_demo(cluster, tmp_path))
            targets = [{"targets": [demo.target], "labels": {"cluster": cluster}}]
            extra = {"static_configs": targets}
            scrapes.append(Scrape([demo.target], job=f"butterfly-{cluster}", extra=extra))
        prometheus = stack.enter_context(
            Prometheus(
                prometheus3,
                tmp_path,
                scrapes=scrapes,
                rules=rules,
                alertmanagers=[notifier.address],
            )
        )
        yield Site(prometheus, notifier, receiver)


def _assert_complete(alert: dict[str, Any]) -> None:
    """Check what whoever is woken up reads."""
    labels, annotations = alert["labels"], alert["annotations"]
    assert labels["severity"] in {"critical", "warning"}
    assert annotations["runbook_url"] == f"https://runbooks.example/{labels['alertname']}.md"
    for text in (annotations["summary"], annotations["description"]):
        assert text
        assert "{{" not in text
        assert "<no value>" not in text
        assert "<error" not in text
    assert alert["generatorURL"].startswith("http")


@pytest.mark.long
def test_faults_fire_their_alerts_and_no_others(site: Site, amtool: Path) -> None:
    """Each fault is notified as it should be, and resolved; the healthy cluster keeps quiet."""
    assert set(EXPECTED) == set(KINDS)
    for kind in KINDS:
        assert set(INFO[kind].alerts) <= EXPECTED[kind].fired

    def all_heard() -> bool:
        heard = site.notified("firing")
        return all(EXPECTED[kind].notified <= heard[kind] for kind in KINDS)

    wait_until(all_heard, 240, "a notification of every alert that is expected")
    shown = subprocess.run(
        [amtool, f"--alertmanager.url={site.alertmanager.url}", "alert", "query", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "FrequentLeaderChanges" in shown.stdout

    def all_over() -> bool:
        over = site.notified("resolved")
        return all(
            EXPECTED[kind].notified - EXPECTED[kind].unresolved <= over[kind] for kind in KINDS
        )

    wait_until(all_over, 240, "a notification that every fault is over")
    heard, fired = site.notified("firing"), site.fired()
    assert heard.pop(HEALTHY) == fired.pop(HEALTHY) == set()
    for kind in KINDS:
        expected = EXPECTED[kind]
        assert expected.notified <= heard[kind] <= expected.notified | expected.besides, kind
        assert expected.fired <= fired[kind] <= expected.fired | expected.besides, kind
    for alert in site.receiver.alerts("firing"):
        _assert_complete(alert)
