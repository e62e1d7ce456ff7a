"""Forks: the child starts from zero, and parent and child together report the truth."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from butterfly_otel.engine import MeterProvider
from tests.collected import points
from tests.unit.engine.releases import StockProvider

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

DELTA = {Counter: AggregationTemporality.DELTA}


def in_child(work: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what ``work`` returns in a forked child, which must not take longer."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forking with threads: exactly what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            result = pickle.dumps(("ok", work()))
        except BaseException as error:  # noqa: BLE001 - the parent tells
            result = pickle.dumps(("failed", repr(error)))
        os.write(write, result)
        os._exit(0)
    os.close(write)
    deadline = time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            # By this signal, since pytest has Python say then where each thread was.
            os.kill(child, signal.SIGABRT)
            os.waitpid(child, 0)
            os.close(read)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    with os.fdopen(read, "rb") as pipe:
        outcome, result = pickle.load(pipe)  # noqa: S301 - our own child's
    assert outcome == "ok", result
    return result


def _start(preference: Any = None, **settings: Any) -> tuple[MeterProvider, Any]:
    reader = InMemoryMetricReader(preference)
    return MeterProvider([reader], shutdown_on_exit=False, **settings), reader


@pytest.mark.parametrize("preference", [None, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("bound", [False, True], ids=["api", "bound"])
def test_parent_and_child_each_report_what_they_measured(preference: Any, *, bound: bool) -> None:
    """The SDK's child inherits the parent's totals, and reports them once more."""
    provider, reader = _start(preference)
    counter = provider.get_meter("m").create_counter("c")
    target = counter.bind({"k": "v"})

    def add(amount: int) -> None:
        if bound:
            target.record(amount)
        else:
            counter.add(amount, {"k": "v"})

    def child() -> Any:
        before = points(reader, "c")
        add(1)
        return before, [(point.value, point.start_time_unix_nano) for point in points(reader, "c")]

    add(5)
    forked = time.time_ns()
    before, [(value, start)] = in_child(child)
    add(1)
    assert (before, value) == ([], 1)
    assert start >= forked
    [point] = points(reader, "c")
    assert point.value == 6


@pytest.mark.parametrize("kind", ["up_down_counter", "histogram", "gauge"])
def test_every_kind_starts_from_nothing_in_the_child(kind: str) -> None:
    """No instrument shows the child what the parent measured."""
    provider, reader = _start()
    instrument = getattr(provider.get_meter("m"), f"create_{kind}")("i")
    instrument.bind({"k": "v"}).record(5)
    assert in_child(reader.get_metrics_data) is None
    assert len(points(reader, "i")) == 1


def test_what_the_stock_sdk_aggregates_starts_from_nothing_too() -> None:
    """An exponential histogram goes the SDK's own way, and forks no worse for it."""
    views = [View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())]
    provider, reader = _start(views=views)
    histogram = provider.get_meter("m").create_histogram("h")
    for _ in range(5):
        histogram.record(1)

    def child() -> Any:
        histogram.record(1)
        return [point.count for point in points(reader, "h")]

    assert in_child(child) == [1]


def _observing(preference: Any) -> InMemoryMetricReader:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(5)]

    provider, reader = _start(preference)
    provider.get_meter("m").create_observable_counter("o", [observe])
    assert [point.value for point in points(reader, "o")] == [5]
    return reader


def test_an_observed_total_has_a_new_start_time_in_the_child() -> None:
    """What the callback says counts, but it is a series of its own."""
    reader = _observing(None)
    forked = time.time_ns()

    def child() -> Any:
        return [(each.value, each.start_time_unix_nano) for each in points(reader, "o")]

    [(value, start)] = in_child(child)
    assert value == 5
    assert start >= forked


def test_an_observed_total_is_not_exported_twice_as_a_delta() -> None:
    """The child exports what came after what the parent has exported."""
    reader = _observing({ObservableCounter: AggregationTemporality.DELTA})
    assert in_child(lambda: sum(each.value for each in points(reader, "o"))) == 0


def _locks(provider: Any, reader: Any, histogram: Any) -> dict[str, Any]:
    consumer = provider._measurement_consumer
    storage = consumer._reader_storages[reader]
    [stream] = storage._instrument_view_instrument_matches[histogram]
    meter = provider.get_meter("m")
    # It has another name before 1.40.
    names = ("_instrument_registration_lock", "_instrument_id_instrument_lock")
    return {
        "stream": stream._lock,
        "storage": storage._lock,
        "consumer": consumer._lock,
        "provider": provider._lock,
        "meters": provider._meter_lock,
        "readers": provider._all_metric_readers_lock,
        "instruments": next(getattr(meter, each) for each in names if hasattr(meter, each)),
        "names": meter._instrument_ids_lock,
    }


@pytest.mark.parametrize(
    "held",
    ["stream", "storage", "consumer", "provider", "meters", "readers", "instruments", "names"],
)
def test_a_lock_that_a_thread_held_at_the_fork_is_free_in_the_child(held: str) -> None:
    """The SDK renews its provider's locks only: a fork during a collection hangs the child."""
    provider, reader = _start()
    meter = provider.get_meter("m")
    histogram = meter.create_histogram("h")
    bound = histogram.bind({"k": "v"})
    bound.record(5)
    lock = _locks(provider, reader, histogram)[held]
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holding.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()

    def child() -> Any:
        bound.record(1)
        histogram.record(1, {"k": "new"})
        meter.create_counter("late").add(1)
        provider.get_meter("n").create_counter("later").add(1)
        provider.add_metric_reader(InMemoryMetricReader())
        return [point.count for point in points(reader, "h")]

    try:
        assert in_child(child) == [1, 1]
    finally:
        release.set()
        thread.join()


def test_an_update_under_way_at_the_fork_does_not_hang_the_child() -> None:
    """Whatever lock a cell may have is renewed as well."""
    provider, reader = _start()
    histogram = provider.get_meter("m").create_histogram("h")
    bound = histogram.bind({"k": "v"})
    stop = threading.Event()

    def measure() -> None:
        amount = 0
        while not stop.is_set():
            amount += 1
            bound.record(amount)  # a new maximum each time

    threads = [threading.Thread(target=measure) for _ in range(4)]
    for thread in threads:
        thread.start()

    def child() -> Any:
        bound.record(1)
        return [(point.count, point.min, point.max) for point in points(reader, "h")]

    try:
        for _ in range(10):
            assert in_child(child) == [(1, 1, 1)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(
    not hasattr(StockProvider, "_update_resource"), reason="before 1.44 there is no instance id"
)
def test_the_child_has_an_instance_id_of_its_own() -> None:
    """Both would be one time series to a backend otherwise."""
    provider, reader = _start()
    counter = provider.get_meter("m").create_counter("c")
    counter.add(1)

    def instance() -> Any:
        counter.add(1)
        data = reader.get_metrics_data()
        return data.resource_metrics[0].resource.attributes.get("service.instance.id")

    ids = [in_child(instance), in_child(instance), instance()]
    assert None not in ids
    assert len(set(ids)) == 3
