"""What is rendered from a contract of one's own: a module that works, Views, pages, dashboards."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from butterfly_otel import CatalogError, catalog
from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.catalogs import load
from butterfly_otel.cli import main
from butterfly_otel.lint.dashboards import lint_dashboard
from butterfly_otel.render import dashboards as grafana
from butterfly_otel.render.own import own_artefacts
from butterfly_otel.render.own_handles import handle_names, render_own_handles
from butterfly_otel.views.documents import load_document

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "own_contract"
needs_grafana = pytest.mark.skipif(not grafana.available(), reason=grafana.INSTALL)


def metric(name: str, *labels: Label, kind: str = "counter", unit: str = "{x}") -> Metric:
    """Return a metric of some kind."""
    type_ = "histogram" if kind == "histogram" else "counter" if kind == "counter" else "gauge"
    return Metric(
        name=name,
        type=type_,
        instrument=kind,
        why="W.",
        unit=unit,
        help="H.",  # type: ignore[arg-type]
        category="all",
        query=name,
        labels=labels,
        buckets=(1.0,) if type_ == "histogram" else (),
    )


#: Labels and names that Python has for something else.
ODD = Catalog(
    name="odd",
    meter="odd",
    metrics=(
        metric(
            "odd.class",
            *(
                Label(key=key, kind="bounded", help='A \\ and """quotes""".', budget=3)
                for key in ("type", "self", "amount", "cells", "import", "2x", "float", "a.b")
            ),
        ),
        metric("timer", Label(key="code", kind="bounded", help="", budget=9, type="int")),
        metric(
            "ALL", Label(key="on", kind="closed", help="", values=("false", "true"), type="boolean")
        ),
        metric(
            "import",
            Label(key="n", kind="closed", help="", values=("1", "2"), type="int"),
            kind="histogram",
            unit="s",
        ),
        metric(
            "odd.gauge",
            Label(key="x", kind="closed", help="", values=('"', "\\"), default="empty"),
            kind="gauge",
        ),
        metric("odd.up", kind="up_down_counter"),
        metric(
            "odd.seen",
            Label(key="d", kind="bounded", help="", budget=2, type="double"),
            kind="observable_gauge",
        ),
    ),
    exceptions=(("name-shape", "ALL", "R."),),
)


def imported(folder: Path, contract: Catalog, name: str) -> types.ModuleType:
    """Render the handles of a contract, and import them."""
    file = folder / f"{name}.py"
    file.write_text(render_own_handles(contract, "x.yaml"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("contract", [catalog.BUTTERFLY, ODD], ids=lambda each: each.name)
def test_the_module_holds_the_whole_contract(contract: Catalog, tmp_path: Path) -> None:
    """What is imported has equal metrics, a handle for each, and the contract's own facts."""
    module = imported(tmp_path, contract, f"own_{contract.name}_handles")
    assert module.CATALOG.metrics == contract.metrics
    assert module.CATALOG.handles == module.ALL
    assert [handle.metric for handle in module.ALL] == list(contract.metrics)
    facts = ("name", "meter", "prefix", "exceptions")
    assert [getattr(module.CATALOG, each) for each in facts] == [
        getattr(contract, each) for each in facts
    ]
    for name in handle_names(contract):
        assert getattr(module, name) in module.ALL
        assert name in module.__all__


def test_handles_of_odd_names_can_be_called(tmp_path: Path) -> None:
    """Labels that are called as what a method uses are other parameters, and nothing breaks."""
    module = imported(tmp_path, ODD, "own_odd_calls")
    labels = {"type_": "a", "self_": "b", "amount_": "c", "cells_": "d", "import_": "e"}
    module.odd_class.add(2, **labels, _2x="f", float_="g", a_b="h")
    module.timer.inc(code=3)
    module.ALL_.inc(on=True)
    with module.import_.time(n=1):
        pass
    module.odd_gauge.set(1)
    module.odd_up.inc()
    assert module.odd_seen.observation(1, d=0.5).attributes == {"d": 0.5}


def test_handles_are_pickled_by_name(tmp_path: Path) -> None:
    """A handle of a rendered module is a global of it, as ours are."""
    module = imported(tmp_path, ODD, "own_odd_pickled")
    assert module.odd_up.__reduce__() == "odd_up"


def test_two_metrics_of_one_name_in_python_are_refused() -> None:
    """Dots and underscores that meet are one sentence."""
    both = Catalog(name="both", meter="both", metrics=(metric("a.b_c"), metric("a.b.c")))
    with pytest.raises(CatalogError, match=r"a\.b_c and a\.b\.c of both are both a_b_c in Python"):
        render_own_handles(both, "x.yaml")


def test_the_example_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that a user's CI runs has nothing against what is checked in."""
    monkeypatch.chdir(EXAMPLE)
    arguments = ["--handles", "gen_ai_metrics.py", "--views", "gen_ai_views.yaml"]
    arguments += ["--reference", "gen_ai_metrics.md"]
    arguments += ["--dashboards", "dashboards"] if grafana.available() else []
    assert main(["render", "--catalog", "gen_ai.yaml", *arguments, "--check"]) == 0


def test_check_finds_what_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed or missing file fails, rendering mends it, and nothing else is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text((EXAMPLE / "gen_ai.yaml").read_text("utf-8"), "utf-8")
    command = ["render", "--catalog", "mine.yaml", "--handles", "sub/m.py", "--views", "v.yaml"]
    assert main([*command, "--check"]) == 1
    assert "m.py is out of date" in capsys.readouterr().err
    assert main(command) == 0
    assert main([*command, "--check"]) == 0
    assert "5 metrics without a mistake, 2 files up to date" in capsys.readouterr().out
    (tmp_path / "v.yaml").write_text("")
    assert main([*command, "--check"]) == 1
    assert sorted(each.name for each in tmp_path.rglob("*.*")) == ["m.py", "mine.yaml", "v.yaml"]


