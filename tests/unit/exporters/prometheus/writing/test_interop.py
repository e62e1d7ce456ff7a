"""Sharing a registry with prometheus_client: either side shows the other's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Metric,
    Summary,
)
from prometheus_client.exposition import generate_latest as client_text
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import generate_latest as client_openmetrics
from prometheus_client.samples import Timestamp

from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from tests.unit.exporters.prometheus.support import (
    OPENMETRICS,
    OPENMETRICS_0_0_1,
    OPENMETRICS_UTF8,
    parse_openmetrics,
    parse_text,
    samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.exporters.prometheus.conftest import Setup


class _Custom:
    """A collector whose samples have timestamps and a type of its own making."""

    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


class _Failing:
    def collect(self) -> Iterator[Metric]:
        yield Metric("before", "", "gauge")
        raise ValueError("broken")


def _metric(name: str, labels: dict[str, str], kind: str = "gauge") -> Metric:
    metric = Metric(name, 'A "help"\n', kind)
    metric.add_sample(name, labels, 1.5, Timestamp(1_700_000_000, 5))
    return metric


def _fill(registry: CollectorRegistry) -> None:
    Counter("jobs", "J", ["kind"], registry=registry).labels("a").inc(2, exemplar={"trace": "1"})
    Gauge("depth", "D", unit="meters", registry=registry).set(1e7)
    Histogram("wait", "W", registry=registry, buckets=(1, 5)).observe(2, {"trace": "1"})
    Info("build", "B", registry=registry).info({"v": '1"'})
    Enum("mood", "M", states=["good", "bad"], registry=registry)
    Summary("size", "S", registry=registry).observe(3)
    registry.register(_Custom(_metric("stamped", {"a": "b"}, "unknown")))
    registry.register(_Custom(_metric("dotted.name", {"la.bel": "b"})))


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, client_text),
        (OPENMETRICS, client_openmetrics),
        (OPENMETRICS_UTF8, lambda registry: client_openmetrics(registry, ALLOWUTF8)),  # type: ignore[no-untyped-call]
    ],
)
def test_foreign_metrics_are_written_as_prometheus_client_does(
    setup: Callable[..., Setup], accept: str | None, expected: Callable[[CollectorRegistry], bytes]
) -> None:
    """Names, types, timestamps and exemplars of prometheus_client metrics stay as they are."""
    registry = CollectorRegistry(target_info={"env": "test"})
    _fill(registry)
    alone = expected(registry)
    done = setup(registry=registry)
    content_type, body = done.reader.render(accept)
    assert body == alone
    assert ("escaping=allow-utf-8" in content_type) == (accept == OPENMETRICS_UTF8)


@pytest.mark.parametrize(
    "accept",
    [None, OPENMETRICS, OPENMETRICS_0_0_1, OPENMETRICS_UTF8, f"{OPENMETRICS};escaping=dots"],
)
def test_foreign_names_with_colons_keep_them(
    setup: Callable[..., Setup], accept: str | None
) -> None:
    """TYPE and sample of what vLLM and SGLang export are the same name in every format."""
    done = setup()
    Gauge("sglang:token_usage", "T", registry=done.registry).set(42)
    Counter("vllm:requests", "R", ["model_name"], registry=done.registry).labels("m").inc()
    Histogram("vllm:seconds", "S", registry=done.registry, buckets=(1,)).observe(2)
    lines = done.reader.render(accept)[1].decode().split("\n")
    total = "" if accept else "_total"
    assert {
        "# TYPE sglang:token_usage gauge",
        "sglang:token_usage 42.0",
        f"# TYPE vllm:requests{total} counter",
        'vllm:requests_total{model_name="m"} 1.0',
        'vllm:seconds_bucket{le="1.0"} 0.0',
    } <= set(lines)


@pytest.mark.parametrize(
    ("escaping", "lines"),
    [
        ("underscores", ['a_b_total{k_x="v"} 1.0', 'h_x_bucket{le="1.0"} 0.0']),
        ("dots", ['a_dot_b__total{k_dot_x="v"} 1.0', 'h_dot_x_bucket{le="1.0"} 0.0']),
        ("values", ['U__a_2e_b__total{U__k_2e_x="v"} 1.0', 'U__h_2e_x_bucket{le="1.0"} 0.0']),
        ("allow-utf-8", ['{"a.b_total","k.x"="v"} 1.0', '{"h.x_bucket",le="1.0"} 0.0']),
    ],
)
@pytest.mark.parametrize("kind", [OPENMETRICS, "text/plain;version=1.0.0"])
def test_foreign_names_are_escaped_as_ours_are(
    setup: Callable[..., Setup], kind: str, escaping: str, lines: list[str]
) -> None:
    """prometheus_client's metrics come in the scheme that was asked for, as one valid family."""
    done = setup()
    Counter("a.b", "A", ["k.x"], registry=done.registry).labels("v").inc()
    Histogram("h.x", "H", registry=done.registry, buckets=(1,)).observe(2)
    body = done.reader.render(f"{kind};escaping={escaping}")[1]
    assert set(lines) <= set(body.decode().split("\n"))
    if kind == OPENMETRICS:
        assert len(parse_openmetrics(body)) == 2


