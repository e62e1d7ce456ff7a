"""Every query of every dashboard, on a real Prometheus that holds a demo cluster in trouble."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from butterfly_otel.render.rules import ALERTS_FILE, RULES_FILE, render_alerts, render_rules
from butterfly_otel.rules import Options

from . import grafana
from .demos import Demo
from .servers import Prometheus, Scrape, Server, ServerError, wait_until

pytestmark = pytest.mark.e2e

SPEED = 20.0
#: Simulated seconds at which each begins, and how long it lasts.
FAULTS = (
    "byzantine_fault@10+4000",
    "leader_instability@30+4000",
    "node_failure@80+4000",
    "queue_buildup@10+4000",
)


class Troubled(Server):
    """A node in which much goes wrong, and which pushes it; a context manager."""

    name = "troubled"
    ports_needed = 0

    def __init__(self, folder: Path, prometheus: Prometheus) -> None:
        super().__init__(Path(sys.executable), folder)
        self.prometheus = prometheus

    def command(self) -> list[str]:
        """The command line."""
        script = Path(__file__).with_name("troubled.py")
        return [str(self.program), str(script), self.prometheus.otlp_endpoint]

    def ready_url(self) -> str:
        """It serves nothing: what it pushes is waited for."""
        return self.prometheus.ready_url()


@pytest.fixture(scope="module")
def prometheus(prometheus3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with our rules that scrapes a cluster with faults, and takes a node's pushes."""
    folder = tmp_path_factory.mktemp("dashboards")
    options = Options(scrape_interval=1, speed=SPEED)
    for name, text in ((RULES_FILE, render_rules(options)), (ALERTS_FILE, render_alerts(options))):
        (folder / name).write_text(text)
    rules = [folder / RULES_FILE, folder / ALERTS_FILE]
    arguments = ["--speed", f"{SPEED:g}", "--exporter", "prometheus"]
    arguments += [part for fault in FAULTS for part in ("--fault", fault)]
    labelled = {"relabel_configs": [{"target_label": "cluster", "replacement": "demo"}]}
    with ExitStack() as stack:
        demo = stack.enter_context(Demo(folder, arguments))
        scrapes = [Scrape([demo.target], extra=labelled)]
        server = Prometheus(prometheus3, folder, rules=rules, scrapes=scrapes)
        prometheus = stack.enter_context(server)
        stack.enter_context(Troubled(folder, prometheus))
        yield prometheus


def unanswered(prometheus: Prometheus) -> set[str]:
    """Where a query of a dashboard has no answer, with All chosen everywhere."""
    return {
        query.where
        for name, board in grafana.shipped().items()
        for query in grafana.queries(name, board)
        if not grafana.answered(prometheus, query, grafana.everything(board))
    }


def test_every_query_gives_data(prometheus: Prometheus) -> None:
    """Each target of each panel and each annotation has an answer, without exception."""
    try:
        wait_until(lambda: not unanswered(prometheus), 30, "an answer to every query")
    except ServerError as error:
        pytest.fail(f"{error}: {sorted(unanswered(prometheus))}", pytrace=False)


def test_every_variable_offers_values_and_each_can_be_chosen(prometheus: Prometheus) -> None:
    """Each variable has something to choose, and no query breaks or goes blank when all of it is.

    Series without a label are in All alone, so what is narrowed by a label they lack may be
    missing: the pushing node has no cluster.
    """
    prometheus.wait_for("butterfly_otel_exports_total")
    for name, board in grafana.shipped().items():
        offers = grafana.offered(board, prometheus)
        assert all(offers.values()), (name, offers)
        assert {"cluster", "job", "instance"} <= offers.keys()
        for query in grafana.queries(name, board):
            prometheus.query(grafana.filled(query.expr, grafana.chosen(offers)))


def test_a_choice_narrows_what_is_shown(prometheus: Prometheus) -> None:
    """With one node chosen, a panel by node shows that node and no other."""
    board = grafana.shipped()["resources"]
    [query] = (each for each in grafana.queries("", board) if each.where == ": Busiest nodes")
    values = {**grafana.everything(board), "node": "compute-node-1"}
    found = prometheus.query(grafana.filled(query.expr, values))
    assert {sample.labels["node_id"] for sample in found} == {"compute-node-1"}


@pytest.mark.parametrize("version", ["promtool3", "promtool2"])
def test_every_query_is_promql(
    version: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Prometheus 3 and 2.42 can read each query, annotation and variable's selector."""
    expressions = []
    for name, board in grafana.shipped().items():
        values = grafana.everything(board)
        expressions += [grafana.filled(each.expr, values) for each in grafana.queries(name, board)]
        expressions += [grafana.filled(each, values) for each in grafana.selectors(board)]
    rules = [{"record": f"panel:number_{n}", "expr": expr} for n, expr in enumerate(expressions)]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    command = [request.getfixturevalue(version), "check", "rules", path]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"SUCCESS: {len(expressions)} rules found", answer), answer