def test_nothing_is_rendered_of_a_contract_with_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lint findings are printed, errors end the command, and no file is written."""
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLE / "gen_ai.yaml").read_text("utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("gen_ai.client.token.usage", "gen_ai..x"))
    assert main(["render", "--catalog", "mine.yaml", "--handles", "m.py"]) == 1
    assert "error name-shape: gen_ai..x: " in capsys.readouterr().err
    assert not (tmp_path / "m.py").exists()


def test_outputs_want_a_contract(capsys: pytest.CaptureFixture[str]) -> None:
    """`--handles` without `--catalog` would overwrite nothing of ours: it is refused."""
    assert main(["render", "--handles", "m.py"]) == 2
    assert "--handles is for a contract of yours; pass that by --catalog" in capsys.readouterr().err


def test_views_are_true_to_the_schema(tmp_path: Path) -> None:
    """The file is a declarative configuration, on the contract's meter."""
    contract = load(EXAMPLE / "gen_ai.yaml")
    [views] = own_artefacts(contract, "gen_ai.yaml", views=str(tmp_path / "v.yaml"))
    (tmp_path / "v.yaml").write_text(views.text(Path()))
    document = load_document(tmp_path / "v.yaml")
    found = document["meter_provider"]["views"]
    assert {each["selector"]["meter_name"] for each in found} == {"gen_ai.server"}
    assert [each["selector"]["instrument_name"] for each in found] == [m.name for m in contract]


def test_the_reference_has_every_metric_by_both_names() -> None:
    """Each metric's heading, its name in Prometheus, labels and query are on the page."""
    contract = load(EXAMPLE / "gen_ai.yaml")
    [page] = own_artefacts(contract, "gen_ai.yaml", reference="r.md")
    text = page.text(Path())
    for each in contract:
        assert f"### `{each.name}`" in text
        assert f"`{each.prometheus_name}`" in text
        assert each.query in text


LONG = replace(
    ODD,
    name="a_contract_of_a_name_that_is_longer_than_most",
    metrics=tuple(replace(each, category="what.is_long.as.well.so.that_it.adds") for each in ODD),
)


@needs_grafana
@pytest.mark.parametrize(
    "contract",
    [load(EXAMPLE / "gen_ai.yaml"), catalog.BUTTERFLY, ODD, LONG],
    ids=lambda each: each.name,
)
def test_dashboards_keep_every_rule_and_show_every_metric(contract: Catalog) -> None:
    """One a category, without a finding, of a uid that Grafana takes, with each metric's name."""
    boards = own_artefacts(contract, "x", dashboards="d")
    assert len(boards) == len({metric.category for metric in contract})
    shown = ""
    for each in boards:
        document = json.loads(each.text(Path()))
        assert lint_dashboard(document, contract) == []
        assert len(document["uid"]) <= 40
        shown += json.dumps(document)
    for metric_ in contract:
        assert metric_.prometheus_name in shown


def test_yaml_of_the_example_is_as_the_conventions_have_it() -> None:
    """Names, units and buckets of the GenAI metrics are those of OpenTelemetry."""
    contract = load(EXAMPLE / "gen_ai.yaml")
    assert contract["gen_ai.server.request.duration"].buckets == tuple(
        0.01 * 2**power for power in range(14)
    )
    assert contract["gen_ai.client.token.usage"].buckets == tuple(4.0**p for p in range(14))
    assert contract["gen_ai.client.token.usage"].unit == "{token}"
    text = yaml.safe_load((EXAMPLE / "gen_ai.yaml").read_text("utf-8"))
    assert all(group["stability"] for group in text["groups"] if group["type"] == "metric")


TYPES = """\
import own_typed as own

own.server_request_duration.record(
    1.0, gen_ai_operation_name="chat", gen_ai_provider_name="x", server_port=1
)
took = own.server_request_duration
took.record(1.0, gen_ai_operation_name="x", gen_ai_provider_name="x")  # wrong
took.record(1.0, gen_ai_operation_name="chat")  # wrong
own.server_requests_in_flight.inc(model="x")  # wrong
with own.server_time_to_first_token.time(gen_ai_operation_name="chat", gen_ai_provider_name="x"):
    pass
own.client_token_usage.bind(
    gen_ai_operation_name="chat", gen_ai_provider_name="x", gen_ai_token_type="input"
).record(1)
"""


@pytest.mark.long
@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_handles_are_typed(checker: str, tmp_path: Path) -> None:
    """Two type checkers accept the module in strict mode, and find each wrong call of it."""
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed: pip install --group lint")
    contract = load(EXAMPLE / "gen_ai.yaml")
    (tmp_path / "own_typed.py").write_text(render_own_handles(contract, "x.yaml"))
    (tmp_path / "use.py").write_text(TYPES)
    strict = {"extraPaths": [str(ROOT)], "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(strict))
    options = ["--strict", "use.py", "own_typed.py"] if checker == "mypy" else []
    result = subprocess.run(
        [sys.executable, "-m", checker, *options],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": os.pathsep.join(map(str, (tmp_path, ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in result.stdout.splitlines() if "error" in line and ".py:" in line]
    wrong = {number for number, line in enumerate(TYPES.splitlines(), 1) if "# wrong" in line}
    assert {int(line.split(".py:")[1].split(":")[0]) for line in lines} == wrong, result.stdout
    assert all("use.py" in line for line in lines)
