"""``butterfly-otel loadtest``: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.cli import main
from butterfly_otel.loadtest import memory
from butterfly_otel.operate import sizes

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN = str(Path(__file__).parents[3] / "examples" / "own_contract" / "gen_ai.yaml")
SMALL = (
    *("--nodes", "2", "--layers", "2", "--gpus", "1", "--tasks", "3"),
    *("--sets", "60", "--no-prometheus"),
    *("--metric", "butterfly_tokens_processed_total", "butterfly_gpu_temperature_celsius"),
)


@pytest.fixture(autouse=True)
def _unweighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests before have left in memory is not this command's."""
    monkeypatch.setattr(memory, "resident", lambda: None)


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, a verdict at the end, and the progress beside it."""
    assert main(["loadtest", *SMALL]) == 0
    told = capsys.readouterr()
    assert told.out.endswith("no prediction is off by more than a factor of 4.\n")
    assert "cluster: driving 2 of 2 nodes" in told.err
    assert "churn: butterfly_gpu_temperature_celsius (6 of 6)" in told.err


def test_json_has_every_count_of_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    """One object on standard output, and nothing else anywhere where that is asked for."""
    assert main(["loadtest", *SMALL, "--json", "--quiet"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert told.err == ""
    assert document["ok"] is True
    assert {(each["metric"], each["flood"]) for each in document["floods"]} == {
        (f"butterfly_{name}", flood)
        for name in ("tokens_processed_total", "gpu_temperature_celsius")
        for flood in ("ids", "limits", "churn")
    }
    for each in document["floods"]:
        assert each["offered"] == each["kept"] + each["overflowed"] + each["refused"]
    # The models of one compute node.
    assert document["cluster"]["found"]["kept"]["butterfly_tokens_processed_total"] == 2


def test_a_wrong_prediction_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said which, by how much, and in Markdown where that is asked for."""
    real: Callable[..., dict[str, int]] = sizes.node_series

    def tenfold(*given: object) -> dict[str, int]:
        return {name: 10 * count for name, count in real(*given).items()}

    monkeypatch.setattr(sizes, "node_series", tenfold)
    command = ["loadtest", *SMALL, "--scenario", "cluster", "--markdown", "--quiet"]
    assert main(command) == 1
    out = capsys.readouterr().out
    assert "cluster: butterfly_tokens_processed_total: 2 samples instead of 20 predicted" in out
    assert "| of the cluster | measured | predicted |" in out
    assert main([*command, "--factor", "10"]) == 0


def test_processes_flood_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes share the metrics, and the report is in the catalogue's order."""
    command = [*SMALL, "--scenario", "ids", "--processes", "2", "--json", "--quiet"]
    assert main(["loadtest", *command]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cluster"] is None
    assert [each["metric"] for each in document["floods"]] == [
        "butterfly_tokens_processed_total",
        "butterfly_gpu_temperature_celsius",
    ]
    assert all(each["sets"] == 60 for each in document["floods"])


def test_a_contract_of_ones_own_is_driven_beyond_its_budgets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All its metrics, in every scenario but the cluster, which is Butterfly's."""
    assert main(["loadtest", "--catalog", _OWN, "--sets", "40", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cluster"] is None
    found = {(each["metric"], each["flood"]) for each in document["floods"]}
    assert len(found) == 15
    assert ("gen_ai.server.requests_in_flight", "churn") in found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--drive", "0"], "--drive is 0; give 1 or more"),
        (["--sets", "0"], "--sets is 0; give 1 or more"),
        (["--processes", "0"], "--processes is 0; give 1 or more"),
        (["--scrapes", "0"], "--scrapes is 0; give 1 or more"),
        (["--prometheus-port", "70000"], "--prometheus-port is 70000; give 65535 or less"),
        (["--factor", "0.5"], "--factor is 0.5; give 1 or more"),
        (["--scrape-interval", "0s"], "--scrape-interval is 0"),
        (["--nodes", "1"], "leave none that computes"),
        (["--metric", "butterfly_nothing"], "--metric butterfly_nothing is not a metric"),
        (["--catalog", "nowhere.yaml"], "nowhere.yaml"),
        (["--catalog", _OWN, "--scenario", "cluster"], "leave it out with --catalog"),
        (["--views", "nowhere.yaml"], "nowhere.yaml"),
        (["--prometheus", "/nowhere/prometheus"], "/nowhere/prometheus is no executable file"),
    ],
)
def test_wrong_options_are_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can't be done is exit code 2, and how to mend it."""
    assert main(["loadtest", "--quiet", *arguments]) == 2
    assert words in capsys.readouterr().err
