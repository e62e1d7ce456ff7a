"""``butterfly-otel sizes`` and the page that shows what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from butterfly_otel.cli import main
from butterfly_otel.operate.sizes import (
    ROLES,
    Shape,
    ceiling,
    cluster_series,
    node_series,
    sample_limit,
)
from butterfly_otel.views.overlays import apply_overlay
from butterfly_otel.views.streams import default_streams

DOCS = Path(__file__).parents[3] / "docs"
SHOWN = re.findall(
    r"```console\n\$ butterfly-otel (sizes.*)\n((?:.*\n)+?)```",
    (DOCS / "scaling.md").read_text(encoding="utf-8"),
)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_the_command_says(
    command: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every table of docs/scaling.md is the output of the command above it."""
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == output, (
        f"docs/scaling.md shows another output of `butterfly-otel {command}`; put there what the"
        " command prints now, and look whether sample_limit is still enough"
    )


def test_the_page_has_three_tables() -> None:
    """The contract, the overlay and the worst case: none of them is left out of the check."""
    assert len(SHOWN) == 3


def test_a_small_cluster_by_hand() -> None:
    """Series follow from labels: peers, layers times models, buckets with sum, count and +Inf."""
    shape = Shape(coordinators=1, compute=3, observers=0, models=2, layers=5, neighbours=1, gpus=4)
    node = node_series("compute", shape)
    assert node["butterfly_layer_compute_duration_seconds"] == 5 * 2 * 9
    assert node["butterfly_connection_active"] == 2  # the coordinator and one neighbour
    assert node["butterfly_network_bytes_sent"] == 2 * 2
    assert node["butterfly_gpu_memory_bytes"] == 4 * 2
    assert node["butterfly_requests_total"] == 3 * 2
    assert "butterfly_tasks_assigned_total" not in node
    coordinator = node_series("coordinator", shape)
    assert coordinator["butterfly_connection_active"] == 3
    assert coordinator["butterfly_tasks_assigned_total"] == 3
    assert "butterfly_layer_compute_duration_seconds" not in coordinator
    total = 4 + 3 * sum(node.values()) + sum(coordinator.values())
    assert cluster_series(shape) == total


def test_budgets_and_limits_bound_a_node() -> None:
    """However large the cluster, no node exports more than the ceiling, nor a metric its limit."""
    huge = Shape.of(100_000, models=10**4, layers=10**4, gpus=10**4, neighbours=10**5, tasks=10**6)
    for role in ROLES:
        series = node_series(role, huge)
        assert sum(series.values()) < ceiling() < sample_limit()
    # Its peers are all nodes, and the histogram has 7 buckets, sum, count and +Inf.
    series = node_series("coordinator", huge)
    assert series["butterfly_connection_latency_seconds"] == 1_000 * 10


def test_the_overlay_makes_a_cluster_smaller() -> None:
    """Dropped labels count for nothing, and dropped metrics have no series."""
    streams = apply_overlay(default_streams(), "low-cardinality")
    before, after = (node_series("compute", Shape(), each) for each in (None, streams))
    waits = "butterfly_dependency_wait_duration_seconds"
    assert (before[waits], after[waits]) == (800, 8)
    assert ceiling(streams) < ceiling()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "0"], "nodes is 0; give 1 or more"),
        (["--nodes", "1"], "of 1 nodes, 1 as coordinators and observers leave none that computes"),
        (["--nodes", "10", "--coordinators", "10"], "leave none that computes"),
        (["--nodes", "-5"], "nodes is -5; give 1 or more"),
        (["--layers", "-1"], "layers is -1"),
        (["--scrape-interval", "0s"], "--scrape-interval is 0"),
        (["--views", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_numbers_are_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that can't be is refused, and so is an overlay that is not there."""
    assert main(["sizes", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_overlay_on_the_page_saves_what_is_largest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be applied after the shipped one, and takes layers out of the largest metrics."""
    text = (DOCS / "scaling.md").read_text(encoding="utf-8")
    [overlay] = re.findall(r"```yaml\n(# views/by-node.*?)```", text, re.DOTALL)
    path = tmp_path / "by-node.yaml"
    path.write_text(overlay, encoding="utf-8")
    assert main(["sizes", "--views", "low-cardinality", str(path)]) == 0
    largest = capsys.readouterr().out.partition("largest metrics")[2]
    assert "butterfly_connection_latency_seconds" in largest
    assert "butterfly_tensor_size_bytes" not in largest


def test_links_of_the_guides_lead_somewhere() -> None:
    """Every relative link of both pages names a file or folder of the repository."""
    for page in ("operating.md", "scaling.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", (DOCS / page).read_text()):
            assert (DOCS / link).exists(), f"{page}: {link}"


def test_json_says_what_the_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, with plain numbers, for each size of a cluster."""
    assert main(["sizes", "--nodes", "10", "100", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["nodes"] for each in document["clusters"]] == [10, 100]
    series = cluster_series(Shape.of(100), default_streams())
    assert document["clusters"][1]["series"] == series
    assert document["clusters"][1]["samples_per_second"] == series / 15
    assert document["sample_limit"] == sample_limit()
    assert document["largest"]["nodes"] == 100
    assert len(document["largest"]["series"]) == 8
