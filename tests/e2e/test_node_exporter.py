"""A real node_exporter beside the nodes: the how-to's relabelling, and the alert that needs it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from butterfly_otel.operate.rules import alert_groups

from .node_exporter import NodeExporter
from .processes import wait_until
from .prometheus import Prometheus, Scrape

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "prometheus.md"


def _relabelling() -> list[dict[str, object]]:
    """Return what the page gives the job of node_exporter."""
    blocks = re.findall(
        r"```yaml prometheus\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    [job] = [
        job
        for block in blocks
        for job in yaml.safe_load(block)["scrape_configs"]
        if job["job_name"] == "node"
    ]
    found: list[dict[str, object]] = job["relabel_configs"]
    return found


def test_its_memory_is_a_nodes(node_exporter: Path, prometheus3: Path, tmp_path: Path) -> None:
    """With the page's relabelling HighMemoryUsage sees the machine, without it nothing."""
    rules = {rule.name: rule for rule in alert_groups()[0].rules if hasattr(rule, "after")}
    share = rules["HighMemoryUsage"].expr.rpartition(">")[0]
    for each in ("exporter", "prometheus"):
        (tmp_path / each).mkdir()
    with NodeExporter(node_exporter, tmp_path / "exporter", None, "meminfo") as exporter:
        scrapes = [
            Scrape([exporter.address], "node", extra={"relabel_configs": _relabelling()}),
            Scrape([exporter.address], "plain"),
        ]
        with Prometheus(prometheus3, tmp_path / "prometheus", scrapes=scrapes) as prometheus:
            wait_until(
                lambda: len(prometheus.query("up == 1")) == 2,
                timeout=60,
                what="both jobs are scraped",
            )
            [found] = wait_until(lambda: prometheus.query(share), timeout=60, what="a share")
    assert dict(found.labels) == {"node_id": "127"}
    assert 0 < found.value < 1
