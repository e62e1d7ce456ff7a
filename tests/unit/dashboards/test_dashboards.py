"""The dashboards: complete, true to the catalogue and the alerts, and without a finding."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel import ConfigurationError, catalog
from butterfly_otel.cli import main
from butterfly_otel.lint.dashboards import lint_dashboard
from butterfly_otel.lint.dashboards.promql import selectors
from butterfly_otel.operate.dashboards import SLUGS, Options, Panel, dashboards
from butterfly_otel.operate.rules import (
    Alert,
    RecordingRule,
    Thresholds,
    alert_groups,
    recording_groups,
)
from butterfly_otel.operate.rules import Options as RuleOptions
from butterfly_otel.render.dashboards import renderers
from tests.promql_names import known, known_labels, labels, metrics

DOCS = Path(__file__).parents[3] / "docs" / "dashboards"
BOARDS = dashboards()
PANELS = [(board.slug, panel) for board in BOARDS for panel in board.panels]
ALERTS = {rule.name for group in alert_groups() for rule in group.rules if isinstance(rule, Alert)}
RECORDED = {
    rule.record
    for group in recording_groups()
    for rule in group.rules
    if isinstance(rule, RecordingRule)
}


def shipped(slug: str) -> dict[str, Any]:
    """Return a dashboard as it is checked in."""
    document: dict[str, Any] = json.loads((DOCS / f"{slug}.json").read_text("utf-8"))
    return document


def text_of(options: Options) -> str:
    """Return every expression under options."""
    return "\n".join(t.expr for b in dashboards(options) for p in b.panels for t in p.targets)


@pytest.mark.parametrize("slug", SLUGS)
def test_lint_has_nothing_against_what_is_checked_in(slug: str) -> None:
    """No rule finds anything in the JSON that users import."""
    assert lint_dashboard(shipped(slug)) == []


def test_there_is_a_file_for_each_dashboard_and_no_other() -> None:
    """The overview and one for each category of the specification."""
    assert {path.stem for path in DOCS.glob("*.json")} == set(SLUGS)
    categories = {metric.category for metric in catalog.CONTRACT}
    assert set(SLUGS) == {"overview", *categories}


def test_every_metric_is_shown() -> None:
    """Each metric of the contract, and of the SDK's own, is on a panel."""
    names = {
        each.name.removesuffix(part)
        for _, panel in PANELS
        for target in panel.targets
        for each in selectors(target.expr)
        for part in ("", "_bucket", "_sum", "_count")
    }
    assert {metric.name for metric in catalog.ALL} - names == set()


def test_every_alert_has_a_panel_and_a_runbook() -> None:
    """Each alert is linked from a panel, and no link names an alert that there is not."""
    linked = {alert for _, panel in PANELS for alert in panel.alerts}
    assert linked == ALERTS
    pytest.importorskip("grafana_foundation_sdk")
    options = Options(rules=RuleOptions(runbooks="https://w.example"))
    found = set()
    for render in renderers(options).values():
        for panel in json.loads(render())["panels"]:
            for link in panel.get("links", ()):
                if "runbooks" in link["url"]:
                    name = link["url"].rpartition("/")[2]
                    assert (DOCS.parent / "runbooks" / name).is_file()
                    found.add(name.removesuffix(".md"))
    assert found == ALERTS


def test_links_lead_to_dashboards() -> None:
    """What a panel names for more is a dashboard, by its uid and with time and variables kept."""
    assert {panel.details for _, panel in PANELS} - {""} < set(SLUGS)
    urls = [
        link["url"]
        for panel in shipped("overview")["panels"]
        for link in panel.get("links", ())
        if link["url"].startswith("/d/")
    ]
    assert len(urls) >= 9
    for url in urls:
        address, _, parameters = url.partition("?")
        assert shipped(address.removeprefix("/d/butterfly-"))["uid"] == address[3:]
        assert parameters == "${__url_time_range}&${__all_variables}"
    [siblings] = shipped("overview")["links"]
    assert (siblings["tags"], siblings["keepTime"], siblings["includeVars"]) == (
        ["butterfly"],
        True,
        True,
    )


