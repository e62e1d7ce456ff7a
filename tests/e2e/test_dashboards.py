"""Every query of every dashboard, on a real Prometheus that holds a demo cluster in trouble."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel.operate.rules import Options
from butterfly_otel.render.rules import ALERTS_FILE, RULES_FILE, render_alerts, render_rules

from . import grafana
from .demos import Demo
from .servers import Prometheus, Scrape, Server, ServerError, wait_until

pytestmark = pytest.mark.e2e

#: Returns the values of a dashboard's variables.
Choose = Callable[[Mapping[str, Any]], Mapping[str, str]]
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


def unanswered(prometheus: Prometheus, choose: Choose) -> set[str]:
    """Where a query of a dashboard has no answer, with such values of its variables."""
    return {
        query.where
        for name, board in grafana.shipped().items()
        for values in [choose(board)]
        for query in grafana.queries(name, board)
        if not grafana.answered(prometheus, query, values)
    }


def require_answers(prometheus: Prometheus, choose: Choose) -> None:
    """Wait until every query has an answer; fail with those that have none."""
    try:
        wait_until(lambda: not unanswered(prometheus, choose), 60, "an answer to every query")
    except ServerError as error:
        pytest.fail(f"{error}: {sorted(unanswered(prometheus, choose))}", pytrace=False)


def test_every_query_gives_data(prometheus: Prometheus) -> None:
    """Each target of each panel and each annotation has an answer, with All chosen everywhere."""
    require_answers(prometheus, grafana.everything)


def test_every_value_of_a_variable_can_be_chosen(prometheus: Prometheus) -> None:
    """With all values chosen one by one, nothing goes blank that All shows.

    But for the cluster: what is pushed here belongs to none, and is in All alone.
    """

    def one_by_one(board: Mapping[str, Any]) -> dict[str, str]:
        offers = grafana.offered(board, prometheus)
        assert {"cluster", "job", "instance"} <= offers.keys()
        missing = [name for name, values in offers.items() if not values]
        if missing:
            raise ServerError(f"nothing to choose from for {missing}")
        return {**grafana.chosen(offers), "cluster": ".*"}

    require_answers(prometheus, one_by_one)


def test_a_choice_narrows_what_is_shown(prometheus: Prometheus) -> None:
    """With one node chosen, a panel by node shows that node and no other."""
    board = grafana.shipped()["resources"]
    [query] = (each for each in grafana.queries("", board) if each.where == ": Busiest nodes")
    values = {**grafana.everything(board), "node": "compute-node-1"}
    found = prometheus.wait_for(grafana.filled(query.expr, values))
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