def test_no_nul_of_a_foreign_name_or_exemplar_is_shown(setup: Callable[..., Setup]) -> None:
    """What would end Prometheus' parsing is replaced in foreign families too."""
    done = setup()
    done.registry.register(_Custom(_metric("a\0b", {"k\0": "v"})))
    Counter("c", "C", registry=done.registry).inc(1, exemplar={"e.x": "y\0"})
    body = done.reader.render(OPENMETRICS_UTF8)[1].decode()
    assert "\0" not in body
    assert 'e_x="y\ufffd"' in body


def test_both_kinds_of_metrics_share_an_exposition(setup: Callable[..., Setup]) -> None:
    """Our families come at their collector's place, in one valid exposition."""
    registry = CollectorRegistry()
    _fill(registry)
    done = setup(registry=registry, resource={"service.name": "x"})
    done.meter.create_counter("mine").add(2)
    assert {"jobs", "mine", "target_info"} <= set(parse_text(done.reader.render()[1]))
    assert {"jobs", "mine", "target"} <= set(parse_openmetrics(done.reader.render(OPENMETRICS)[1]))


def test_prometheus_client_can_show_our_metrics(setup: Callable[..., Setup]) -> None:
    """generate_latest(registry) yields what our encoder does, exemplars included."""
    done = setup(
        resource={"service.name": "x"},
        verbatim=lambda _scope, name: name == "sent",
        provider={"exemplar_filter": AlwaysOnExemplarFilter()},
    )
    done.meter.create_counter("mine", "By", "M").add(2, {"k": 'a"b'})
    done.meter.create_counter("sent").add(3)
    done.meter.create_histogram("h", "s").record(0.3, {"k": "v"})
    done.meter.create_gauge("g", "1").set(4)
    ours = [line for line in done.text().split("\n") if not line.startswith("#")]
    theirs = [line for line in client_text(done.registry).decode().split("\n") if line[:1] != "#"]
    # prometheus_client sorts le among the other labels.
    assert {"".join(sorted(line)) for line in ours} == {"".join(sorted(line)) for line in theirs}
    expected = parse_openmetrics(done.reader.render(OPENMETRICS)[1])
    assert expected["mine_bytes"].samples[0].exemplar is not None
    assert parse_openmetrics(client_openmetrics(done.registry)) == expected  # type: ignore[no-untyped-call]


def test_names_choose_families(setup: Callable[..., Setup]) -> None:
    """name[] keeps whole families, by the family's or any sample's name, of either side."""
    done = setup(resource={"service.name": "x"})
    _fill(done.registry)
    done.meter.create_counter("mine").add(2)
    done.meter.create_histogram("h").record(2)
    for names, expected in [
        ({"mine_total", "jobs_total"}, {"mine", "jobs"}),
        ({"mine"}, {"mine"}),
        ({"h_count"}, {"h"}),
        ({"wait_bucket"}, {"wait"}),
        ({"nothing"}, set()),
    ]:
        body = done.reader.render(OPENMETRICS, names)[1]
        assert set(parse_openmetrics(body)) == expected


