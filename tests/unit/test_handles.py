"""Typed handles: before, while and after the SDK is configured."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

import butterfly_otel
from butterfly_otel import catalog, metrics
from butterfly_otel.handles.bound import BoundCounter, Dependent
from butterfly_otel.handles.handles import ObservableHandle, SynchronousHandle, node_pair

Start = Callable[..., Any]
REQUESTS = "butterfly_requests_total"
LABELS = {"node_role": "coordinator", "method": "inference", "status": "success"}


def test_there_is_one_handle_a_metric() -> None:
    """Every metric of the contract has a handle of that name, and there is no other."""
    assert [handle.metric for handle in metrics.ALL] == list(catalog.CONTRACT)
    for metric in catalog.CONTRACT:
        assert getattr(metrics, metric.handle_name).metric is metric


def test_handles_are_no_ops_before_configure() -> None:
    """Measuring without a configured SDK does nothing and raises nothing, whatever is passed."""
    metrics.requests_total.add(1, method="inference", status="success")
    metrics.requests_total.add("x", method=[], status=object())  # type: ignore[arg-type]
    metrics.requests_in_flight.dec(object(), method="inference")  # type: ignore[arg-type]
    with metrics.request_duration_seconds.time(method="inference"):
        pass


def test_a_bound_instrument_shows_what_it_measures() -> None:
    """Its text names the metric and its labels, in the contract's order."""
    bound = metrics.requests_total.bind(method="inference", status="success")
    shown = "<RequestsTotal butterfly_requests_total> with (None, 'inference', 'success')"
    assert repr(bound) == f"<BoundCounter of {shown}>"


def test_handles_and_bound_instruments_of_earlier_start_to_work(start: Start) -> None:
    """What was bound or decorated before configure() measures from then on."""
    bound = metrics.requests_total.bind(method="inference", status="success")
    timed = metrics.request_duration_seconds.time(method="inference")(lambda: 7)
    bound.add(5)
    assert timed() == 7
    measured = start()
    bound.add(2)
    bound.inc()
    timed()
    assert measured.value(REQUESTS, **LABELS) == 3
    [point] = measured.points("butterfly_request_duration_seconds")
    assert point.count == 1


