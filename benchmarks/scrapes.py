"""Groups that time whole scrapes, in text format 0.0.4 and in protobuf."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader as OfficialReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, UnequalWorkError, require_equal, timings
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Measures for a counter's labels; for a histogram's, with a value.
    Count = Callable[[make.Labels], object]
    Observe = Callable[[float, make.Labels], object]


_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)


class Series:
    """Series that every subject has alike.

    Args:
        counters: How many counter series.
        histograms: How many histogram series.
    """

    def __init__(self, counters: int, histograms: int) -> None:
        self.counters = make.counter_labels(counters)
        self.histograms = make.histogram_labels(histograms)
        self.samples = counters + histograms * make.LINES_OF_A_HISTOGRAM

    def fill(self, count: Count, observe: Observe) -> None:
        """Measure in every series, in every bucket."""
        for labels in self.counters:
            count(labels)
        for labels in self.histograms:
            for value in make.VALUES:
                observe(value, labels)

    def touch(self, count: Count, observe: Observe) -> None:
        """Change every series, so that a scrape never repeats the one before."""
        for labels in self.counters:
            count(labels)
        for labels in self.histograms:
            observe(make.VALUE, labels)


def scrape(settings: Settings) -> dict[str, list[float]]:
    """Time a scrape of 22,000 samples by us, the official exporter and prometheus_client."""
    series = Series(settings.size(10_000), settings.size(1_000))
    scrapers = [
        _our_scrape("ours_scrape", series),
        _official_scrape("official_scrape", series),
        _prometheus_scrape("prometheus_scrape", series),
    ]
    _require_same_exposition(scrapers, series.samples)
    collecting = [replace(each, key=f"{each.key}_collecting", collecting=True) for each in scrapers]
    packed = _our_scrape("ours_scrape_protobuf", series, accept=_PROTOBUF)
    _require_protobuf(packed, series)
    # The same as ours among the scrapers, but beside what it is compared with here.
    text = _our_scrape("ours_scrape_text", series)
    return timings([*scrapers, packed, text, *collecting], settings)


def scale(settings: Settings) -> dict[str, list[float]]:
    """Time our scrape of 10,000 and of 1,000,000 samples, a sample."""
    scrapers: list[Subject] = []
    for key, factor in (("ours_small", 1), ("ours_large", 100)):
        series = Series(settings.size(4_000) * factor, settings.size(500) * factor)
        subject = _our_scrape(key, series, divisor=series.samples)
        body: bytes = subject.names["scrape"]()
        lines = sum(not line.startswith(b"#") for line in body.splitlines())
        if lines != series.samples:
            raise UnequalWorkError(f"{key} has {lines} samples, not {series.samples}")
        scrapers.append(subject)
    return timings(scrapers, settings)


def _our_scrape(
    key: str, series: Series, *, divisor: int = 1, accept: str | None = None
) -> Subject:
    """Return a scrape of our engine by our reader."""
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry()
    )
    counter, histogram = make.instruments(make.provider([reader], ours=True))
    count = partial(counter.add, 1)
    series.fill(count, histogram.record)

    def body() -> bytes:
        return reader.render(accept)[1]

    touch = partial(series.touch, count, histogram.record)
    return Subject(key, "scrape()", {"scrape": body}, prepare=touch, divisor=divisor)


def _require_protobuf(scraper: Subject, series: Series) -> None:
    """Fail unless every series is there: the values of its last label stand once in each."""
    body = scraper.names["scrape"]()
    found = body.count(b"\x0a\x06method\x12")
    if found != len(series.counters) + len(series.histograms):
        raise UnequalWorkError(f"{scraper.key} has {found} series")


def _official_scrape(key: str, series: Series) -> Subject:
    registry = CollectorRegistry()
    reader = OfficialReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    counter, histogram = make.instruments(make.provider([reader], ours=False))
    count = partial(counter.add, 1)
    series.fill(count, histogram.record)
    touch = partial(series.touch, count, histogram.record)
    return _generate(key, registry, touch)


def _prometheus_scrape(key: str, series: Series) -> Subject:
    registry = CollectorRegistry()
    counter = make.prometheus_counter(make.COUNTER_LABELS, registry)
    histogram = make.prometheus_histogram(make.HISTOGRAM_LABELS, registry)

    def count(labels: make.Labels) -> None:
        counter.labels(**labels).inc()

    def observe(value: float, labels: make.Labels) -> None:
        histogram.labels(**labels).observe(value)

    series.fill(count, observe)
    return _generate(key, registry, partial(series.touch, count, observe))


def _generate(key: str, registry: CollectorRegistry, touch: Callable[[], None]) -> Subject:
    body = partial(generate_latest, registry)
    return Subject(key, "scrape()", {"scrape": body}, prepare=touch)


def _require_same_exposition(scrapers: list[Subject], number: int) -> None:
    expositions: dict[str, object] = {}
    for subject in scrapers:
        samples = _parsed(subject.names["scrape"]())
        if len(samples) != number:
            raise UnequalWorkError(f"{subject.key} has {len(samples)} samples, not {number}")
        expositions[subject.key] = samples
    require_equal("expositions", expositions)


def _parsed(body: bytes) -> dict[Any, float]:
    """Return the value of each sample of an exposition.

    Raises:
        UnequalWorkError: When a sample is there twice.
    """
    found: dict[Any, float] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            identity = (family.type, sample.name, frozenset(sample.labels.items()))
            if identity in found:
                raise UnequalWorkError(f"{identity} is there twice")
            found[identity] = round(sample.value, 6)
    return found
