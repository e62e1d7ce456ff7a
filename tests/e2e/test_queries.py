"""Every example query and every recording rule, on what a demo cluster sends to Prometheus.

It arrives in two ways at once: scraped, and pushed by OTLP into a receiver at its default
setting, which appends `_total` to the two byte counters and leaves `le` as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from butterfly_otel.catalog import queries
from butterfly_otel.operate.rules import Options, RecordingRule, recording_groups
from butterfly_otel.render.rules import ALERTS_FILE, RULES_FILE, render_alerts, render_rules

from .demos import Demo
from .servers import Prometheus, Scrape, ServerError, wait_until

pytestmark = pytest.mark.e2e

SPEED = 20.0
#: Recorded alone while something is wrong or was: the demo's cluster is healthy.
SOMETIMES = {"butterfly:byzantine_fault_rate:1m"}
WAYS = ("pull", "otlp")


@pytest.fixture(scope="module")
def stores(
    prometheus3: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Prometheus]]:
    """A Prometheus that scrapes a demo, and one that the same demo pushes to."""
    folder = tmp_path_factory.mktemp("queries")
    options = Options(scrape_interval=1, speed=SPEED)
    for name, text in ((RULES_FILE, render_rules(options)), (ALERTS_FILE, render_alerts(options))):
        (folder / name).write_text(text)
    rules = [folder / RULES_FILE, folder / ALERTS_FILE]
    default = {"translation_strategy": "UnderscoreEscapingWithSuffixes"}
    with ExitStack() as stack:
        pushed = stack.enter_context(Prometheus(prometheus3, folder, rules=rules, otlp=default))
        arguments = ["--no-faults", "--speed", f"{SPEED:g}", "--exporter", "both"]
        arguments += ["--otlp-endpoint", pushed.otlp_endpoint, "--export-interval", "1"]
        demo = stack.enter_context(Demo(folder, arguments))
        scrapes = [Scrape([demo.target])]
        pulled = stack.enter_context(Prometheus(prometheus3, folder, scrapes=scrapes, rules=rules))
        yield {"pull": pulled, "otlp": pushed}


@pytest.mark.parametrize("way", WAYS)
def test_every_query_runs_and_those_that_must_have_an_answer(
    stores: dict[str, Prometheus], way: str
) -> None:
    """No query is an error, and a healthy cluster answers those that are not about trouble."""
    prometheus = stores[way]

    def unanswered() -> list[str]:
        expected = (query.expr for query in queries.ALL if query.always)
        return [expr for expr in expected if not _numbers(prometheus, expr)]

    try:
        wait_until(lambda: not unanswered(), 60, "an answer to every query that must have one")
    except ServerError as error:
        pytest.fail(f"{error}: {unanswered()}", pytrace=False)
    for query in queries.ALL:
        _numbers(prometheus, query.expr)


def _numbers(prometheus: Prometheus, expr: str) -> list[float]:
    """The values of an answer that are numbers; a query that fails is an error."""
    return [sample.value for sample in prometheus.query(expr) if not math.isnan(sample.value)]


@pytest.mark.parametrize("way", WAYS)
def test_every_recording_rule_records(stores: dict[str, Prometheus], way: str) -> None:
    """Each rule has a value, by pull and by OTLP, and none of them is an error."""
    prometheus = stores[way]
    rules = [rule for group in recording_groups() for rule in group.rules]
    names = {rule.record for rule in rules if isinstance(rule, RecordingRule)} - SOMETIMES

    def missing() -> set[str]:
        found = prometheus.query('{__name__=~"butterfly:.+"}')
        return names - {sample.labels["__name__"] for sample in found}

    try:
        wait_until(lambda: not missing(), 60, "a value of every recording rule")
    except ServerError as error:
        pytest.fail(f"{error}: {missing()}", pytrace=False)
    groups = prometheus.api("rules")["groups"]
    health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert set(health.values()) == {"ok"}, health


def test_both_ways_tell_the_same(stores: dict[str, Prometheus]) -> None:
    """Rules over renamed counters and unnormalised boundaries give what a scrape gives."""
    for record in ("butterfly:network_bandwidth:1m", "butterfly:p99_latency:1m"):

        def alike(expr: str = record) -> bool:
            found = [stores[way].query(f"max({expr} > 0)") for way in WAYS]
            values = [sample.value for samples in found for sample in samples]
            return len(values) == len(WAYS) and min(values) / max(values) > 0.5

        wait_until(alike, 60, f"{record} within a factor of two by either way")
    for slo in ("availability", "latency"):
        for way in WAYS:
            [share] = stores[way].wait_for(f'butterfly:slo_error_ratio:7d{{slo="{slo}"}}')
            assert 0 <= share.value < 0.05, (slo, way)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_wrong_with_a_healthy_cluster(stores: dict[str, Prometheus], way: str) -> None:
    """Neither by pull nor by OTLP does a healthy cluster fire an alert, or miss a metric.

    What is only pending counts where it can't come of a busy machine, as a slow scrape can.
    """
    prometheus = stores[way]
    prometheus.wait_for("butterfly:slo_error_ratio:7d")
    assert prometheus.query('ALERTS{alertstate="firing"}') == []
    calm = "Butterfly(JobAbsent|MetricAbsent|CardinalityOverflow|LabelViolations)"
    assert prometheus.query(f'ALERTS{{alertname=~"{calm}"}}') == []
