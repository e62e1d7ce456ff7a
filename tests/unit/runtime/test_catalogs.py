"""Contracts of one's own, configured beside Butterfly's."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import butterfly_otel
from butterfly_otel import Catalog, ConfigurationError, Label, Metric, arg, catalog, metrics
from butterfly_otel.catalog.model import ValueType
from butterfly_otel.collectors.source import Reading
from butterfly_otel.handles.bound import BoundCounter, BoundHistogram
from butterfly_otel.handles.handles import CounterHandle, HistogramHandle, ObservableHandle
from butterfly_otel.settings.config import load_config
from butterfly_otel.sharing.identity import Identity
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.testing import assert_metric, capture_metrics

OURS = catalog.BY_NAME["butterfly_requests_total"]
OPERATION = Label(
    key="gen_ai.operation.name", kind="closed", help="What.", values=("chat", "embeddings")
)
PORT = Label(key="server.port", kind="bounded", help="Where.", budget=2, type="int")
STREAMED = Label(
    key="streamed", kind="closed", help="How.", values=("true", "false"), type="boolean"
)
DURATION = Metric(
    name="gen_ai.server.request.duration",
    type="histogram",
    instrument="histogram",
    why="A latency.",
    unit="s",
    help="Time that requests take.",
    category="genai",
    query="gen_ai_server_request_duration_seconds_count",
    labels=(OPERATION, PORT),
    buckets=(0.1, 1.0),
)
ANSWERS = Metric(
    name="my_answers_total",
    type="counter",
    instrument="counter",
    why="It only grows.",
    unit="{answer}",
    help="Answers.",
    category="genai",
    query="rate(my_answers_total[5m])",
    labels=(STREAMED,),
)
CACHE = Metric(
    name="my_cache_ratio",
    type="gauge",
    instrument="observable_gauge",
    why="A state of now.",
    unit="1",
    help="Cache in use.",
    category="genai",
    query="my_cache_ratio",
    across="max",
)


class Answers(CounterHandle):
    """A handle as a rendered module has it."""

    __slots__ = ()

    def bind(self, *, streamed: bool) -> BoundCounter:
        """Give the labels."""
        return BoundCounter(self, (streamed,))


class Duration(HistogramHandle):
    """Likewise."""

    __slots__ = ()

    def bind(self, *, gen_ai_operation_name: str, server_port: object) -> BoundHistogram:
        """Give the labels."""
        return BoundHistogram(self, (gen_ai_operation_name, server_port))


answers = Answers(ANSWERS)
duration = Duration(DURATION)
cache = ObservableHandle(CACHE)
GENAI = Catalog(
    name="genai",
    meter="genai",
    metrics=(DURATION, ANSWERS, CACHE),
    handles=(answers, duration, cache),
)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that has the contract, and its name with the attribute's."""
    made = types.ModuleType("my_contract")
    made.CATALOG = GENAI  # type: ignore[attr-defined]
    made.OTHER = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_contract", made)
    return "my_contract:CATALOG"


def test_handles_of_another_contract_measure() -> None:
    """They do nothing before, count while it is configured, and do nothing after."""
    answers.bind(streamed=True).inc()
    with capture_metrics(catalogs=[GENAI]) as captured:
        answers.bind(streamed=True).inc()
        assert_metric(answers, 1, streamed=True)
        assert 'my_answers_total{streamed="true"} 1.0' in captured.exposition()
    assert not answers.attached


def test_a_handle_whose_contract_is_not_configured_does_nothing() -> None:
    """Butterfly's metrics are measured, another contract's are not."""
    with capture_metrics() as captured:
        answers.bind(streamed=True).inc()
        assert captured.series("my_answers_total") == []


def test_the_contract_is_enforced_on_its_meter() -> None:
    """By OpenTelemetry's API as well: vocabularies, budgets, unknown labels and kinds."""
    with capture_metrics(catalogs=[GENAI], strict=False) as captured:
        meter = api.get_meter("genai")
        histogram = meter.create_histogram("gen_ai.server.request.duration")
        for port in (1, 2, 3, "no"):
            histogram.record(0.5, {"gen_ai.operation.name": "chat", "server.port": port})
        histogram.record(0.5, {"gen_ai.operation.name": "sing", "server.port": 1, "x": 1})
        meter.create_counter("another").add(1)
        found = {
            (each.labels["gen_ai.operation.name"], each.labels["server.port"])
            for each in captured.series("gen_ai.server.request.duration")
        }
        assert captured.series("another") == []
        reasons = {each.reason for each in captured.violations}
    assert found == {("chat", "1"), ("chat", "2"), ("chat", "other"), ("other", "1")}
    assert reasons == {"over_budget", "unknown_value", "unknown_label"}


def test_strict_mode_raises_for_them() -> None:
    """The message names the metric, the label and what is allowed."""
    with (
        capture_metrics(catalogs=[GENAI]),
        pytest.raises(
            butterfly_otel.LabelError, match=r"gen_ai\.operation\.name has the value 'sing'"
        ),
    ):
        duration.bind(gen_ai_operation_name="sing", server_port=1).record(1)