@pytest.mark.parametrize(("slug", "panel"), PANELS, ids=lambda part: getattr(part, "title", part))
def test_queries_name_what_there_is(slug: str, panel: Panel) -> None:
    """No metric, recorded series or label that does not exist."""
    for target in panel.targets:
        names = metrics(target.expr)
        assert [name for name in names if not known(name, RECORDED)] == [], slug
        extra = ("cluster", "alertname", "alertstate", "severity", "exporter")
        assert labels(target.expr) <= known_labels(*extra), target.expr


def test_latency_has_exemplars() -> None:
    """Quantiles over time and heatmaps of durations ask for exemplars; what is now can't."""
    for slug, panel in PANELS:
        for target in panel.targets:
            timed = "_seconds_bucket" in target.expr and panel.kind in {"lines", "heatmap"}
            assert target.exemplars == timed, (slug, panel.title)


def test_panels_have_known_units() -> None:
    """Each unit is one of Grafana's own, or a suffix."""
    units = pytest.importorskip("grafana_foundation_sdk.models.units")
    grafanas = {value for name, value in vars(units).items() if isinstance(value, str)}
    wrong = {p.unit for _, p in PANELS if p.unit not in grafanas and "suffix:" not in p.unit}
    assert wrong == set()


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
def test_grafanas_own_types_read_them_back() -> None:
    """What is checked in survives a round trip through the types of Grafana's SDK."""
    pytest.importorskip("grafana_foundation_sdk")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
    from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    register_default_plugins()
    for slug in SLUGS:
        document = shipped(slug)
        back = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
        for hidden in (*back["links"], *back["annotations"]["list"]):
            del hidden["placement"]
        assert back == document


def test_choices_narrow_what_has_their_label() -> None:
    """A variable is in every selector whose metric has its label, and in no other."""
    found = {
        (each.name, label)
        for board in BOARDS
        if "node" in board.choices
        for panel in board.panels
        for target in panel.targets
        for each in selectors(target.expr)
        for label, _, value in each.matchers
        if value == "$node"
    }
    for name, label in found:
        given = re.search("_received|_assigned", name)
        assert label == "to_node" if given else label in {"node_id", "from_node"}
        assert label in known_labels()
    # How far terms are apart is about all coordinators, whichever are chosen.
    reached = {name for name, _ in found} | {"butterfly_consensus_term"}
    for metric in catalog.CONTRACT:
        if {"node_id", "from_node", "to_node"} & set(metric.label_keys):
            assert reached & {metric.name + part for part in ("", "_bucket", "_sum")}, metric.name


def test_matchers_and_extra_labels_reach_every_selector() -> None:
    """Raw series get the matchers, recorded ones and alerts the extra labels."""
    rules = RuleOptions(selector=('zone="z"',), extra_labels=(("team", "t"),))
    for board in dashboards(Options(rules=rules)):
        for panel in board.panels:
            for target in panel.targets:
                for each in selectors(target.expr):
                    recorded = ":" in each.name or each.name == "ALERTS"
                    wanted = ("team", "=", "t") if recorded else ("zone", "=", "z")
                    assert wanted in each.matchers, target.expr


@pytest.mark.parametrize(
    "name", ["gpu_celsius", "queued_tasks", "error_ratio", "tokens_per_second"]
)
def test_lines_are_where_alerts_begin(name: str) -> None:
    """A threshold of the rules moves the panels' own."""
    moved = RuleOptions(thresholds=Thresholds().changed([f"{name}=0.77"]))
    steps = [
        step.at
        for board in dashboards(Options(rules=moved))
        for panel in board.panels
        for step in panel.steps
    ]
    assert 0.77 in steps
    assert not any(step.at == 0.77 for _, panel in PANELS for step in panel.steps)


