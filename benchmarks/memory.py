"""The group that measures what a series takes in memory."""

from __future__ import annotations

import gc
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest

from benchmarks import subjects as make
from benchmarks.measure import Settings, UnequalWorkError
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader

if TYPE_CHECKING:
    from collections.abc import Callable

    Measure = Callable[[make.Labels], object]
    Scrape = Callable[[], bytes]
    #: Makes what measures one value, and what scrapes it.
    Build = Callable[[], tuple[Measure, Scrape]]

#: Memory hardly varies, so a few rounds are enough.
_MOST_ROUNDS = 3


def memory(settings: Settings) -> dict[str, list[float]]:
    """Measure the bytes of a series, over 10,000, before and after a first scrape."""
    number = settings.size(10_000)
    found: dict[str, list[float]] = {}
    for _ in range(min(settings.rounds, _MOST_ROUNDS)):
        for owner, kind, build in _SUBJECTS:
            labels = (make.counter_labels if kind == "counter" else make.histogram_labels)(number)
            measured, scraped = _bytes_a_series(build, labels)
            found.setdefault(f"{owner}_{kind}_memory", []).append(measured)
            found.setdefault(f"{owner}_{kind}_scraped", []).append(scraped)
    return found


def _bytes_a_series(build: Build, labels: list[make.Labels]) -> tuple[float, float]:
    """Return the bytes of a series when it has been measured, and when it has been scraped.

    The strings of the labels belong to the caller, as they mostly do in an application.
    """
    measure, scrape = build()
    # Whatever is made only once is no part of a series.
    measure(labels[0])
    scrape()
    others = labels[1:]
    gc.collect()
    tracemalloc.start()
    try:
        before = _traced()
        for each in others:
            measure(each)
        measured = _traced() - before
        scrape()
        scraped = _traced() - before
    finally:
        tracemalloc.stop()
    heads = {line.partition(b" ")[0] for line in scrape().splitlines() if line[:1] != b"#"}
    lines = {1, make.LINES_OF_A_HISTOGRAM}
    if len(heads) / len(labels) not in lines:
        raise UnequalWorkError(f"{len(labels)} series have {len(heads)} samples")
    return measured / len(others), scraped / len(others)


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _ours(kind: str) -> tuple[Measure, Scrape]:
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry()
    )
    counter, histogram = make.instruments(make.provider([reader], ours=True))

    def scrape() -> bytes:
        return reader.render()[1]

    if kind == "counter":
        return partial(counter.add, 1), scrape
    return partial(histogram.record, make.VALUE), scrape


def _prometheus(kind: str) -> tuple[Measure, Scrape]:
    registry = CollectorRegistry()
    scrape = partial(generate_latest, registry)
    if kind == "counter":
        counter = make.prometheus_counter(make.COUNTER_LABELS, registry)

        def count(labels: make.Labels) -> None:
            counter.labels(**labels).inc()

        return count, scrape
    histogram = make.prometheus_histogram(make.HISTOGRAM_LABELS, registry)

    def observe(labels: make.Labels) -> None:
        histogram.labels(**labels).observe(make.VALUE)

    return observe, scrape


_SUBJECTS: tuple[tuple[str, str, Build], ...] = tuple(
    (owner, kind, partial(build, kind))
    for owner, build in (("ours", _ours), ("prometheus", _prometheus))
    for kind in ("counter", "histogram")
)