def test_labels_of_another_type_leave_as_that() -> None:
    """By OTLP a port is an int and a flag a flag; what stands for the rest is a text."""
    reader = InMemoryMetricReader()
    with capture_metrics(catalogs=[GENAI], strict=False, metric_readers=[reader]):
        for port in (80, "81", 82):
            duration.bind(gen_ai_operation_name="chat", server_port=port).record(1)
        answers.bind(streamed=False).inc()
        data = reader.get_metrics_data()
    assert data is not None
    points = {
        each.name: [dict(point.attributes) for point in each.data.data_points]
        for scope in data.resource_metrics[0].scope_metrics
        for each in scope.metrics
    }
    ports = [each["server.port"] for each in points["gen_ai.server.request.duration"]]
    assert ports == [80, 81, "other"]
    assert points["my_answers_total"] == [{"streamed": False}]


def test_series_begin_at_zero() -> None:
    """What is known beforehand is there before it is measured, as Butterfly's is."""
    with capture_metrics(catalogs=[GENAI], zero_init=True) as captured:
        assert captured.value(answers, streamed=True) == 0
        assert captured.value(answers, streamed=False) == 0


def test_names_in_prometheus() -> None:
    """Names in its alphabet are exact, whatever the strategy; those with dots are translated."""
    with capture_metrics(catalogs=[GENAI]) as captured:
        answers.bind(streamed=True).inc()
        duration.bind(gen_ai_operation_name="chat", server_port=1).record(0.5)
        text = captured.exposition()
    assert "# TYPE gen_ai_server_request_duration_seconds histogram" in text
    assert 'gen_ai_operation_name="chat",server_port="1",le="1.0"} 1.0' in text


def test_a_metric_of_ours_is_narrowed() -> None:
    """A label that another contract leaves out is not exported; one of its vocabulary is other."""
    role, method, _ = OURS.labels
    less = replace(OURS, labels=(role, replace(method, values=("inference",))))
    narrow = Catalog(name="less", meter="less", metrics=(less,))
    with capture_metrics(catalogs=[narrow], strict=False) as captured:
        metrics.requests_total.inc(method="inference", status="success")
        metrics.requests_total.inc(method="checkpoint", status="error")
        found = {each.labels["method"]: each.labels for each in captured.series(OURS.name)}
    assert set(found) == {"inference", "other"}
    assert found["inference"] == {"node_role": "coordinator", "method": "inference"}


class Cached:
    """A source that yields a metric of another contract."""

    name = "cached"
    metrics: tuple[str, ...] = ("my_cache_ratio",)
    interval = 60.0
    deadline = 5.0

    def open(self) -> None:
        """Find it."""

    def read(self) -> Sequence[Reading]:
        """Read it."""
        return [Reading("my_cache_ratio", 0.5, {})]

    def close(self) -> None:
        """Leave it."""


def test_sources_may_yield_them() -> None:
    """A collector's reading of another contract is observed; without it, it is refused."""
    with capture_metrics(catalogs=[GENAI], collectors=[Cached()]) as captured:
        deadline = time.monotonic() + 30
        while captured.value(cache) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert captured.value(cache) == 0.5
    with pytest.raises(ConfigurationError, match="no observable metric of a contract"):
        butterfly_otel.configure(
            node_id="n", node_role="compute", exporter="none", collectors=[Cached()]
        )


def test_decorators_take_their_handles() -> None:
    """Labels are given by key or by parameter, and may come from the call."""

    @butterfly_otel.timed(
        duration, labels={"gen_ai.operation.name": "chat", "server_port": arg("port")}
    )
    @butterfly_otel.counted(answers, labels={"streamed": True})
    def answer(port: int) -> None:
        del port

    with capture_metrics(catalogs=[GENAI]) as captured:
        answer(80)
        found = captured.histogram(duration, gen_ai_operation_name="chat", server_port=80)
        assert found is not None
        assert found.count == 1
        assert captured.value(answers, streamed=True) == 1


def test_sources_may_yield_metrics_without_a_handle() -> None:
    """A contract that no module was rendered of can be read from hardware all the same."""
    plain = replace(GENAI, handles=())
    with capture_metrics(catalogs=[plain], collectors=[Cached()]) as captured:
        deadline = time.monotonic() + 30
        while not captured.series("my_cache_ratio") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [each.value for each in captured.series("my_cache_ratio")] == [0.5]


class Fewer(CounterHandle):
    """A handle of ours with fewer labels, as a module has it that is rendered of a narrower one."""

    __slots__ = ()

    def bind(self, *, method: str) -> BoundCounter:
        """Give the labels."""
        return BoundCounter(self, (method,))


