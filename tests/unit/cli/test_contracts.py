"""`--catalog`: the commands on a contract of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from butterfly_otel.catalogs import load
from butterfly_otel.cli import main
from butterfly_otel.operate import sizes
from butterfly_otel.views.streams import Stream

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_contract" / "gen_ai.yaml"
GOOD = """\
# HELP gen_ai_server_requests_in_flight Requests that are being answered.
# TYPE gen_ai_server_requests_in_flight gauge
gen_ai_server_requests_in_flight{gen_ai_request_model="llama"} 1.0
# HELP butterfly_requests_total Requests handled by this node, by method and outcome.
# TYPE butterfly_requests_total counter
butterfly_requests_total{node_role="compute",method="inference",status="success"} 1.0
"""


def check(folder: Path, text: str, *options: str) -> int:
    """Check an exposition against the contract."""
    file = folder / "metrics.txt"
    file.write_text(text, encoding="utf-8")
    return main(["check", "--catalog", str(EXAMPLE), *options, str(file)])


def test_check_holds_an_exposition_against_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names and labels are those of Prometheus; Butterfly's metrics are known and checked too."""
    assert check(tmp_path, GOOD) == 0
    assert check(tmp_path, GOOD.replace("gen_ai_request_model", "model")) == 1
    assert check(tmp_path, GOOD.replace('status="success"', 'status="sucess"')) == 1
    capsys.readouterr()
    assert check(tmp_path, GOOD, "--all", "--json") == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    absent = {each["subject"] for each in found if each["rule"] == "absent"}
    assert absent == {
        metric.prometheus_name for metric in load(EXAMPLE) if metric.type == "histogram"
    }


def test_check_of_a_scrape_without_any_of_its_metrics_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Butterfly's alone do not make the contract true."""
    text = GOOD[GOOD.index("# HELP butterfly") :]
    assert check(tmp_path, text) == 1
    assert "no-metrics" in capsys.readouterr().out


def test_sizes_tells_the_most_series(capsys: pytest.CaptureFixture[str]) -> None:
    """The ceiling of the budgets, for Prometheus' sample_limit, alone and with Butterfly's."""
    assert main(["sizes", "--catalog", str(EXAMPLE), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    streams = [Stream.of(metric) for metric in load(EXAMPLE)]
    assert found["process_samples"] == sizes.ceiling(streams) == 1 + sum(found["series"].values())
    assert found["series"]["gen_ai.server.requests_in_flight"] == 21
    assert found["sample_limit"] < found["sample_limit_with_butterfly"]
    assert main(["sizes", "--catalog", str(EXAMPLE)]) == 0
    assert "in all" in capsys.readouterr().out


def test_catalog_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Every metric, in every format, and its own categories."""
    for form in ("table", "json", "markdown", "weaver"):
        assert main(["catalog", "--catalog", str(EXAMPLE), "--format", form]) == 0
        text = capsys.readouterr().out
        for metric in load(EXAMPLE):
            assert metric.name in text
        assert "butterfly_requests_total" not in text
    assert main(["catalog", "--catalog", str(EXAMPLE), "--category", "gen_ai"]) == 0
    with pytest.raises(SystemExit):
        main(["catalog", "--catalog", str(EXAMPLE), "--category", "requests"])


def test_views_writes_its_views(capsys: pytest.CaptureFixture[str]) -> None:
    """On the contract's own meter, with the strategy that its names with dots need."""
    assert main(["views", "--catalog", str(EXAMPLE)]) == 0
    text = capsys.readouterr().out
    assert "the Views of the gen_ai contract" in text
    assert text.count("meter_name: gen_ai.server") == 5
    assert "translation_strategy: underscore_escaping_with_suffixes\n" in text


def test_a_module_is_looked_for_in_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `python -m` does, the commands find `module:ATTRIBUTE` beside them."""
    text = "from butterfly_otel.catalog import BUTTERFLY as MINE\n"
    (tmp_path / "contract_beside_it.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere", *__import__("sys").path])
    assert main(["catalog", "--catalog", "contract_beside_it:MINE", "butterfly_cpu*"]) == 0
    assert "butterfly_cpu_usage_ratio" in capsys.readouterr().out


def test_a_wrong_contract_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command says what is wrong, and ends with 2."""
    for command in ("catalog", "views", "sizes", "render", "check"):
        target = ["-"] if command == "check" else []
        assert main([command, "--catalog", "no/such.yaml", *target]) == 2
        assert "the contract no/such.yaml: can't be read" in capsys.readouterr().err