def test_binding_while_the_sdk_is_configured_and_shut_down_disturbs_neither() -> None:
    """A handle may be bound by some threads while another makes it forget what it looked up."""
    handle = metrics.request_duration_seconds
    done = threading.Event()

    def bind() -> None:
        while not done.is_set():
            for _ in [handle.bind(method="inference") for _ in range(200)]:
                pass

    threads = [threading.Thread(target=bind) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for _ in range(200):
            handle.invalidate()
    finally:
        done.set()
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()


def test_handles_are_no_ops_after_shutdown_and_work_again_after_configure(start: Start) -> None:
    """A second configure() starts from nothing, also for bound instruments."""
    bound = metrics.requests_total.bind(method="inference", status="success")
    start()
    bound.add(1)
    butterfly_otel.shutdown()
    bound.add(10)
    measured = start()
    bound.add(2)
    assert measured.value(REQUESTS, **LABELS) == 2


def test_up_down_counter_goes_both_ways(start: Start) -> None:
    """inc, dec, add and track move a gauge up and down, track also when the block raises."""
    measured = start()
    metrics.requests_in_flight.inc(3, method="inference")
    metrics.requests_in_flight.dec(method="inference")
    bound = metrics.requests_in_flight.bind(method="inference")
    bound.inc()
    bound.dec(2)
    name, labels = (
        "butterfly_requests_in_flight",
        {"node_role": "coordinator", "method": "inference"},
    )
    with pytest.raises(KeyError), metrics.requests_in_flight.track(method="inference"):
        assert measured.value(name, **labels) == 2
        raise KeyError
    assert measured.value(name, **labels) == 1


def test_gauge_keeps_the_last_value(start: Start) -> None:
    """set() replaces what was set before, and takes any finite number."""
    measured = start()
    metrics.batch_size.set(8)
    metrics.batch_size.set(-0.5)
    assert measured.value("butterfly_batch_size", node_id="coordinator-1") == -0.5


def test_time_measures_seconds_of_blocks_functions_and_coroutines(start: Start) -> None:
    """time() records elapsed seconds, also of a coroutine and of a block that raises."""
    measured = start()

    @metrics.request_duration_seconds.time(method="inference")
    async def handle() -> str:
        await asyncio.sleep(0.02)
        return "done"

    assert asyncio.run(handle()) == "done"
    with (
        pytest.raises(ValueError, match="no"),
        metrics.request_duration_seconds.time(method="inference"),
    ):
        time.sleep(0.02)
        msg = "no"
        raise ValueError(msg)
    [point] = measured.points("butterfly_request_duration_seconds")
    assert point.count == 2
    assert 0.04 <= point.sum < 1


def test_observe_reads_at_each_collection_until_unregistered(start: Start) -> None:
    """A callback gives the current value; undone, its series ends."""
    measured = start()
    queue = [1, 2, 3]
    registration = metrics.tasks_queued.observe(lambda: len(queue))
    name = "butterfly_tasks_queued"
    assert measured.value(name, node_id="coordinator-1") == 3
    queue.pop()
    assert measured.value(name, node_id="coordinator-1") == 2
    registration.unregister()
    registration.unregister()
    assert measured.points(name) == []


def test_several_callbacks_observe_side_by_side(start: Start) -> None:
    """Two callbacks of one metric both report, and one that raises costs only its own."""
    measured = start()
    gauge = metrics.gpu_temperature_celsius

    def broken() -> float:
        msg = "driver gone"
        raise RuntimeError(msg)

    with (
        gauge.observe(lambda: [gauge.observation(61, gpu_id=0)]),
        gauge.observe(broken),
        gauge.observe(lambda: [gauge.observation(65.5, gpu_id="1", node_id="n")]),
    ):
        values = measured.values("butterfly_gpu_temperature_celsius")
    assert values == {
        (("gpu_id", "0"), ("node_id", "coordinator-1")): 61,
        (("gpu_id", "1"), ("node_id", "n")): 65.5,
    }
    errors = measured.value(
        "butterfly_otel_callback_errors_total", metric="butterfly_gpu_temperature_celsius"
    )
    assert errors == 1


def test_observe_registered_before_configure_is_asked(start: Start) -> None:
    """A callback registered early is asked once the SDK is configured."""
    with metrics.quorum_size.observe(lambda: 3):
        assert start().values("butterfly_quorum_size") == {(): 3}


def test_only_the_last_runtime_asks_callbacks(start: Start) -> None:
    """A reader that still collects for one before neither gets an answer nor disturbs."""
    asked: list[int] = []

    def queued() -> int:
        asked.append(len(asked))
        return 5

    with metrics.tasks_queued.observe(queued):
        before = start()
        butterfly_otel.shutdown()
        # Nobody else has them: what the last runtime knew can still be looked at.
        assert before.values("butterfly_tasks_queued") == {(("node_id", "coordinator-1"),): 5}
        now = start()
        assert before.values("butterfly_tasks_queued") == {}
        assert len(asked) == 1
        assert now.values("butterfly_tasks_queued") == {(("node_id", "coordinator-1"),): 5}


def test_remove_ends_a_series(start: Start) -> None:
    """remove() takes one series out of the next collection and leaves the others."""
    measured = start()
    for peer in ("a", "b"):
        metrics.connection_active.set(1, to_node=peer)
    metrics.connection_active.remove(to_node="a")
    [point] = measured.points("butterfly_connection_active")
    assert point.attributes["to_node"] == "b"
    metrics.connection_active.set(0, to_node="a")
    assert len(measured.points("butterfly_connection_active")) == 2


def test_integers_are_label_values_and_true_is_not_one(start: Start) -> None:
    """layer_id=1 and layer_id="1" are one series; True is another."""
    measured = start()
    for layer in (1, "1", True):
        metrics.attention_heads_active.set(4, layer_id=layer)
    found = {p.attributes["layer_id"] for p in measured.points("butterfly_attention_heads_active")}
    assert found == {"1", "true"}


def test_node_pair_is_the_same_both_ways() -> None:
    """A pair of nodes has one name, whichever comes first."""
    assert node_pair("b", "a") == node_pair("a", "b") == "a_b"


def test_every_handle_measures_its_metric(start: Start) -> None:
    """Each of the 64 handles reaches the instrument of its own name with all its labels."""
    measured = start(strict=True)
    for handle in metrics.ALL:
        values = tuple(
            label.values[0] if label.values else f"{label.key}-1" for label in handle.metric.labels
        )
        if isinstance(handle, ObservableHandle):
            handle.observe(lambda h=handle, v=values: [h._observation(0.5, v)])
        else:
            assert isinstance(handle, SynchronousHandle)
            handle.record_values(values, 1)
    data = measured.reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric.data.data_points
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    for handle in metrics.ALL:
        if isinstance(handle, ObservableHandle):
            for registration in handle.registrations:
                registration.unregister()
        [point] = found[handle.metric.name]
        assert tuple(point.attributes) == handle.metric.label_keys


@pytest.mark.parametrize("engine", ["butterfly", "sdk"])
def test_both_engines_measure_the_same(start: Start, engine: str) -> None:
    """What handles, bound instruments and removals give does not depend on the engine."""
    measured = start(engine=engine)
    for number in range(40):
        metrics.checkpoint_size_bytes.record(1e6 * number, checkpoint_id=f"c{number}")
    metrics.requests_total.add(2, method="inference", status="success")
    metrics.requests_total.bind(method="inference", status="success").add(0.5)
    metrics.requests_total.add(-1, method="inference", status="success")
    metrics.connection_active.set(1, to_node="a")
    metrics.connection_active.set(1, to_node="b")
    metrics.connection_active.remove(to_node="a")
    assert measured.value(REQUESTS, **LABELS) == 2.5
    assert len(measured.points("butterfly_checkpoint_size_bytes")) == 32
    assert len(measured.points("butterfly_connection_active")) == 1
    assert sum(measured.values("butterfly_otel_invalid_measurements_total").values()) == 1


def test_labels_that_cannot_be_hashed_are_labels_all_the_same(start: Start) -> None:
    """A list as a label value raises neither through a handle nor through a bound instrument."""
    measured = start()
    wrong: Any = ["inference"]
    for _ in range(2):
        metrics.requests_total.add(1, method=wrong, status="success")
    bound = metrics.requests_total.bind(method=wrong, status="success")
    bound.add(1)
    bound.add(1)
    assert measured.value(REQUESTS, **{**LABELS, "method": "other"}) == 4
    assert sum(measured.values("butterfly_otel_label_violations_total").values()) == 4


class _Moody(str):
    """A text that can be no key of a dictionary."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


def test_texts_that_cannot_be_hashed_are_labels_all_the_same(start: Start) -> None:
    """A str subclass may do anything in a dictionary; it neither raises nor gets in others' way."""
    measured = start()
    moody: Any = _Moody("inference")
    for method in (moody, "inference", moody):
        metrics.requests_total.add(1, method=method, status="success")
        metrics.requests_total.bind(method=method, status="success").add(1)
        metrics.layer_memory_bytes.set(1, layer_id=moody, operation="forward")
    assert measured.value(REQUESTS, **LABELS) == 6
    assert measured.points("butterfly_otel_label_violations_total") == []


def test_a_number_too_long_for_text_is_a_label_all_the_same(start: Start) -> None:
    """Python refuses to write out very many digits; that is a violation, no exception."""
    measured = start()
    endless = 10**5000
    metrics.layer_memory_bytes.set(1, layer_id=endless, operation="forward")
    metrics.layer_memory_bytes.bind(layer_id=endless, operation="forward").set(2)
    metrics.layer_memory_bytes.set(1, layer_id=10**20, operation="forward")
    points = {
        p.attributes["layer_id"]: p.value for p in measured.points("butterfly_layer_memory_bytes")
    }
    assert points == {"int": 2, "1" + "0" * 20: 1}
    assert sum(measured.values("butterfly_otel_label_violations_total").values()) == 2


def test_a_timed_generator_is_timed_to_its_end(start: Start) -> None:
    """What it returns and is sent passes through; nothing is recorded before it ends."""
    measured = start()

    @metrics.barrier_wait_duration_seconds.time(barrier_id="b")
    def numbers() -> Generator[int, int, str]:
        sent = yield 1
        return f"got {sent}"

    running = numbers()
    assert next(running) == 1
    assert measured.points("butterfly_barrier_wait_duration_seconds") == []
    with pytest.raises(StopIteration) as ended:
        running.send(5)
    assert ended.value.value == "got 5"
    [point] = measured.points("butterfly_barrier_wait_duration_seconds")
    assert point.count == 1


class _Record:
    """Keeps what is recorded."""

    ready = False

    def __init__(self) -> None:
        self.amounts: list[float] = []

    def record(self, amount: float) -> None:
        """Keep the amount."""
        self.amounts.append(amount)


class _Reconfigured:
    """A handle that is sent elsewhere while its first series is looked up."""

    attached = True

    def __init__(self) -> None:
        self.series = [_Record(), _Record()]
        self.asked = 0

    def adopt(self, dependent: Dependent) -> None:
        """Keep the one dependent."""
        self.dependent = dependent

    def settle(self, _values: object) -> tuple[_Record, bool]:
        """Return the old series first, and by then it is the old one."""
        self.asked += 1
        if self.asked == 1:
            self.dependent.unsettle()
        return self.series[min(self.asked, 2) - 1], True


def test_a_bound_instrument_keeps_no_series_of_a_shut_down_sdk() -> None:
    """What is looked up while the SDK is shut down and configured again is looked up again."""
    handle = _Reconfigured()
    bound = BoundCounter(handle, ())
    for amount in (1, 2, 3):
        bound.add(amount)
    assert [each.amounts for each in handle.series] == [[1], [2, 3]]
    assert handle.asked == 2


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1)])
def test_a_callback_that_raises_anything_at_all_costs_its_own_observations(
    start: Start, error: BaseException
) -> None:
    """It is counted like any other failure; whoever presses Ctrl-C is not kept from it."""
    measured = start()

    def fail() -> float:
        raise error

    metrics.consensus_term.observe(fail)
    metrics.cluster_size.observe(lambda: 3)
    assert [point.value for point in measured.points("butterfly_cluster_size")] == [3]
    [point] = measured.points("butterfly_otel_callback_errors_total")
    assert point.attributes["metric"] == "butterfly_consensus_term"
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        measured.reader.get_metrics_data()
