"""The group that times a scrape of several processes, each of which has the same series."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, UnequalWorkError, timings
from benchmarks.scrapes import Series
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.sharing.showing import MetricsContent, Showing

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 8

_WORKER = """
import sys
from prometheus_client import CollectorRegistry
from benchmarks import subjects as make
from benchmarks.scrapes import Series

registry = CollectorRegistry()
counter = make.prometheus_counter(make.COUNTER_LABELS, registry)
histogram = make.prometheus_histogram(make.HISTOGRAM_LABELS, registry)
Series(int(sys.argv[1]), int(sys.argv[2])).fill(
    lambda labels: counter.labels(**labels).inc(),
    lambda value, labels: histogram.labels(**labels).observe(value),
)
"""


class _Told:
    """What all workers have told: asked in turn here, so that all of it is on the clock."""

    ended = None
    late = ()

    def __init__(self, members: dict[int, bytes]) -> None:
        self.members = members


def processes(settings: Settings) -> dict[str, list[float]]:
    """Time a scrape of eight processes, what each does to answer included."""
    series = Series(settings.size(1_000), settings.size(1_000))
    with tempfile.TemporaryDirectory() as directory:
        subjects = [_ours(series), _prometheus(series, directory)]
        ours, theirs = (_samples(each.names["scrape"]()) for each in subjects)
        # But for the last bit: sums of ours are exact, theirs are rounded at each step.
        same = ours.keys() == theirs.keys() and all(
            isclose(value, theirs[key]) for key, value in ours.items()
        )
        if not same or len(ours) != series.samples:
            raise UnequalWorkError(f"{len(ours)} samples of ours, {len(theirs)} of theirs differ")
        return timings(subjects, settings)


def _ours(series: Series) -> Subject:
    modes = Modes()
    touches: list[Callable[[], None]] = []
    contents: list[MetricsContent] = []
    for _ in range(WORKERS):
        reader = PrometheusMetricReader(
            disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry()
        )
        counter, histogram = make.instruments(make.provider([reader], ours=True))
        count = partial(counter.add, 1)
        series.fill(count, histogram.record)
        touches.append(partial(series.touch, count, histogram.record))
        contents.append(MetricsContent(reader, modes, lambda: False))

    def gather(_timeout: float) -> Any:  # noqa: ANN401 - of the protocol's shape
        return _Told({slot: each.snapshot() for slot, each in enumerate(contents)})

    reader.share(Showing(reader, modes, gather))

    def touch() -> None:
        for each in touches:
            each()

    scrape = lambda: reader.render()[1]  # noqa: E731
    return Subject("ours_processes", "scrape()", {"scrape": scrape}, prepare=touch)


def _prometheus(series: Series, directory: str) -> Subject:
    numbers = [str(len(series.counters)), str(len(series.histograms))]
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": directory}
    for _ in range(WORKERS):
        subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-c", _WORKER, *numbers],
            env=environment,
            cwd=Path(__file__).parents[1],
            check=True,
        )
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    return Subject(
        "prometheus_processes",
        "scrape()",
        {"scrape": partial(generate_latest, registry)},
        prepare=lambda: None,
    )


def _samples(body: bytes) -> dict[Any, float]:
    families = text_string_to_metric_families(body.decode())
    return {
        (each.name, *sorted(each.labels.items())): each.value
        for family in families
        for each in family.samples
    }