def test_memory_is_what_the_alert_looks_at() -> None:
    """A node's own memory comes before its pools, which may lie in GPUs: as in HighMemoryUsage."""
    [panel] = [panel for _, panel in PANELS if panel.title == "Memory in use, of the limit"]
    own, _, pools = panel.targets[0].expr.partition(" or ")
    assert "butterfly_otel_memory_used_bytes" in own
    assert "butterfly_memory_allocated_bytes" in pools


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "Butter fly"}, "Grafana takes up to 26"),
        ({"name": "b" * 27}, "Grafana takes up to 26"),
        ({"refresh": "soon"}, "write a duration such as 30s"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, str], message: str) -> None:
    """One sentence says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=message):
        Options(**options)


def test_the_command_writes_what_docs_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without options it is the shipped files, byte for byte, in any folder."""
    pytest.importorskip("grafana_foundation_sdk")
    folder = tmp_path / "a" / "b"
    assert main(["dashboards", "--output", str(folder)]) == 0
    for slug in SLUGS:
        assert (folder / f"{slug}.json").read_bytes() == (DOCS / f"{slug}.json").read_bytes()
    assert capsys.readouterr().out.count("wrote ") == len(SLUGS)


def test_the_command_takes_every_option(tmp_path: Path) -> None:
    """Each option reaches the files, and lint still has nothing against them."""
    pytest.importorskip("grafana_foundation_sdk")
    arguments = ["dashboards", "--output", str(tmp_path), "--datasource", "prom-1"]
    arguments += ["--name", "butterfly-a", "--refresh", "off", "--selector", 'zone="z"']
    arguments += ["--extra-label", "team=t", "--threshold", "gpu_celsius=91", "--jobs", "bf-.+"]
    arguments += ["--scrape-interval", "12s", "--runbooks", "https://w.example/rb/"]
    assert main(arguments) == 0
    documents = {path.stem: json.loads(path.read_text("utf-8")) for path in tmp_path.iterdir()}
    overview = documents["overview"]
    assert (overview["uid"], overview["refresh"]) == ("butterfly-a-overview", "")
    assert overview["title"] == "Butterfly-a / Overview"
    assert overview["tags"] == ["butterfly", "butterfly-a"]
    variables = {each["name"]: each for each in overview["templating"]["list"]}
    assert variables["datasource"]["current"]["value"] == "prom-1"
    assert variables["runbooks"]["query"] == "https://w.example/rb"
    text = json.dumps(documents)
    for part in ('zone=\\"z', 'team=\\"t', "bf-.+", '"value": 91', '"value": 6.0'):
        assert part in text, part
    for document in documents.values():
        assert lint_dashboard(document) == []


def test_the_command_explains_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that can't be written is one sentence."""
    pytest.importorskip("grafana_foundation_sdk")
    (tmp_path / "file").write_text("")
    assert main(["dashboards", "--output", str(tmp_path / "file" / "x")]) == 2
    assert "choose another --output" in capsys.readouterr().err


def test_without_the_extra_it_is_said_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command fails with one sentence; `render --check` checks the rest and says so."""
    monkeypatch.setattr("butterfly_otel.render.dashboards.available", lambda: False)
    assert main(["dashboards", "--output", str(tmp_path)]) == 2
    assert "pip install 'butterfly-otel[dashboards]'" in capsys.readouterr().err
    assert main(["render", "--check"]) == 0
    said = capsys.readouterr()
    assert "14 files are up to date" in said.out
    assert "not checked: 18 files such as docs/dashboards/overview.json" in said.err
    assert "pip install 'butterfly-otel[dashboards]' (Python 3.11 or newer)" in said.err


def test_a_mean_over_what_nodes_have_is_titled_as_the_nodes() -> None:
    """Else the reader takes a node's average for the largest of what it averages."""
    means = {
        panel.title
        for _, panel in PANELS
        for target in panel.targets
        if "topk" in target.expr and re.search(r"/ \(?sum by \(node_id\)", target.expr)
    }
    assert "Nodes with the largest checkpoints" in means
    assert {title for title in means if not title.startswith("Nodes ")} == set()