def test_a_handle_of_a_narrower_contract_measures_beside_ours() -> None:
    """It gives the labels that it knows; ours goes on, and both count in the same series."""
    less = replace(OURS, labels=(OURS.labels[1],))
    handle = Fewer(less)
    narrow = Catalog(name="less", meter="less", metrics=(less,), handles=(handle,))
    with capture_metrics(catalogs=[narrow], strict=False) as captured:
        handle.bind(method="inference").inc()
        metrics.requests_total.inc(method="inference", status="success")
        handle.bind(method="inference").inc()
        [series] = captured.series(OURS.name)
        assert (series.labels, series.value) == ({"method": "inference"}, 3)
        metrics.requests_total.remove(method="inference", status="success")
        handle.bind(method="inference").inc()
        [series] = captured.series(OURS.name)
        assert series.value == 1


@pytest.mark.parametrize("keep", ["first", "latest"])
@pytest.mark.parametrize(("kind", "values"), [("double", (1, 1.0, "1")), ("int", (7, "07", " 7"))])
def test_a_number_is_one_value_however_it_is_spelled(
    keep: Literal["first", "latest"], kind: ValueType, values: tuple[float | str, ...]
) -> None:
    """It has one place in the budget, and one series."""
    label = Label(key="n", kind="bounded", help="N.", budget=1, type=kind, keep=keep)
    own = Catalog(name="own", meter="own", metrics=(replace(ANSWERS, labels=(label,)),))
    with capture_metrics(catalogs=[own]) as captured:
        counter = api.get_meter("own").create_counter(ANSWERS.name)
        for value in values:
            counter.add(1, {"n": value})
        [series] = captured.series(ANSWERS.name)
        assert series.value == 3


def test_numbers_of_which_the_latest_are_kept() -> None:
    """One that comes back after it had to go begins anew, and the other one goes."""
    label = Label(key="n", kind="bounded", help="N.", budget=1, type="int", keep="latest")
    own = Catalog(name="own", meter="own", metrics=(replace(ANSWERS, labels=(label,)),))
    with capture_metrics(catalogs=[own]) as captured:
        counter = api.get_meter("own").create_counter(ANSWERS.name)
        for value in (7, 8, 7):
            counter.add(1, {"n": value})
        found = [(each.labels["n"], each.value) for each in captured.series(ANSWERS.name)]
        assert found == [("7", 1)]


def test_processes_are_merged_as_their_contract_says() -> None:
    """A gauge of another contract is the largest of all processes, as it asks for."""
    contracts = load_config(
        {"node_id": "n", "node_role": "compute", "catalogs": [GENAI]}, {}
    ).contracts
    identity = Identity('["genai"]', "my_cache_ratio", "1", "gauge")
    assert Modes(contracts=contracts).of(identity) == "max"
    assert Modes().of(identity) == "latest"


def test_they_are_loaded_by_name(module: str) -> None:
    """From the environment and as an argument: ``module:ATTRIBUTE``."""
    wanted = {"BUTTERFLY_OTEL_CATALOGS": module}
    config = load_config({"node_id": "n", "node_role": "compute"}, wanted)
    assert config.catalogs == (GENAI,)
    config = load_config({"node_id": "n", "node_role": "compute", "catalogs": [module]}, {})
    assert config.contracts.get("my_answers_total") is ANSWERS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([3], "catalogs has 3, which is neither a Catalog nor the name of a file"),
        (3, "catalogs is 3; pass a list of Catalogs"),
        (["my_contract:OTHER"], "catalogs: "),
        (["my_contract:MISSING"], "catalogs: "),
        ([GENAI, replace(GENAI, meter="x")], "catalogs: two contracts are named 'genai'"),
    ],
)
@pytest.mark.usefixtures("module")
def test_wrong_ones_are_refused(given: object, message: str) -> None:
    """One sentence says which, and where it was set."""
    with pytest.raises(ConfigurationError) as raised:
        load_config({"node_id": "n", "node_role": "compute", "catalogs": given}, {})
    assert message in str(raised.value)


def test_a_module_is_not_its_contract(module: str) -> None:
    """Who passes the rendered module is told what to pass."""
    del module
    with pytest.raises(ConfigurationError, match="pass its CATALOG"):
        load_config(
            {"node_id": "n", "node_role": "compute", "catalogs": [sys.modules["my_contract"]]}, {}
        )


def test_the_stock_sdk_measures_them_alike() -> None:
    """``engine="sdk"`` exports the same series."""
    with capture_metrics(catalogs=[GENAI], engine="sdk") as captured:
        answers.bind(streamed=True).inc()
        duration.bind(gen_ai_operation_name="chat", server_port=1).record(0.5)
        text = captured.exposition()
    assert 'my_answers_total{streamed="true"} 1.0' in text
    assert 'server_port="1",le="1.0"} 1.0' in text


def test_callbacks_of_a_capture_end_with_it() -> None:
    """What is observed in one test is not in the next one."""
    with capture_metrics(catalogs=[GENAI]) as captured:
        cache.observe(lambda: 0.25)
        assert captured.value(cache) == 0.25
    assert cache.registrations == ()