def test_a_name_both_sides_want_is_one_family(setup: Callable[..., Setup]) -> None:
    """One family, one TYPE line, across prometheus_client and OpenTelemetry too.

    Where the type is another one, the first collector keeps the name.
    """
    registry = CollectorRegistry(target_info={"env": "test"})
    _fill(registry)
    done = setup(registry=registry, resource={"service.name": "x"})
    for name in ("jobs", "depth_meters", "wait_sum"):
        done.meter.create_up_down_counter(name).add(1)
    done.meter.create_counter("jobs").add(1)
    for accept, parse in ((None, parse_text), (OPENMETRICS, parse_openmetrics)):
        body = done.reader.render(accept)[1]
        shown = samples(parse(body)["jobs"])
        assert shown["jobs_total", ()] == 1
        assert shown["jobs_total", (("kind", "a"),)] == 2
        assert body.count(b"target_info{") == 1
    assert done.reader.problems == {"name_clash": 2, "duplicate_series": 1}


def test_equal_series_of_both_sides_are_added(setup: Callable[..., Setup]) -> None:
    """Counters and histograms of the same name and labels lose nothing, whoever measured them."""
    done = setup()
    Counter("jobs", "J", ["k"], registry=done.registry).labels("a").inc(2, exemplar={"trace": "1"})
    wait = Histogram("wait", "W", registry=done.registry, buckets=(5, 10, 40))
    for value in (3, 7, 30):
        wait.observe(value)
    done.meter.create_counter("jobs").add(5, {"k": "a"})
    done.meter.create_histogram("wait").record(7)
    for accept, parse in ((None, parse_text), (OPENMETRICS, parse_openmetrics)):
        parsed = parse(done.reader.render(accept)[1])
        assert samples(parsed["jobs"])["jobs_total", (("k", "a"),)] == 7
        shown = {
            (name, *dict(labels).values()): value
            for (name, labels), value in samples(parsed["wait"]).items()
        }
        shown.pop(("wait_created",), None)
        assert shown == {
            ("wait_bucket", "5.0"): 1,
            ("wait_bucket", "10.0"): 3,
            ("wait_bucket", "+Inf"): 4,
            ("wait_count",): 4,
            ("wait_sum",): 47,
        }
    assert parsed["jobs"].samples[0].exemplar is not None


def test_foreign_families_of_one_name_are_one_family(setup: Callable[..., Setup]) -> None:
    """Custom collectors that share a name, or whose names become one, all show their samples."""
    done = setup()
    for name, labels in (("a_b", {"k": "1"}), ("a.b", {"k": "2"}), ("a_b", {"k": "3"})):
        done.registry.register(_Custom(_metric(name, labels), _metric(f"{name}_c", {}, "counter")))
    for accept in (None, OPENMETRICS):
        body = done.reader.render(accept)[1].decode()
        assert body.count("# TYPE a_b gauge") == 1
        assert [body.count(f'a_b{{k="{key}"}} 1.5') for key in "123"] == [1, 1, 1]
    assert done.reader.problems == {}


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_nothing_foreign_is_added_to_a_metric_of_the_contract(
    setup: Callable[..., Setup], first: str
) -> None:
    """Where prometheus_client has one of its names, who was registered first keeps it whole."""
    registry = CollectorRegistry()
    if first == "theirs":
        Counter("jobs", "Theirs.", registry=registry).inc(100)
    done = setup(registry=registry, verbatim=[("scope", "jobs_total")])
    if first == "ours":
        Counter("jobs", "Theirs.", registry=registry).inc(100)
    done.meter.create_counter("jobs_total").add(1)
    shown = parse_text(done.reader.render()[1])
    assert samples(shown["jobs"])["jobs_total", ()] == (100 if first == "theirs" else 1)
    assert done.reader.problems == {"name_clash": 1}


