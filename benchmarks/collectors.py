"""What reading hardware in the background costs: ``python -m benchmarks.collectors``.

There is no peer to compare with, so this stands beside the table of ``python -m benchmarks``. It
shows the cost of a round of sampling and of a callback, what eight GPUs' readings add to a
scrape, and that a source that hangs adds nothing.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import urllib.request
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

import butterfly_otel
from benchmarks.measure import Settings, Subject, timings
from butterfly_otel import metrics
from butterfly_otel.collectors import Reading
from butterfly_otel.collectors.cpu import CpuSource
from butterfly_otel.collectors.throttling import ThrottlingSource
from butterfly_otel.collectors.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from butterfly_otel.collectors import Source

_GPUS = 8
_TICK = 0.02


class Gpus:
    """A source of what eight GPUs say: 6 readings each, without a driver.

    Args:
        hang: Blocks in ``read`` until it is set; a set one blocks nothing.
    """

    name = "gpus"
    metrics = (
        "butterfly_gpu_utilization_ratio",
        "butterfly_gpu_memory_bytes",
        "butterfly_gpu_temperature_celsius",
        "butterfly_gpu_compute_unit_active",
    )
    interval = 0.05
    deadline = 0.5

    def __init__(self, hang: threading.Event) -> None:
        self._hang = hang

    def open(self) -> None:
        """Do nothing."""

    def read(self) -> Sequence[Reading]:
        """Return 48 readings."""
        self._hang.wait()
        busy, memory, heat, units = self.metrics
        found: list[Reading] = []
        for index in range(_GPUS):
            gpu = {"gpu_id": str(index)}
            found += (
                Reading(busy, 0.93, gpu),
                Reading(memory, 61e9, {**gpu, "state": "used"}),
                Reading(memory, 19e9, {**gpu, "state": "free"}),
                Reading(heat, 71.0, gpu),
                Reading(units, 118.5, {**gpu, "unit_type": "sm"}),
                Reading(units, 301.0, {**gpu, "unit_type": "tensor_core"}),
            )
        return found

    def close(self) -> None:
        """Do nothing."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and show it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collectors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="timings of each subject")
    parser.add_argument("--hang", type=float, default=60.0, help="seconds a source hangs")
    options = parser.parse_args(arguments)
    for what, nanoseconds in _costs(Settings(options.rounds, quick=False)).items():
        _say(f"{what:58} {median(nanoseconds) / 1000:10.1f} µs")
    for what, seconds in _scrapes_around_a_hang(options.hang).items():
        _say(f"{what:58} {_spread(seconds)}")
    return 0


def _costs(settings: Settings) -> Mapping[str, list[float]]:
    """Return nanoseconds of processor time of rounds and callbacks."""
    going = threading.Event()
    going.set()
    sources: dict[str, Source] = {
        "round of cpu": CpuSource(),
        "round of cpu, a core": CpuSource(per_core=True),
        "round of throttling": ThrottlingSource(),
        "round of 8 GPUs' 48 readings, without the driver": Gpus(going),
    }
    subjects: list[Subject] = []
    for what, source in sources.items():
        worker = Worker(source, lambda _name, _labels: None)
        worker.round()
        worker.round()
        subjects.append(Subject(what, "round()", {"round": worker.round}))
        if isinstance(source, Gpus):
            read = partial(worker.observations, source.metrics[1])
            subjects.append(Subject("callback of 16 series", "read()", {"read": read}))
    return {**timings(subjects, settings), **_scrape_costs(going, settings)}


def _scrape_costs(going: threading.Event, settings: Settings) -> Mapping[str, list[float]]:
    """Return nanoseconds of processor time of scrapes with and without the readings."""
    found: dict[str, list[float]] = {}
    with_gpus = partial(_configure, Gpus(going), sampling="gpus")
    for what, configure in (
        ("scrape without collectors", partial(_configure, sampling="none")),
        ("scrape with 8 GPUs' 48 series and the collector's own", with_gpus),
    ):
        runtime = configure()
        try:
            render = _renderer(runtime)
            subject = Subject(what, "render()", {"render": render})
            found.update(timings([subject], settings))
        finally:
            runtime.shutdown()
    return found


def _configure(*sources: Source, sampling: str) -> butterfly_otel.Runtime:
    runtime = butterfly_otel.configure(
        node_id="compute-node-1",
        node_role="compute",
        prometheus_host="127.0.0.1",
        prometheus_port=0,
        registry=CollectorRegistry(),
        handle_signals=False,
        collectors=list(sources) or sampling,
    )
    while sources and not _has(metrics.gpu_memory_bytes):
        time.sleep(_TICK)
    return runtime


def _has(handle: metrics.GpuMemoryBytes) -> bool:
    return any(each.callback() for each in handle.registrations)


def _renderer(runtime: butterfly_otel.Runtime) -> Callable[[], object]:
    """Return what makes the endpoint's answer, without the network."""
    from butterfly_otel.exporters.prometheus.reader import (  # noqa: PLC0415 - for its type
        PrometheusMetricReader,
    )

    provider = runtime.meter_provider
    assert provider is not None  # noqa: S101 - just configured
    for reader in provider._metric_readers:  # noqa: SLF001 - a benchmark may look inside
        if isinstance(reader, PrometheusMetricReader):
            return reader.render
    raise LookupError("no endpoint")


def _scrapes_around_a_hang(seconds: float) -> Mapping[str, list[float]]:
    """Return seconds that scrapes by HTTP take while all sources answer, and while one hangs."""
    going = threading.Event()
    going.set()
    runtime = _configure(Gpus(going), CpuSource(), sampling="")
    try:
        url = str(runtime.prometheus_url)
        before = _scrapes(url, seconds)
        going.clear()
        while b'collector_up{collector="gpus"} 0.0' not in _scrape(url):
            time.sleep(_TICK)
        hanging = _scrapes(url, seconds)
        going.set()
        after = _scrapes(url, min(seconds, 5.0))
        end = time.perf_counter()
        runtime.shutdown()
    finally:
        going.set()
        runtime.shutdown()
    return {
        f"{len(before)} scrapes in {seconds:g} s, every source answers": before,
        f"{len(hanging)} scrapes in {seconds:g} s, one source hangs": hanging,
        f"{len(after)} scrapes after it came back": after,
        "shutdown()": [time.perf_counter() - end],
    }


def _scrapes(url: str, seconds: float) -> list[float]:
    end, taken = time.monotonic() + seconds, list[float]()
    while time.monotonic() < end:
        begin = time.perf_counter()
        _scrape(url)
        taken.append(time.perf_counter() - begin)
        time.sleep(_TICK)
    return taken


def _scrape(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own endpoint
        body: bytes = answer.read()
    return body


def _spread(seconds: list[float]) -> str:
    if len(seconds) == 1:
        return f"{seconds[0] * 1e3:10.2f} ms"
    cuts = quantiles(seconds, n=100)
    return f"{cuts[49] * 1e3:10.2f} ms median, {cuts[98] * 1e3:.2f} ms 99th percentile"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
