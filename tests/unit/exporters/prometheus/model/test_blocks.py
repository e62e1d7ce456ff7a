"""Blocks: what is written straight from cells is what the long way writes, byte for byte."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from butterfly_otel.engine import MeterProvider
from butterfly_otel.engine.points import CellPoints
from butterfly_otel.exporters.prometheus.model import blocks
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
from tests import prometheus_proto

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
LIMIT = 3000


class LongWay(PrometheusMetricReader):
    """The reader, given data points as any reader of the SDK is."""

    reads_cells = False


class Pair:
    """Both readers on one provider, and instruments of every kind."""

    def __init__(self, resource: Resource | None = None, **options: Any) -> None:
        settings: dict[str, Any] = {"disable_target_info": True, "scope_info_enabled": False}
        settings.update(options)
        self.registries = CollectorRegistry(), CollectorRegistry()
        self.short = PrometheusMetricReader(registry=self.registries[0], **settings)
        self.long = LongWay(registry=self.registries[1], **settings)
        self.provider = MeterProvider(
            [self.short, self.long],
            resource=resource or Resource({"service.name": "s"}),
            views=[View(instrument_name="*", aggregation_cardinality_limit=LIMIT)],
            shutdown_on_exit=False,
        )
        meter = self.provider.get_meter("m")
        self.counter = meter.create_counter("c", description="Some.")
        self.gauge = meter.create_gauge("g")
        self.up_down = meter.create_up_down_counter("u")
        self.histogram = meter.create_histogram(
            "h", unit="s", explicit_bucket_boundaries_advisory=[0.5, 1, 1_000_000]
        )

    def check(self) -> str:
        """Compare both readers in all formats; return the text of one."""
        for accept in (None, OPENMETRICS, prometheus_proto.ACCEPT):
            short, long = (each.render(accept) for each in (self.short, self.long))
            assert short == long
        assert self.short.problems == self.long.problems
        return self.short.render()[1].decode()


@pytest.fixture
def pair() -> Pair:
    """Return both readers with no options."""
    return Pair()


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many series each chunk that is written has, from now on."""
    sizes: list[int] = []

    def watch(name: str) -> None:
        plain: Callable[..., str] = getattr(blocks.Chunk, name)

        def watched(chunk: blocks.Chunk, *tails: Any) -> str:
            sizes.append(len(chunk.cells))
            return plain(chunk, *tails)

        monkeypatch.setattr(blocks.Chunk, name, watched)

    watch("numbers")
    watch("histograms")
    return sizes


AMOUNTS = st.one_of(
    st.integers(0, 10**7),
    st.floats(0, 1e7),
    st.sampled_from([0, 999_999, 1_000_000, 999_999.5, 1e6, 2**53, 10**300, 1e308, 5e-324]),
)
VALUES = st.text(st.sampled_from('ab%s"\\\n\u00e9\U0001f600d.0 '), max_size=4)
LABELS = st.one_of(
    st.fixed_dictionaries({"k": VALUES, "other.key": VALUES}),
    st.fixed_dictionaries({"k": VALUES}),
    st.just({}),
)


@given(st.lists(st.tuples(LABELS, AMOUNTS, st.booleans()), max_size=12))
def test_both_ways_write_the_same(measurements: list[tuple[dict[str, str], float, bool]]) -> None:
    """Whatever is measured, and in whatever order it is scraped."""
    pair = Pair()
    for labels, amount, scrape in measurements:
        pair.counter.add(amount, labels)
        pair.gauge.set(-amount, labels)
        pair.up_down.add(-amount, labels)
        pair.histogram.record(amount, labels)
        if scrape:
            pair.check()
    pair.check()
    pair.provider.shutdown()


def test_a_block_is_what_is_written(pair: Pair, chunks: list[int]) -> None:
    """Without this, the comparisons here would compare the long way with itself."""
    pair.counter.add(1, {"k": "a"})
    pair.histogram.record(1, {"k": "a"})
    text = pair.check()
    assert 'c_total{k="a"} 1.0\n' in text
    assert chunks == [1, 1, 1, 1, 1, 1]


def test_series_that_come_later_join_the_last_chunk(pair: Pair, chunks: list[int]) -> None:
    """More series than a chunk may have are written in several, old ones first."""
    for number in range(499):
        pair.counter.add(number, {"k": str(number)})
    pair.check()
    for number in range(499, 1100):
        pair.counter.add(number, {"k": str(number)})
    chunks.clear()
    text = pair.check()
    assert chunks[:3] == [500, 500, 100]
    assert text.count("\nc_total{") == 1100


