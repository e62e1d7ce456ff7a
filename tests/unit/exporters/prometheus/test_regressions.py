"""Defects that were demonstrated in other exporters, and that this one must not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Histogram
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.exposition import generate_latest

from butterfly_otel.exporters.prometheus.model.names import STRATEGIES
from tests.unit.exporters.prometheus.support import (
    OPENMETRICS,
    OPENMETRICS_UTF8,
    parse_openmetrics,
    parse_text,
    samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.unit.exporters.prometheus.conftest import Setup


def test_labels_of_two_scopes_are_not_mixed_up(setup: Callable[..., Setup]) -> None:
    """Same name in two scopes with different keys: every value stays with its own key."""
    done = setup()
    done.provider.get_meter("one").create_counter("c").add(1, {"a": "of-a", "b": "of-b"})
    done.provider.get_meter("two").create_counter("c").add(2, {"b": "of-b2", "z": "of-z"})
    for parsed in (parse_text(done.reader.render()[1]), parse_text(generate_latest(done.registry))):
        assert samples(parsed["c"]) == {
            ("c_total", (("a", "of-a"), ("b", "of-b"))): 1,
            ("c_total", (("b", "of-b2"), ("z", "of-z"))): 2,
        }


def test_an_exponential_histogram_does_not_kill_the_scrape(setup: Callable[..., Setup]) -> None:
    """One ExponentialHistogram is left out; everything else is exposed."""
    view = View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation())
    done = setup(provider={"views": [view]})
    done.meter.create_histogram("e").record(1)
    done.meter.create_counter("c").add(1)
    assert set(parse_text(done.reader.render()[1])) == {"c"}
    assert set(parse_openmetrics(done.reader.render(OPENMETRICS)[1])) == {"c"}


def test_flushes_do_not_multiply_families(setup: Callable[..., Setup]) -> None:
    """Flushes before a scrape leave no queue behind, with or without a scraper."""
    done = setup()
    done.meter.create_counter("c").add(1)
    for _ in range(5):
        done.provider.force_flush()
    body = done.reader.render()[1]
    assert body.count(b"# TYPE c_total counter") == 1
    parse_text(body)


def test_a_collection_that_timed_out_counts_nothing_twice(setup: Callable[..., Setup]) -> None:
    """What a failed collection brought is not added to the next one's families."""
    done = setup()
    slow = True

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(100)]

    def overrun(_: CallbackOptions) -> Iterable[Observation]:
        if slow:
            raise TimeoutError
        return []

    done.meter.create_observable_gauge("g", [observe])
    done.meter.create_observable_gauge("late", [overrun])
    done.text()
    slow = False
    assert samples(parse_text(done.reader.render()[1])["g"]) == {("g", ()): 100}


def test_colliding_names_give_valid_expositions(setup: Callable[..., Setup]) -> None:
    """x.total, x.total and x are one family; a gauge h_sum is no second sample of h."""
    done = setup()
    done.meter.create_counter("x.total").add(1, {"k": "1"})
    done.meter.create_gauge("x.total").set(2, {"k": "2"})
    done.meter.create_counter("x").add(3, {"k": "3"})
    done.meter.create_histogram("h").record(1)
    done.meter.create_gauge("h_sum").set(7)
    parsed = parse_text(done.reader.render()[1])
    assert samples(parsed["x"]) == {("x_total", (("k", "1"),)): 1, ("x_total", (("k", "3"),)): 3}
    assert samples(parsed["h"])["h_sum", ()] == 1
    assert set(parsed) == set(parse_openmetrics(done.reader.render(OPENMETRICS)[1])) == {"x", "h"}
    assert done.reader.problems == {"type_conflict": 1, "name_clash": 1}


def test_colliding_keys_give_distinct_series(setup: Callable[..., Setup]) -> None:
    """a.b and a_b are joined, foreign alphabets stay apart, le survives on all samples."""
    done = setup()
    done.meter.create_counter("c").add(1, {"a.b": "1", "a_b": "2"})
    done.meter.create_counter("f").add(1, {"地域": "x", "名前": "y"})
    done.meter.create_histogram("h").record(1, {"le": "mine"})
    parsed = parse_text(done.reader.render()[1])
    assert parsed["c"].samples[0].labels == {"a_b": "1;2"}
    assert sorted(parsed["f"].samples[0].labels.values()) == ["x", "y"]
    assert {sample.labels["exported_le"] for sample in parsed["h"].samples} == {"mine"}


def test_a_lone_surrogate_does_not_kill_the_scrape(setup: Callable[..., Setup]) -> None:
    """A label value, a key or a description that is no Unicode is mended."""
    done = setup(resource={"service.name": "x\udcff"})
    done.meter.create_counter("c", description="d\ud800").add(1, {"k\ud800": "v\udfff"})
    parsed = parse_text(done.reader.render()[1])
    assert parsed["c"].samples[0].labels == {"k_": "v\ufffd"}
    assert parsed["target_info"].samples[0].labels["service_name"] == "x\ufffd"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("accept", [None, OPENMETRICS, OPENMETRICS_UTF8])