def test_a_second_reader_of_a_provider_doubles_nothing(setup: Callable[..., Setup]) -> None:
    """Two readers of one provider in one registry show each measurement once."""
    done = setup(resource={"service.name": "x"})
    twin = PrometheusMetricReader(registry=done.registry, scope_info_enabled=False)
    done.provider.add_metric_reader(twin)
    done.meter.create_counter("jobs").add(3)
    try:
        shown = parse_text(done.reader.render()[1])
        assert samples(shown["jobs"]) == {("jobs_total", ()): 3}
        assert done.reader.problems == {}
    finally:
        twin.shutdown()


def test_two_providers_equal_series_are_added(setup: Callable[..., Setup]) -> None:
    """What two providers in one registry measure under one name is one family."""
    first = setup()
    second = setup(registry=first.registry)
    for done, value in ((first, 3), (second, 5)):
        done.meter.create_counter("jobs").add(value)
        done.meter.create_counter("jobs").add(value, {"only": str(value)})
    shown = samples(parse_text(first.reader.render()[1])["jobs"])
    assert shown["jobs_total", ()] == 8
    assert shown["jobs_total", (("only", "3"),)] == 3
    assert shown["jobs_total", (("only", "5"),)] == 5


@pytest.mark.parametrize("generate", [client_text, client_openmetrics])
def test_two_readers_have_one_target_info(
    setup: Callable[..., Setup], generate: Callable[[CollectorRegistry], bytes]
) -> None:
    """prometheus_client's own exposition has at most one target_info, that of the first."""
    first = setup(resource={"service.name": "first"})
    setup(registry=first.registry, resource={"service.name": "second"})
    body = generate(first.registry)
    assert body.count(b'target_info{service_name="') == 1
    assert b'target_info{service_name="first"} 1.0' in body
    first.reader.shutdown()
    assert b'target_info{service_name="second"} 1.0' in generate(first.registry)
    first.registry.set_target_info({"env": "test"})
    assert generate(first.registry).count(b"target_info{") == 1


def test_the_first_readers_target_info_is_on_each_page(setup: Callable[..., Setup]) -> None:
    """Not on the first page alone, after which the other reader has one as well."""
    first = setup(resource={"service.name": "first"})
    setup(registry=first.registry, resource={"service.name": "second"})
    for _ in range(3):
        assert b'target_info{service_name="first"} 1.0' in client_text(first.registry)


def test_two_readers_in_one_registry(setup: Callable[..., Setup]) -> None:
    """Two providers may share an endpoint; target_info is that of the first."""
    first = setup(resource={"service.name": "first"})
    second = setup(registry=first.registry, resource={"service.name": "second"})
    first.meter.create_counter("one").add(1)
    second.meter.create_counter("two").add(1)
    parsed = parse_text(second.reader.render()[1])
    assert set(parsed) == {"target_info", "one", "two"}
    assert parsed["target_info"].samples[0].labels == {"service_name": "first"}


def test_a_failing_foreign_collector_costs_its_own_metrics_only(
    setup: Callable[..., Setup],
) -> None:
    """Somebody else's exception is reported; everything else is exposed."""
    done = setup()
    done.registry.register(_Failing())
    _fill(done.registry)
    done.meter.create_counter("mine").add(2)
    parsed = parse_text(done.reader.render()[1])
    assert {"jobs", "mine", "before"} <= set(parsed)
    assert done.reader.problems == {"foreign_collector": 1}


def test_a_surrogate_in_a_foreign_label_is_replaced(setup: Callable[..., Setup]) -> None:
    """What makes prometheus_client fail is mended, and a hopeless family is left out."""
    done = setup()
    done.registry.register(
        _Custom(_metric("odd", {"k": "a\ud800"}), _hopeless(), _metric("ok", {}))
    )
    parsed = parse_text(done.reader.render()[1])
    assert parsed["odd"].samples[0].labels == {"k": "a\ufffd"}
    assert set(parsed) == {"odd", "ok"}
    assert done.reader.problems == {"broken_metric": 1}


def _hopeless() -> Metric:
    metric = Metric("hopeless", "", "gauge")
    value: Any = "not a number"
    metric.add_sample("hopeless", {}, value)
    return metric
