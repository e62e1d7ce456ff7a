"""`butterfly-otel runbook` shows what an alert means; alerts lead to it, or link to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from butterfly_otel.cli import main
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.operate.rules import Alert, Options, alert_groups
from butterfly_otel.render.rules import render_alerts

FOLDER = Path(__file__).parents[3] / "docs" / "runbooks"
ALERTS = {
    rule.name: rule.severity
    for group in alert_groups()
    for rule in group.rules
    if isinstance(rule, Alert)
}


def annotations(options: Options) -> dict[str, dict[str, Any]]:
    """Return the annotations of each alert."""
    groups = yaml.safe_load(render_alerts(options))["groups"]
    return {each["alert"]: each["annotations"] for group in groups for each in group["rules"]}


@pytest.mark.parametrize("given", ["GPUOverheating", "gpuoverheating"])
def test_it_shows_a_runbook(capsys: pytest.CaptureFixture[str], given: str) -> None:
    """A runbook is printed as it is, however its alert's name is capitalised."""
    assert main(["runbook", given]) == 0
    assert capsys.readouterr().out == (FOLDER / "GPUOverheating.md").read_text("utf-8")


def test_it_lists_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name it is one line an alert, with its severity and its symptom."""
    assert main(["runbook"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [name, severity] for name, severity in sorted(ALERTS.items())
    ]
    [hot] = [line for line in lines if line.startswith("GPUOverheating")]
    assert hot.endswith("A GPU is above 85 °C for five minutes.")


def test_an_unknown_alert_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that there is not, misspelt or a path, is told with what may be meant."""
    assert main(["runbook", "GPUOverheated"]) == 2
    assert "did you mean GPUOverheating?" in capsys.readouterr().err
    assert main(["runbook", "../index"]) == 2
    error = capsys.readouterr().err
    assert "there is no alert '../index'; `butterfly-otel runbook` lists them" in error


def test_alerts_name_the_command_where_there_is_no_link() -> None:
    """Unless runbooks are somewhere, an alert has no dead link but what shows its runbook."""
    for name, found in annotations(Options()).items():
        assert found["runbook"] == f"butterfly-otel runbook {name}"
        assert "runbook_url" not in found


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://w.example/rb", "https://w.example/rb/HighLatency.md"),
        ("https://w.example/rb/{alert}.html", "https://w.example/rb/HighLatency.html"),
        ("http://node:9464/-/runbooks/{alert}", "http://node:9464/-/runbooks/HighLatency"),
        ("https://w.example/?page={alert}&v=1", "https://w.example/?page=HighLatency&v=1"),
    ],
)
def test_links_lead_where_the_runbooks_are(tmp_path: Path, given: str, url: str) -> None:
    """The alert's link, and a dashboard's once its variable is filled in, are the same URL."""
    found = annotations(Options(runbooks=given))["HighLatency"]
    assert found["runbook_url"] == url
    assert "runbook" not in found
    pytest.importorskip("grafana_foundation_sdk")
    assert main(["dashboards", "--only", "overview", "-o", str(tmp_path), "--runbooks", given]) == 0
    document = json.loads((tmp_path / "overview.json").read_text("utf-8"))
    [variable] = [each for each in document["templating"]["list"] if each["name"] == "runbooks"]
    links = [link["url"] for panel in document["panels"] for link in panel.get("links", ())]
    filled = {link.replace("${runbooks:raw}", variable["query"]) for link in links}
    assert url in filled
    # The table of alerts links each name.
    text = json.dumps(document).replace("${runbooks:raw}", variable["query"])
    assert json.dumps(url.replace("HighLatency", "${__value.raw}"))[1:-1] in text


def test_without_a_url_dashboards_have_no_dead_links() -> None:
    """The shipped dashboards link to no runbook, since nobody serves them there."""
    for path in (FOLDER.parent / "dashboards").glob("*.json"):
        assert "runbooks" not in path.read_text("utf-8")


@pytest.mark.parametrize("wrong", ["docs/runbooks", "example.org/x", "https://a b/", "//x"])
def test_what_no_browser_opens_is_refused(wrong: str) -> None:
    """A path would make a link that leads nowhere."""
    with pytest.raises(ConfigurationError, match="which is not a URL"):
        Options(runbooks=wrong)
