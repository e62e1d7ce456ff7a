"""The group that is measured without a GIL: calls beside their peers, and two threads at once."""

from __future__ import annotations

import statistics
import sys
import time
import timeit
from functools import partial
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry

import butterfly_otel
from benchmarks import calls
from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, UnequalWorkError, require_same_outcome, timings
from butterfly_otel import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

#: Seconds that each thread measures: long beside what it takes to start the other one.
_SLICE = 0.1
#: Of two threads that run at once, neither waits longer: times its processor time.
_AT_ONCE: Final = 1.15
#: How often they are started again where one had to wait.
_TRIES: Final = 8
_STATUSES = ("success", "error")


def free_threaded(settings: Settings) -> dict[str, list[float]]:
    """Time bound instruments and typed handles, by themselves and in two threads at once.

    Raises:
        UnequalWorkError: When this interpreter has a GIL.
    """
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        raise UnequalWorkError("this interpreter has a GIL, or was made to use one")
    reader = calls.configure()
    try:
        found = timings(_alone(reader), settings)
        for key, pair in _pairs().items():
            found.update(_together(key, pair, settings))
    finally:
        butterfly_otel.shutdown()
    return found


def _alone(reader: InMemoryMetricReader) -> list[Subject]:
    counter = make.prometheus_counter(calls.LABEL_NAMES, CollectorRegistry())
    child = counter.labels(node_role="coordinator", method="inference", status="success")
    subjects = [
        Subject(
            "free_handle",
            calls.HANDLE,
            {"metrics": metrics},
            partial(calls.total, reader, "inference"),
        ),
        Subject(
            "free_bound",
            "bound.add(1)",
            {"bound": _bound("success")},
            partial(calls.total, reader, "checkpoint"),
        ),
        calls.prometheus_labels("free_labels"),
        Subject(
            "free_child",
            "child.inc()",
            {"child": child},
            partial(make.prometheus_sum, counter),
        ),
    ]
    require_same_outcome("counters without a GIL", subjects)
    return subjects


def _bound(status: Any) -> Any:  # noqa: ANN401 - one of the contract's statuses
    return metrics.requests_total.bind(node_role="coordinator", method="checkpoint", status=status)


def _pairs() -> dict[str, list[timeit.Timer]]:
    """Return what two threads do at once, which measure two series of one metric."""
    timer, handle = time.thread_time, calls.HANDLE
    return {
        "free_bound": [
            timeit.Timer("bound.add(1)", "pass", timer, {"bound": _bound(status)})
            for status in _STATUSES
        ],
        "free_handle": [
            timeit.Timer(handle.replace("success", status), "pass", timer, {"metrics": metrics})
            for status in _STATUSES
        ],
    }


def _together(key: str, pair: Sequence[timeit.Timer], settings: Settings) -> dict[str, list[float]]:
    loops = round((_SLICE / 30 if settings.quick else _SLICE) / (pair[0].timeit(1000) / 1000))
    found: dict[str, list[float]] = {f"{key}_one": [], f"{key}_two": []}
    worst = 0.0
    for _ in range(settings.rounds):
        # In a thread of its own as well: what the main one has made is cheaper there.
        found[f"{key}_one"].append(_in_threads(pair[:1], loops)[0])
        tries: list[tuple[float, float]] = []
        # Threads that wait for a processor are not in each other's way.
        while not tries or (min(tries)[0] > _AT_ONCE and len(tries) < _TRIES):
            figure, waited = _in_threads(pair, loops)
            tries.append((waited, figure))
            if settings.quick:
                break
        found[f"{key}_two"].append(min(tries)[1])
        worst = max(worst, min(tries)[0])
    if worst > _AT_ONCE and not settings.quick:
        sys.stderr.write(
            f"{key}: two threads did not always run at once, because other processes use this"
            f" machine: in the worst round they took {worst:.2f} times their processor time\n"
        )
    return found


def _in_threads(timers: Sequence[timeit.Timer], loops: int) -> tuple[float, float]:
    """Execute statements in as many threads at once.

    Returns:
        Nanoseconds of processor time of one execution, and how many times the processor time of
        the quickest thread all of them took.
    """
    together = Barrier(len(timers))
    seconds: list[float] = []
    begun: list[float] = []
    ended: list[float] = []

    def measure(timer: timeit.Timer) -> None:
        together.wait()
        begun.append(time.perf_counter())
        seconds.append(timer.timeit(loops))
        ended.append(time.perf_counter())

    threads = [Thread(target=measure, args=(each,)) for each in timers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if len(ended) != len(timers):
        raise UnequalWorkError("a thread has failed; it has said why")
    waited = (max(ended) - min(begun)) / min(seconds)
    return statistics.fmean(seconds) * 1e9 / loops, waited
