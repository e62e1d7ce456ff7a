"""`butterfly-otel loadtest` with a real Prometheus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.cli import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

CLUSTER = (
    *("--nodes", "8", "--layers", "3", "--gpus", "1", "--tasks", "4"),
    *("--scenario", "cluster", "--scrape-interval", "1s", "--scrapes", "2"),
)


@pytest.mark.long
@pytest.mark.parametrize("processes", ["1", "2"])
def test_prometheus_has_every_series_that_is_predicted(
    prometheus3: Path, processes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It scrapes every node, of one process or of two, and takes each sample of their pages."""
    command = ["loadtest", *CLUSTER, "--prometheus", str(prometheus3), "--processes", processes]
    assert main([*command, "--json", "--quiet"]) == 0
    cluster = json.loads(capsys.readouterr().out)["cluster"]
    scraped = cluster["scraped"]
    assert scraped["targets"] == cluster["driven"] == 8
    assert scraped["failed"] == []
    assert scraped["samples"] == cluster["predicted_series"]
    # And five that Prometheus makes of each target itself, at least.
    assert scraped["head_series"] >= cluster["predicted_series"] + 5 * 8
    assert cluster["found"]["kept"] == cluster["found"]["offered"]
    assert scraped["rounds"] == 2


@pytest.mark.long
def test_prometheus_2_is_as_good(prometheus2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures come from what both versions have."""
    command = ["loadtest", *CLUSTER, "--prometheus", str(prometheus2)]
    assert main([*command, "--json", "--quiet"]) == 0
    cluster = json.loads(capsys.readouterr().out)["cluster"]
    assert cluster["scraped"]["samples"] == cluster["predicted_series"]
    assert cluster["scraped"]["version"].startswith("2.")
