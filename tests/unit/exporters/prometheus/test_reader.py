"""The reader: options, life cycle, concurrency, failing collections."""

from __future__ import annotations

import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader as OfficialReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter as SdkCounter
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client import Counter as ClientCounter

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.prometheus import (
    AutoPrometheusMetricReader,
    CollectionError,
    PrometheusMetricReader,
)
from tests.unit.exporters.prometheus.support import (
    OPENMETRICS,
    OPENMETRICS_0_0_1,
    OPENMETRICS_UTF8,
    parse_openmetrics,
    parse_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.unit.exporters.prometheus.conftest import Setup


def test_it_takes_all_the_official_readers_options() -> None:
    """Every parameter of the official reader is there, in its place, with its default."""
    official = inspect.signature(OfficialReader).parameters
    ours = inspect.signature(PrometheusMetricReader).parameters
    assert issubclass(PrometheusMetricReader, OfficialReader)
    for name, parameter in official.items():
        assert (ours[name].kind, ours[name].default) == (parameter.kind, parameter.default)
    assert [name for name in ours if name in official] == list(official)


def test_options_take_effect(setup: Callable[..., Setup]) -> None:
    """Prefix, scope labels, resource labels, target_info and cardinality limits work."""
    done = setup(
        resource={"env": "prod", "x": "y"},
        disable_target_info=True,
        prefix="app",
        scope_info_enabled=True,
        resource_attribute_filter=lambda key: key == "env",
        cardinality_limits={SdkCounter: 1},
    )
    counter = done.meter.create_counter("jobs")
    counter.add(1, {"k": "a"})
    counter.add(1, {"k": "b"})
    scope = 'otel_scope_name="scope",otel_scope_schema_url="",otel_scope_version=""'
    assert done.text().split("\n")[1:3] == [
        f'app_jobs_total{{env="prod",k="a",{scope}}} 1.0',
        f'app_jobs_total{{env="prod",otel_metric_overflow="true",{scope}}} 1.0',
    ]


def test_the_default_registry_is_the_official_one() -> None:
    """Without a registry it registers in prometheus_client's, and leaves it again."""
    reader = PrometheusMetricReader()
    try:
        assert reader._families in REGISTRY._collector_to_names
    finally:
        reader.shutdown()
    assert reader._families not in REGISTRY._collector_to_names


def test_an_unknown_strategy_is_refused_before_anything_is_registered() -> None:
    """A mistyped strategy is one clear sentence."""
    registry = CollectorRegistry()
    strategy: Any = "Nothing"
    with pytest.raises(ConfigurationError, match="translation_strategy is 'Nothing'; use one of"):
        PrometheusMetricReader(registry=registry, translation_strategy=strategy)
    assert not registry._collector_to_names


def test_nothing_before_there_is_a_provider(caplog: pytest.LogCaptureFixture) -> None:
    """A reader without a provider has an empty exposition and does not complain."""
    reader = PrometheusMetricReader(registry=CollectorRegistry())
    assert reader.render() == ("text/plain; version=0.0.4; charset=utf-8", b"")
    assert not caplog.records


def test_target_info_is_there_before_the_first_metric(setup: Callable[..., Setup]) -> None:
    """The resource comes from the provider, not from collected metrics."""
    done = setup(resource={"service.name": "x"})
    assert 'target_info{service_name="x"} 1.0' in done.text()


def test_shutdown_takes_our_metrics_away_and_may_be_repeated(setup: Callable[..., Setup]) -> None:
    """After shutdown only prometheus_client's own metrics are left, and nothing raises."""
    done = setup(resource={"service.name": "x"})
    ClientCounter("jobs", "J", registry=done.registry).inc()
    done.meter.create_counter("mine").add(1)
    assert "mine" in done.text()
    done.provider.shutdown()
    done.reader.shutdown()
    assert set(parse_text(done.reader.render()[1])) == {"jobs", "jobs_created"}
    assert done.reader._gather(1) is None


def test_shutdown_closes_an_own_server(setup: Callable[..., Setup]) -> None:
    """The reader's own server ends with it."""
    done = setup()
    server = done.reader.start_server("127.0.0.1", 0)
    done.meter.create_counter("mine").add(1)
    with urlopen(server.url, timeout=5) as answer:
        assert b"mine_total 1.0" in answer.read()
    done.reader.shutdown()
    with pytest.raises(OSError, match="refused"):
        urlopen(server.url, timeout=5)


def test_a_collector_that_somebody_else_unregistered(setup: Callable[..., Setup]) -> None:
    """Shutdown does not mind that its collector is gone."""
    done = setup()
    done.registry.unregister(done.reader._families)
    done.reader.shutdown()


def test_a_failing_callback_fails_the_scrape_with_one_line(setup: Callable[..., Setup]) -> None:
    """A collection that raises is a CollectionError of one line, and the next one works."""
    done = setup(resource={"service.name": "x"})
    fails = True

    def callback(_: CallbackOptions) -> Iterable[Observation]:
        if fails:
            time.sleep(0.05)
        return [Observation(1)]

    for name in ("g", "h"):
        done.meter.create_observable_gauge(name, [callback])
    with pytest.raises(
        CollectionError, match=r"metrics could not be collected: Metrics.*Timed out"
    ) as error:
        done.reader.render(timeout=0.01)
    assert "\n" not in str(error.value)
    fails = False
    assert "g 1.0" in done.text()


def test_a_hanging_scrape_holds_up_no_other_for_ever(setup: Callable[..., Setup]) -> None:
    """A scrape that waits for another one gives up at its own timeout."""
    done = setup()
    entered, release = threading.Event(), threading.Event()

    def callback(_: CallbackOptions) -> Iterable[Observation]:
        entered.set()
        release.wait(10)
        return [Observation(1)]

    done.meter.create_observable_gauge("g", [callback])
    hanging = threading.Thread(target=done.reader.render)
    hanging.start()
    try:
        assert entered.wait(5)
        with pytest.raises(CollectionError, match="another scrape is still at it"):
            done.reader.render(timeout=0.05)
    finally:
        release.set()
        hanging.join()
    assert "g 1.0" in done.text()


def test_concurrent_scrapes_are_complete_and_counters_never_fall(
    setup: Callable[..., Setup],
) -> None:
    """Eight threads scrape while others measure: each answer is whole, valid and monotonic."""
    done = setup(resource={"service.name": "x"})
    counter = done.meter.create_counter("jobs")
    distribution = done.meter.create_histogram("wait")
    counter.add(1, {"worker": "0"})
    distribution.record(1)
    stop = threading.Event()

    def measure(worker: int) -> int:
        times = 0
        while not stop.is_set():
            counter.add(1, {"worker": str(worker)})
            distribution.record(times % 50)
            times += 1
        return times

    def scrape(index: int) -> None:
        last = 0.0
        for turn in range(15):
            if (index + turn) % 2:
                parsed = parse_openmetrics(done.reader.render(OPENMETRICS)[1])
                assert set(parsed) == {"target", "jobs", "wait"}
            else:
                parsed = parse_text(done.reader.render()[1])
                assert set(parsed) == {"target_info", "jobs", "wait"}
            total = sum(sample.value for sample in parsed["jobs"].samples)
            assert total >= last
            last = total

    with ThreadPoolExecutor(10) as pool:
        measuring = [pool.submit(measure, worker) for worker in range(2)]
        scraping = [pool.submit(scrape, index) for index in range(8)]
        for each in scraping:
            each.result(60)
        stop.set()
        added = sum(each.result(10) for each in measuring)
    parsed = parse_text(done.reader.render()[1])
    assert sum(sample.value for sample in parsed["jobs"].samples) == added + 1


def test_flushes_and_collections_by_others_change_no_scrape(setup: Callable[..., Setup]) -> None:
    """force_flush() and collect() neither queue nor double anything."""
    done = setup()
    done.meter.create_counter("mine").add(1)
    for _ in range(3):
        assert done.provider.force_flush()
        done.reader.collect()
    assert done.text().count("mine_total 1.0") == 1


def test_exemplars_reach_both_kinds_of_scrapers(setup: Callable[..., Setup]) -> None:
    """With a UTF-8 strategy too, an exemplar is seen by whoever scrapes second."""
    from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter  # noqa: PLC0415

    done = setup(
        translation_strategy="NoTranslation",
        provider={"exemplar_filter": AlwaysOnExemplarFilter()},
        verbatim=lambda _scope, _name: True,
    )
    counter = done.meter.create_counter("a_total")
    done.reader.render(OPENMETRICS_UTF8)
    done.reader.render(OPENMETRICS)
    for accept in (OPENMETRICS_UTF8, OPENMETRICS):
        counter.add(1)
        done.reader.render(accept)
        for again in (OPENMETRICS_UTF8, OPENMETRICS):
            assert b" # {} 1.0 " in done.reader.render(again)[1]


@pytest.mark.parametrize(
    ("escaping", "answered", "line"),
    [
        ("allow-utf-8", "allow-utf-8", '{"a.b_total","k.x"="v"} 1.0'),
        ("allow-utf8", "allow-utf-8", '{"a.b_total","k.x"="v"} 1.0'),
        ("underscores", "underscores", 'a_b_total{k_x="v"} 1.0'),
        ("dots", "dots", 'a_dot_b__total{k_dot_x="v"} 1.0'),
        ("values", "values", 'U__a_2e_b__total{U__k_2e_x="v"} 1.0'),
        ("VALUES", "values", 'U__a_2e_b__total{U__k_2e_x="v"} 1.0'),
        ("unheard-of", None, 'a_b_total{k_x="v"} 1.0'),
        (None, None, 'a_b_total{k_x="v"} 1.0'),
    ],
)
@pytest.mark.parametrize("media_type", ["application/openmetrics-text", "text/plain"])
def test_the_escaping_that_was_asked_for_is_used_and_named(
    setup: Callable[..., Setup],
    media_type: str,
    escaping: str | None,
    answered: str | None,
    line: str,
) -> None:
    """A scraper gets names in the scheme it asked for, and an answer that says so.

    One that asks for none gets underscores and the Content-Type it has always got.
    """
    done = setup(translation_strategy="NoUTF8EscapingWithSuffixes")
    done.meter.create_counter("a.b").add(1, {"k.x": "v"})
    accept = f"{media_type};version=1.0.0"
    wanted = f"{media_type}; version=1.0.0; charset=utf-8"
    content_type, body = done.reader.render(
        f"{accept};escaping={escaping};q=0.9,*/*;q=0.1" if escaping else accept
    )
    assert content_type == (f"{wanted}; escaping={answered}" if answered else wanted)
    assert line in body.decode().split("\n")


@pytest.mark.parametrize("version", ["text/plain;version=0.0.4", OPENMETRICS_0_0_1, "text/plain"])
def test_formats_older_than_escaping_are_always_in_underscores(
    setup: Callable[..., Setup], version: str
) -> None:
    """An old format has no schemes, whatever a scraper asks for."""
    done = setup(translation_strategy="NoTranslation")
    done.meter.create_gauge("a.b").set(1)
    content_type, body = done.reader.render(f"{version};escaping=values")
    assert "escaping" not in content_type
    assert b"\na_b 1.0\n" in body


@pytest.mark.parametrize("escaping", ["underscores", "dots", "values", "allow-utf-8"])
def test_names_that_every_format_can_show_are_the_same_in_every_scheme(
    setup: Callable[..., Setup], escaping: str
) -> None:
    """The contract's names are exact for every scraper, underscores and all."""
    done = setup(translation_strategy="NoTranslation")
    done.meter.create_histogram("a_b").record(1, {"from_node": "x"})
    body = done.reader.render(f"{OPENMETRICS};escaping={escaping}")[1].decode()
    assert '\na_b_count{from_node="x"} 1.0\n' in body


def test_problems_are_counted_and_told(setup: Callable[..., Setup]) -> None:
    """Each problem is counted and handed to the callback once."""
    told: list[tuple[str, str]] = []
    done = setup(on_problem=lambda kind, subject: told.append((kind, subject)))
    done.meter.create_counter("x.total").add(1)
    done.meter.create_gauge("x_total").set(1)
    for _ in range(3):
        done.text()
    assert told == [("type_conflict", "x_total")]
    assert done.reader.problems == {"type_conflict": 1}


OWN = """
groups:
  - id: registry.own
    type: attribute_group
    brief: Own.
    annotations: {butterfly_otel: {catalog: {name: own, meter: own, prefix: gateway_}}}
    attributes: []
  - id: metric.gateway_prompts
    type: metric
    metric_name: gateway_prompts
    brief: Prompts.
    instrument: counter
    unit: By
    stability: development
"""


@pytest.fixture
def auto(monkeypatch: pytest.MonkeyPatch) -> Iterable[Callable[..., AutoPrometheusMetricReader]]:
    """Return a function that makes the entry point's reader with an environment."""
    made: list[AutoPrometheusMetricReader] = []

    def make(host: str | None, port: str | None) -> AutoPrometheusMetricReader:
        for name, value in (("HOST", host), ("PORT", port)):
            if value is not None:
                monkeypatch.setenv(f"OTEL_EXPORTER_PROMETHEUS_{name}", value)
        reader = AutoPrometheusMetricReader()
        made.append(reader)
        return reader

    yield make
    for reader in made:
        reader.shutdown()


def test_the_entry_points_reader_serves_the_contract(
    auto: Callable[..., AutoPrometheusMetricReader],
) -> None:
    """It serves at once, with exact names for the catalogue's metrics on our meter only."""
    reader = auto("127.0.0.1", "0")
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    for scope in ("butterfly_otel", "other"):
        meter = provider.get_meter(scope)
        meter.create_counter("butterfly_network_bytes_sent", "By").add(1, {"scope": scope})
    assert reader._server is not None
    with urlopen(reader._server.url, timeout=5) as answer:
        body = answer.read()
    assert b'\nbutterfly_network_bytes_sent{scope="butterfly_otel"} 1.0\n' in body
    assert b'\nbutterfly_network_bytes_sent_bytes_total{otel_scope_name="other"' in body
    provider.shutdown()
    with pytest.raises(OSError, match="refused"):
        urlopen(reader._server.url, timeout=5)


def test_the_entry_points_reader_knows_contracts_of_ones_own(
    auto: Callable[..., AutoPrometheusMetricReader],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Names in Prometheus' alphabet are exact for those that the environment brings along."""
    (tmp_path / "own.yaml").write_text(OWN)
    monkeypatch.setenv("BUTTERFLY_OTEL_CATALOGS", str(tmp_path / "own.yaml"))
    reader = auto("127.0.0.1", "0")
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    provider.get_meter("own").create_counter("gateway_prompts", "By").add(1)
    assert "\ngateway_prompts 1.0\n" in reader.render()[1].decode()
    provider.shutdown()


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", "http", "OTEL_EXPORTER_PROMETHEUS_PORT is 'http'"),
        ("127.0.0.1", "99999", "can't be opened on 127.0.0.1:99999"),
        ("192.0.2.1", "0", "can't be opened on 192.0.2.1:0"),
    ],
)
def test_the_entry_points_reader_says_what_is_wrong_with_its_address(
    auto: Callable[..., AutoPrometheusMetricReader], host: str, port: str, message: str
) -> None:
    """A bad address is one sentence, and leaves nothing registered."""
    before = set(REGISTRY._collector_to_names)
    with pytest.raises(ConfigurationError, match=message):
        auto(host, port)
    assert set(REGISTRY._collector_to_names) == before
