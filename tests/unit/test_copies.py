"""Copies of handles, bound instruments and timers, in this process and in another."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cloudpickle
import pytest

from butterfly_otel import counted, metrics, request, timed
from butterfly_otel.decorators import ERROR_TYPES
from butterfly_otel.decorators.red_series import first_item_seconds
from butterfly_otel.handles.handles import CounterHandle
from butterfly_otel.testing import capture_metrics

Start = Callable[..., Any]
Copying = Callable[[Any], Any]

TOKENS = "butterfly_tokens_processed_total"


def total(measured: Any, name: str) -> float:
    """Return what all series of a metric make together."""
    return sum(measured.values(name).values())


def pickled(protocol: int) -> Copying:
    """Return what pickles by a protocol, and back."""
    return lambda thing: pickle.loads(pickle.dumps(thing, protocol))  # noqa: S301 - our own


WAYS: dict[str, Copying] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle{n}": pickled(n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "cloudpickle": lambda thing: pickle.loads(cloudpickle.dumps(thing)),  # noqa: S301
}
#: What classes with slots, and without a word about it, can be copied by.
NEWER = {name: way for name, way in WAYS.items() if name not in {"pickle0", "pickle1"}}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@dataclasses.dataclass
class Kernel:
    """What an application keeps its instruments in."""

    tokens: Any
    name: str = "kernel"


@ways
@pytest.mark.parametrize("handle", [*metrics.ALL, first_item_seconds], ids=str)
def test_a_handle_is_its_own_copy(way: Copying, handle: Any) -> None:
    """There is one handle a metric, however it comes around."""
    assert way(handle) is handle
    assert way({"deep": [handle]})["deep"][0] is handle


@ways
def test_a_copied_bound_instrument_measures_the_same_series(way: Copying, start: Start) -> None:
    """Copied before configure(), between and after, it counts to where the first one does."""
    first = Kernel(metrics.tokens_processed_total.bind(model="m"))
    early = way(first)
    measured = start()
    early.tokens.add(1)
    way(first).tokens.add(10)
    first.tokens.add(100)
    way(early).tokens.inc()
    assert total(measured, TOKENS) == 112


@ways
def test_a_copied_instrument_goes_on_in_a_second_life(way: Copying) -> None:
    """What is configured anew is measured by copies, too."""
    kept = way(metrics.checkpoint_size_bytes.bind(checkpoint_id="c"))
    for _ in range(2):
        with capture_metrics() as measured:
            kept.record(1.0)
            found = measured.histogram(metrics.checkpoint_size_bytes)
            assert found is not None
            assert found.count == 1


@ways
@pytest.mark.parametrize("bound", [False, True])
def test_a_copied_timer_times_the_same_series(way: Copying, start: Start, bound: bool) -> None:  # noqa: FBT001
    """A timer that runs is copied as one that does not."""
    handle = metrics.request_duration_seconds
    timer = handle.bind(method="inference").time() if bound else handle.time(method="inference")
    early = way(timer)
    measured = start()
    with timer, early:
        with way(timer), way(early):
            pass
        assert way(timer)._starts == []
    [point] = measured.points("butterfly_request_duration_seconds")
    assert point.count == 4


@ways
def test_a_copied_observable_is_asked(way: Copying, start: Start) -> None:
    """A callback registered on a copy is a callback of the metric, also after configure()."""
    before = way(metrics.consensus_term)
    measured = start()
    with before.observe(lambda: 3):
        assert total(measured, "butterfly_consensus_term") == 3
    with way(metrics.consensus_term).observe(lambda: 4):
        assert total(measured, "butterfly_consensus_term") == 4


@ways
def test_a_registration_is_not_copied(way: Copying) -> None:
    """A copy would stand for no callback, which is said where it is made."""
    with (
        metrics.consensus_term.observe(lambda: 3) as registration,
        pytest.raises(TypeError, match=r"ConsensusTerm butterfly_consensus_term> can't be copied"),
    ):
        way(registration)


def test_a_handle_that_nobody_could_find_is_not_pickled() -> None:
    """One made by hand is its own copy, but has no name to be pickled by."""
    handle = CounterHandle("butterfly_requests_total")
    assert copy.deepcopy(handle) is handle
    with pytest.raises(TypeError, match=r"no global of butterfly_otel\.handles\.handles is"):
        pickle.dumps(handle)


@pytest.mark.parametrize("way", NEWER.values(), ids=NEWER)
def test_copied_decorators_measure_the_same(way: Copying, start: Start) -> None:
    """An object that keeps what it decorates with may be copied as a whole."""
    kept = [
        request(method="inference", errors={ValueError: "x"}),
        timed(metrics.recovery_duration_seconds),
        counted(metrics.tokens_processed_total.bind(model="m")),
    ]
    measured = start()
    for decorator in way(kept):
        with decorator:
            pass
    assert total(measured, TOKENS) == 1
    assert total(measured, "butterfly_requests_total") == 1
    assert way(ERROR_TYPES).classify(TimeoutError()) == "timeout"


def measure_elsewhere(kernel: Kernel) -> tuple[float, bool]:
    """Measure with what came from another process."""
    kernel.tokens.add(1)  # before anything is configured here
    with capture_metrics() as measured:
        kernel.tokens.add(7)
        copied = copy.deepcopy(kernel)
        copied.tokens.add(1)
        return measured.total(TOKENS), kernel.tokens is copied.tokens


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_instruments_are_sent_to_other_processes(method: str, start: Start) -> None:
    """In a process that starts afresh they stand for the metric that is configured there."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this platform")
    start()
    context = multiprocessing.get_context(method)
    kernel = Kernel(metrics.tokens_processed_total.bind(model="m"))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(measure_elsewhere, kernel).result(60) == (8, True)
