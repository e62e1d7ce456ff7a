"""Groups that time what else pull costs: the start, the first scrape, observations, exemplars."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

import butterfly_otel
from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, UnequalWorkError, timings
from benchmarks.scrapes import Series
from butterfly_otel import metrics
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
#: A span of its own for each exemplar of a scrape, as where each is of another request.
_SPANS = [
    SpanContext(
        (0xC0FFEE << 100) + place * 0x9E3779B97F4A7C15,
        (0xBEEF << 40) + place,
        is_remote=False,
        trace_flags=TraceFlags(1),
    )
    for place in range(2_000)
]
_SAMPLED = [set_span_in_context(NonRecordingSpan(each)) for each in _SPANS]
_EXEMPLARS = [
    {"trace_id": f"{each.trace_id:032x}", "span_id": f"{each.span_id:016x}"} for each in _SPANS
]

_OUR_START = """
import butterfly_otel
butterfly_otel.configure(
    node_id="n1", node_role="compute", prometheus_port=0, collectors="none"
)
"""
_SDK_START = """
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
start_http_server(0, "127.0.0.1")
"""


def start(settings: Settings) -> dict[str, list[float]]:
    """Measure the processor time of processes that start pull and end."""
    found: dict[str, list[float]] = {"ours_start": [], "sdk_start": []}
    for turn in range(settings.rounds + 1):
        for key, program in (("ours_start", _OUR_START), ("sdk_start", _SDK_START)):
            figure = _processor_time(f"{program}\nimport os; os._exit(0)")
            # The first time may have compiled something.
            if turn or settings.quick:
                found[key].append(figure)
    return found


def _processor_time(program: str) -> float:
    # Finer than os.times(), which counts hundredths of a second.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    return (user + after.ru_stime - before.ru_stime) * 1e9


def first(settings: Settings) -> dict[str, list[float]]:
    """Time the first scrape of 22,000 samples."""
    series = Series(settings.size(10_000), settings.size(1_000))
    subjects = [
        _anew("ours_first", series, _our_filled),
        _anew("prometheus_first", series, _prometheus_filled),
    ]
    return timings(subjects, settings)


def _anew(key: str, series: Series, fill: Callable[[Series], Callable[[], bytes]]) -> Subject:
    names: dict[str, Any] = {}

    def prepare() -> None:
        names["scrape"] = fill(series)

    prepare()
    return Subject(key, "scrape()", names, prepare=prepare)


def _our_filled(series: Series) -> Callable[[], bytes]:
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry()
    )
    counter, histogram = make.instruments(make.provider([reader], ours=True))
    series.fill(partial(counter.add, 1), histogram.record)
    return lambda: reader.render()[1]


def _prometheus_filled(series: Series) -> Callable[[], bytes]:
    registry = CollectorRegistry()
    counter = make.prometheus_counter(make.COUNTER_LABELS, registry)
    histogram = make.prometheus_histogram(make.HISTOGRAM_LABELS, registry)
    series.fill(
        lambda labels: counter.labels(**labels).inc(),
        lambda value, labels: histogram.labels(**labels).observe(value),
    )
    return partial(generate_latest, registry)


def observed(settings: Settings) -> dict[str, list[float]]:
    """Time scrapes of 1000 series that a callback observes, of a metric of the contract."""
    peers = [f"node-{index}" for index in range(settings.size(1_000))]
    value = 0.0

    def change() -> None:
        nonlocal value
        value += 0.001

    handle = metrics.quic_rtt_seconds
    handle.observe(
        lambda: [handle.observation(value, from_node="n1", to_node=each) for each in peers]
    )
    runtime = butterfly_otel.configure(
        node_id="n1", node_role="compute", prometheus_port=0, collectors="none"
    )
    reader: Any = runtime.prometheus_reader

    class Collector:
        """What observes in prometheus_client."""

        def collect(self) -> Iterable[GaugeMetricFamily]:
            """Return all series."""
            family = GaugeMetricFamily(handle.metric.name, "", labels=["from_node", "to_node"])
            for each in peers:
                family.add_metric(["n1", each], value)
            yield family

    registry = CollectorRegistry()
    registry.register(Collector())  # type: ignore[arg-type]
    subjects = [
        Subject(
            "ours_observed", "scrape()", {"scrape": lambda: reader.render()[1]}, prepare=change
        ),
        Subject(
            "prometheus_observed",
            "scrape()",
            {"scrape": partial(generate_latest, registry)},
            prepare=change,
        ),
    ]
    for each in subjects:
        lines = each.names["scrape"]().count(b"\n" + handle.metric.name.encode() + b"{")
        if lines != len(peers):
            raise UnequalWorkError(f"{each.key} has {lines} series, not {len(peers)}")
    try:
        return timings(subjects, settings)
    finally:
        butterfly_otel.shutdown()


def exemplars(settings: Settings) -> dict[str, list[float]]:
    """Time scrapes with an exemplar in every series and bucket, each of another span."""
    series = Series(settings.size(1_000), settings.size(100))
    ours = [
        _ours(f"ours_{key}", series, accept, context)
        for key, accept, context in (
            ("plain_text", None, [None]),
            ("exemplars_text", None, _SAMPLED),
            ("exemplars_openmetrics", _OPENMETRICS, _SAMPLED),
        )
    ]
    theirs = _theirs("prometheus_exemplars_openmetrics", series)
    wanted = len(series.counters) + len(series.histograms) * len(make.VALUES)
    for each in (ours[-1], theirs):
        found = each.names["scrape"]().count(b" # {")
        if found != wanted:
            raise UnequalWorkError(f"{each.key} has {found} exemplars, not {wanted}")
    return timings([*ours, theirs], settings)


def _ours(key: str, series: Series, accept: str | None, contexts: Sequence[Any]) -> Subject:
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry()
    )
    counter, histogram = make.instruments(make.provider([reader], ours=True))
    context = partial(next, cycle(contexts))
    touch = partial(
        series.fill,
        lambda labels: counter.add(1, labels, context()),
        lambda value, labels: histogram.record(value, labels, context()),
    )
    touch()
    return Subject(key, "scrape()", {"scrape": lambda: reader.render(accept)[1]}, prepare=touch)


def _theirs(key: str, series: Series) -> Subject:
    registry = CollectorRegistry()
    counter = make.prometheus_counter(make.COUNTER_LABELS, registry)
    histogram = make.prometheus_histogram(make.HISTOGRAM_LABELS, registry)
    exemplar = partial(next, cycle(_EXEMPLARS))
    touch = partial(
        series.fill,
        lambda labels: counter.labels(**labels).inc(1, exemplar()),
        lambda value, labels: histogram.labels(**labels).observe(value, exemplar()),
    )
    touch()
    body = partial(generate_openmetrics, registry)
    return Subject(key, "scrape()", {"scrape": body}, prepare=touch)