def test_no_nul_gets_into_a_name(
    setup: Callable[..., Setup], strategy: str, accept: str | None
) -> None:
    """A NUL in a key ends Prometheus' parsing there; in a value it does no harm."""
    done = setup(
        translation_strategy=strategy,
        resource={"a\0b": "c"},
        verbatim=lambda _scope, name: "0" in name,
        provider={
            "exemplar_filter": AlwaysOnExemplarFilter(),
            "views": [
                View(instrument_name="x", name="y\0z"),
                View(instrument_name="x0", name="y0\0"),
                View(instrument_name="d", attribute_keys=set()),
            ],
        },
    )
    done.meter.create_counter("c").add(1, {"k\0ey": "v\0al"})
    done.meter.create_counter("d").add(1, {"dropp\0ed": "in an exem\0plar"})
    done.meter.create_gauge("x").set(1)
    done.meter.create_gauge("x0").set(1)
    text = done.reader.render(accept)[1].decode()
    assert '="v\0al"' in text
    assert "\0" not in text.replace('="v\0al"', "")


def test_an_attribute_does_not_replace_the_scopes_label(setup: Callable[..., Setup]) -> None:
    """Two keys that are one label are joined, the scope's value first."""
    done = setup(scope_info_enabled=True)
    done.meter.create_counter("c").add(1, {"otel_scope_name": "x", "otel.scope.version": "7"})
    [sample] = parse_text(done.reader.render()[1])["c"].samples
    assert sample.labels["otel_scope_name"] == "scope;x"
    assert sample.labels["otel_scope_version"] == "7;"


def test_a_gauge_of_unit_1_keeps_its_name(setup: Callable[..., Setup]) -> None:
    """The unit 1 adds no _ratio, which the specification dropped in 2026."""
    done = setup()
    done.meter.create_gauge("replicas", "1").set(3)
    done.meter.create_observable_gauge("load", [lambda _: [Observation(1)]], "1")
    assert set(parse_text(done.reader.render()[1])) == {"replicas", "load"}


def test_target_info_needs_no_metric(setup: Callable[..., Setup]) -> None:
    """target_info is exposed from the first scrape on."""
    done = setup(resource={"service.name": "x"})
    assert set(parse_text(done.reader.render()[1])) == {"target_info"}


def test_integer_boundaries_are_canonical(setup: Callable[..., Setup]) -> None:
    """Boundaries given as integers are exposed as OpenMetrics' canonical numbers."""
    bounds = ExplicitBucketHistogramAggregation((1, 5, 1_000_000))
    done = setup(provider={"views": [View(instrument_type=Histogram, aggregation=bounds)]})
    done.meter.create_histogram("h").record(1)
    buckets = [
        sample.labels["le"]
        for sample in parse_text(done.reader.render()[1])["h"].samples
        if sample.name == "h_bucket"
    ]
    assert buckets == ["1.0", "5.0", "1e+06", "+Inf"]


def test_a_second_shutdown_does_not_raise(setup: Callable[..., Setup]) -> None:
    """The reader's, then the provider's, then the reader's shutdown again."""
    done = setup()
    done.reader.shutdown()
    done.provider.shutdown()
    done.reader.shutdown()


def test_exemplars_reach_prometheus(setup: Callable[..., Setup]) -> None:
    """A measurement inside a sampled span has its trace on counter and bucket."""
    done = setup(provider={"exemplar_filter": AlwaysOnExemplarFilter()})
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("s") as span:
        done.meter.create_counter("c").add(1)
        done.meter.create_histogram("h").record(7)
    parsed = parse_openmetrics(done.reader.render(OPENMETRICS)[1])
    trace = f"{span.get_span_context().trace_id:032x}"
    on_counter = parsed["c"].samples[0].exemplar
    assert on_counter is not None
    assert on_counter.labels["trace_id"] == trace
    with_exemplar = [sample for sample in parsed["h"].samples if sample.exemplar]
    assert [sample.labels["le"] for sample in with_exemplar] == ["10.0"]


@pytest.mark.parametrize("accept", [None, OPENMETRICS])
def test_scope_labels_can_be_switched_off(setup: Callable[..., Setup], accept: str | None) -> None:
    """Scope labels are a switch, and contract metrics never have them."""
    without = setup()
    without.meter.create_counter("c").add(1)
    assert b"otel_scope" not in without.reader.render(accept)[1]
    switched_on = setup(scope_info_enabled=True, verbatim=[("scope", "c_total")])
    switched_on.meter.create_counter("c_total").add(1)
    switched_on.meter.create_counter("other").add(1)
    body = switched_on.reader.render(accept)[1]
    assert b"\nc_total 1.0\n" in body
    assert b'\nother_total{otel_scope_name="scope"' in body


@pytest.mark.parametrize("accept", [None, OPENMETRICS])
def test_no_suffix_is_forced_on_a_verbatim_counter(
    setup: Callable[..., Setup], accept: str | None
) -> None:
    """A counter of unit By named butterfly_network_bytes_sent keeps that name."""
    done = setup(verbatim=lambda scope, _name: scope == "scope")
    name = "butterfly_network_bytes_sent"
    done.meter.create_counter(name, unit="By").add(5, {"protocol": "quic"})
    kind = "unknown" if accept else "counter"
    body = done.reader.render(accept)[1].decode()
    assert f'# TYPE {name} {kind}\n{name}{{protocol="quic"}} 5.0\n' in body