@pytest.mark.parametrize("odd", ["%", "%s", "\\", '"', "\n", "\0", "é"])
def test_a_value_that_is_not_plain_changes_no_other_line(odd: str) -> None:
    """Formats of many series are made at once, also of constant labels and names with such text."""
    resource = Resource({"100%": f"a{odd}"})
    pair = Pair(resource=resource, resource_attribute_filter=lambda _key: True)
    for index in range(blocks.CHUNK + 20):
        labels = {"z": str(index), "a": odd if index == blocks.CHUNK + 7 else "x", "m%": "y"}
        pair.counter.add(index, labels)
        pair.gauge.set(index / 2, {"one": f"{index}{odd}"})
        pair.histogram.record(index / 4, labels)
    pair.check()
    # Others come later, and numbers of the other type.
    pair.counter.add(0.5, {"z": "later", "a": odd, "m%": "y"})
    pair.gauge.set(7, {"one": f"0{odd}"})
    assert "later" in pair.check()


def test_removed_series_are_gone_and_may_come_back(pair: Pair) -> None:
    """Also in the middle of a chunk, whole chunks, and all of it."""
    for number in range(1200):
        pair.counter.add(1, {"k": str(number)})
    pair.check()
    for gone in ({"7"}, {"7", *map(str, range(500, 1000))}, set(map(str, range(1200)))):
        pair.counter.remove(lambda labels, gone=gone: labels["k"] in gone)  # type: ignore[attr-defined]
        for number in (7, 1200):
            pair.counter.add(3, {"k": str(number)})
        text = pair.check()
        assert 'c_total{k="7"} 3.0\n' in text


@pytest.mark.parametrize("known", [True, False])
def test_a_series_removed_while_it_is_scraped_is_gone_from_the_next_scrape(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    """Between collecting and writing anything may happen; the next scrape has to know of it."""
    for key in "abc":
        pair.counter.add(1, {"k": key})
    if known:
        pair.short.render()
    follow = blocks.Blocks.follow

    def removing(self: blocks.Blocks, points: CellPoints) -> Any:
        pair.counter.remove(lambda labels: labels["k"] == "b")  # type: ignore[attr-defined]
        return follow(self, points)

    with monkeypatch.context() as patch:
        patch.setattr(blocks.Blocks, "follow", removing)
        pair.short.render()
    text = pair.check()
    assert '{k="b"}' not in text
    assert text.count("c_total{") == 2


def test_a_million_is_written_with_an_exponent(pair: Pair) -> None:
    """As prometheus_client writes it, in counts as well, whatever the series beside it has."""
    for number in range(3):
        pair.histogram.record(0.1, {"k": str(number)})
    for cell in _cells(pair, pair.short):
        if cell.key == "1":
            cell.counts[0] = 2_500_000
            cell.total = 1_234_567.5
    text = pair.check()
    assert 'h_seconds_bucket{k="1",le="0.5"} 2.5e+06\n' in text
    assert 'h_seconds_sum{k="1"} 1.2345675e+06\n' in text


def test_a_counter_that_is_observed_below_zero_is_left_out(pair: Pair) -> None:
    """OpenMetrics forbids it, and strict parsers then refuse the whole exposition."""
    values = [1, 2]

    def observe(_options: CallbackOptions) -> list[Observation]:
        return [Observation(value, {"k": str(index)}) for index, value in enumerate(values)]

    pair.provider.get_meter("m").create_observable_counter("o", [observe])
    assert 'o_total{k="1"} 2.0' in pair.check()
    values[1] = -2
    text = pair.check()
    assert 'o_total{k="0"} 1.0' in text
    assert 'o_total{k="1"}' not in text
    assert pair.short.problems == {"invalid_value": 1}
    values[1] = 3
    assert 'o_total{k="1"} 3.0' in pair.check()


def test_the_overflow_point_is_shown(pair: Pair) -> None:
    """Beyond the limit both ways show the same overflow point."""
    for number in range(LIMIT + 5):
        pair.counter.add(1, {"k": str(number), "l": ""})
    assert 'c_total{otel_metric_overflow="true"} 5.0\n' in pair.check()


@pytest.mark.parametrize(
    "labels",
    [
        [{"a.b": "1"}, {"a_b": "1"}],
        [{"a.b": "1", "a_b": "2"}],
        [{"k": "\ud800"}, {"k": "\ufffd"}],
        [{"otel_metric_overflow": "true"}],
        [{"le": "1"}],
        [{"k": 1}, {"k": "1"}, {"k": True}],
    ],
)
def test_labels_that_may_clash_go_the_long_way(pair: Pair, labels: list[dict[str, Any]]) -> None:
    """Duplicates are found and reported as ever, also when they come after a block."""
    pair.counter.add(1, {"k": "plain"})
    pair.check()
    for each in labels:
        pair.counter.add(1, each)
        pair.histogram.record(1, each)
        pair.check()


def test_scope_and_resource_labels_are_in_the_lines() -> None:
    """Constant labels take their sorted places; an attribute of the same key wins."""
    pair = Pair(scope_info_enabled=True, resource_attribute_filter=lambda _key: True)
    pair.counter.add(1, {"k": "a", "zz": "b"})
    assert 'otel_scope_name="m"' in pair.check()
    pair.gauge.set(1, {"service.name": "mine"})
    assert 'service_name="mine"' in pair.check()


def test_exemplars_are_shown_from_the_first_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, chunks: list[int]
) -> None:
    """They stay in the block, and are still there for the next scraper."""
    pair.counter.add(1, {"k": "a"})
    pair.check()
    tracers = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", tracers)
    with tracers.get_tracer("t").start_as_current_span("s"):
        pair.counter.add(1, {"k": "a"})
    chunks.clear()
    for _ in range(2):
        assert " # {" not in pair.short.render(None)[1].decode()
        assert " # {" in pair.short.render(OPENMETRICS)[1].decode()
    assert chunks


def test_exemplars_in_every_bucket_are_those_of_the_long_way(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bucket shows its latest, of whichever series, and a removed series shows none."""
    tracers = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", tracers)
    for amount in (0.001, 1, 30, 1e9, 1):
        for each in "abc":
            with tracers.get_tracer("t").start_as_current_span("s"):
                pair.histogram.record(amount, {"k": each})
                pair.counter.add(1, {"k": each})
        pair.check()
    assert pair.short.render(OPENMETRICS)[1].count(b" # {") == 3 * (4 + 1)
    pair.histogram.remove(lambda attributes: attributes["k"] == "b")
    pair.counter.remove(lambda attributes: attributes["k"] == "b")
    pair.check()
    assert pair.short.render(OPENMETRICS)[1].count(b" # {") == 2 * (4 + 1)
    pair.counter.add(1, {"k": "b"})
    pair.check()


def test_prometheus_client_sees_the_ids_of_exemplars_too(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where prometheus_client writes, exemplars of blocks have their labels, as the long way."""
    tracers = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", tracers)
    with tracers.get_tracer("t").start_as_current_span("s"):
        pair.counter.add(1, {"k": "a"})
        pair.histogram.record(0.5, {"k": "a"})
    pair.check()
    bodies = [generate_openmetrics(each) for each in pair.registries]  # type: ignore[no-untyped-call]
    assert bodies[0].count(b'trace_id="') == 2
    assert bodies[0] == bodies[1]


def test_several_streams_of_one_name_share_a_family(pair: Pair) -> None:
    """A family of two meters is written as one, and counters of the same labels are added."""
    twin = pair.provider.get_meter("other").create_counter("c", description="Some.")
    pair.counter.add(1, {"k": "a"})
    twin.add(5, {"k": "b"})
    twin.add(7, {"k": "a"})
    text = pair.check()
    assert text.count("# TYPE") == 1
    assert 'c_total{k="a"} 8.0\nc_total{k="b"} 5.0\n' in text


@pytest.mark.parametrize("bounds", [[], [-1, 1]])
def test_unusual_boundaries(pair: Pair, bounds: list[float]) -> None:
    """Boundaries that formats can't show as they are go the long way."""
    odd = pair.provider.get_meter("m").create_histogram(
        "odd", explicit_bucket_boundaries_advisory=bounds
    )
    odd.record(1, {"k": "a"})
    pair.check()


def test_created_and_prometheus_client_see_the_same() -> None:
    """Those who need series and points get them made of the block."""
    pair = Pair(created=True)
    pair.counter.add(2, {"k": "a"})
    pair.histogram.record(2, {"k": "a"})
    text = pair.short.render(OPENMETRICS)[1].decode()
    assert 'c_created{k="a"} ' in text
    bodies = [generate_latest(registry) for registry in pair.registries]
    assert bodies[0] == bodies[1]
    assert b'c_total{k="a"} 2.0' in bodies[0]


def test_points_are_a_sequence_for_whoever_takes_them_as_one(pair: Pair) -> None:
    """A reader's own subclass may look at what it receives as at any MetricsData."""
    pair.counter.add(2, {"k": "a"})
    seen: list[Any] = []
    receive = pair.short._receive_metrics

    def spy(data: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(data)
        receive(data, *args, **kwargs)

    pair.short._receive_metrics = spy  # type: ignore[method-assign]
    pair.short.render()
    [metric] = seen[0].resource_metrics[0].scope_metrics[0].metrics
    points = metric.data.data_points
    assert isinstance(points, CellPoints)
    assert len(points) == 1
    assert [each.value for each in points] == [2]
    assert points[0].attributes == {"k": "a"}
    assert points[:1] == [points[0]]


def test_a_scrape_leaves_little_behind(pair: Pair) -> None:
    """No attribute mapping is made for a series that is only scraped."""
    for number in range(50):
        pair.counter.add(1, {"k": str(number)})
    pair.short.render()
    gc.collect()
    pair.provider.remove_metric_reader(pair.long)
    assert all(cell._attributes is None for cell in _cells(pair, pair.short))


def _cells(pair: Pair, reader: Any) -> Iterator[Any]:
    storage = pair.provider._measurement_consumer._reader_storages[reader]
    for matches in storage._instrument_view_instrument_matches.values():
        for match in matches:
            yield from match.table.cells.values()
