"""The decorators of Butterfly's own work, each by what it exports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from butterfly_otel import ConfigurationError, arg, result
from butterfly_otel.decorators import (
    barrier_wait,
    checkpoint,
    checkpoint_phase,
    dependency_wait,
    disk_write,
    election,
    layer_compute,
    recovery,
    task,
    task_assignment,
    torch_memory,
    verification,
)

NODE = "coordinator-1"


@pytest.fixture
def measured(start: Callable[..., Any]) -> Any:
    """Return a strict configuration: nothing here may break the contract."""
    return start(strict=True)


def by(measured: Any, name: str, label: str) -> dict[str, float]:
    """Return a metric's values by one of its labels."""
    found = measured.values(f"butterfly_{name}").items()
    return {dict(key)[label]: value for key, value in found}


def counts(measured: Any, name: str) -> dict[tuple[str, ...], int]:
    """Return a histogram's counts by its labels' values, the node aside."""
    return {
        tuple(value for key, value in sorted(point.attributes.items()) if key != "node_id"): (
            point.count
        )
        for point in measured.points(f"butterfly_{name}")
    }


def ending(function: Callable[..., Any], *args: Any) -> None:
    """Call a function that may raise."""
    try:
        function(*args)
    except Exception as error:  # noqa: BLE001 - whatever it is
        assert args, error  # noqa: PT017 - not what is tested


def raising(error: Exception | None = None, value: Any = None) -> Any:
    """Raise what is given, or return a value."""
    if error is not None:
        raise error
    return value


class Allocator:
    """Memory of which each call of a layer takes some and keeps a part."""

    def __init__(self, *readings: float | None) -> None:
        self.readings = iter(readings)

    def __call__(self) -> float | None:
        return next(self.readings)


def test_layer_compute_is_timed_and_its_memory_set(measured: Any) -> None:
    """Memory is what is held afterwards; unknown, failed and shrinking memory is no gain."""
    memory = Allocator(100, 350, None, 500, 500, 400, 7, 8)

    @layer_compute(layer_id=arg("layer"), model="llama", memory=memory, operation="activation")
    def forward(layer: int, error: Exception | None = None) -> None:  # noqa: ARG001 - labels are found by its name
        raising(error)

    forward(1)
    forward(2)
    forward(3)
    ending(forward, 4, ValueError())
    assert by(measured, "layer_memory_bytes", "layer_id") == {"1": 250, "3": 0}
    assert {key[0] for key in counts(measured, "layer_compute_duration_seconds")} == set("1234")
    layer_compute(layer_id=6, model="llama")(raising)()
    assert by(measured, "layer_memory_bytes", "operation") == {"activation": 0}
    assert counts(measured, "layer_compute_duration_seconds")["6", "llama"] == 1


def test_memory_that_can_not_be_read_is_an_invalid_measurement(start: Callable[..., Any]) -> None:
    """Counted once a call, and the layer's own time is measured all the same."""
    measured = start()
    for memory in (lambda: 1 / 0, lambda: "much"):
        layer_compute(layer_id=5, model="llama", memory=memory)(lambda: None)()  # type: ignore[arg-type,return-value]
    assert by(measured, "layer_memory_bytes", "layer_id") == {}
    assert counts(measured, "layer_compute_duration_seconds") == {("5", "llama"): 2}
    invalid = "butterfly_otel_invalid_measurements_total"
    of_layers = {"metric": "butterfly_layer_memory_bytes", "reason": "not_a_number"}
    assert measured.value(invalid, **of_layers) == 2


def test_torch_is_asked_only_where_it_runs_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither PyTorch nor CUDA is started for the sake of a metric."""
    cuda = SimpleNamespace(is_initialized=lambda: False, memory_allocated=lambda: 42)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert torch_memory() is None
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]
    assert torch_memory() is None
    cuda.is_initialized = lambda: True
    assert torch_memory() == 42


def test_a_checkpoint_is_pending_and_then_complete_or_failed(measured: Any) -> None:
    """Only a complete one has a size."""

    @checkpoint(checkpoint_id=arg("name"), size=result(len))
    def save(name: str, error: Exception | None = None) -> bytes:
        assert by(measured, "checkpoint_count", "status")["pending"] == 1
        raising(error)
        return name.encode()

    save("c1")
    ending(save, "c2", OSError())
    expected = {"pending": 0, "complete": 1, "failed": 1}
    assert by(measured, "checkpoint_count", "status") == expected
    [point] = measured.points("butterfly_checkpoint_size_bytes")
    assert (point.attributes["checkpoint_id"], point.sum) == ("c1", 2)
    with checkpoint():
        pass
    assert by(measured, "checkpoint_count", "status")["complete"] == 2


def test_waits_and_phases_are_timed(measured: Any) -> None:
    """As blocks or as functions."""
    with checkpoint_phase("snapshot"):
        pass
    barrier_wait("layers")(raising)()
    dependency_wait(arg("task"))(lambda task: task)("t1")
    assert counts(measured, "checkpoint_duration_seconds") == {("snapshot",): 1}
    assert counts(measured, "barrier_wait_duration_seconds") == {("layers",): 1}
    [point] = measured.points("butterfly_dependency_wait_duration_seconds")
    assert point.attributes["task_id"] == "t1"


def test_an_election_is_timed_and_a_result_is_a_change(measured: Any) -> None:
    """One that fails has a duration and no leader."""
    elect = election()(raising)
    elect()
    ending(elect, TimeoutError())
    assert measured.value("butterfly_consensus_leader_changes_total") == 1
    assert counts(measured, "consensus_election_duration_seconds") == {(): 2}


def test_a_write_is_timed_or_an_error_of_the_disk(measured: Any) -> None:
    """What is no OSError is not the disk's fault."""
    write = disk_write("log_append")(raising)
    write()
    ending(write, OSError())
    ending(write, ValueError())
    assert counts(measured, "disk_write_duration_seconds") == {("log_append",): 1}
    assert by(measured, "disk_io_errors_total", "operation") == {"write": 1}


def test_recovery_is_counted_by_outcome(measured: Any) -> None:
    """Partial recoveries are told by the result."""
    recover = recovery(partial=lambda found: found == "some")(raising)
    recover()
    recover(None, "some")
    ending(recover, ValueError())
    with recovery():
        pass
    ending(recovery()(raising), ValueError())
    outcomes = {"success": 2, "partial": 1, "failed": 2}
    assert by(measured, "recovery_attempts_total", "outcome") == outcomes
    assert counts(measured, "recovery_duration_seconds") == {(): 5}


@pytest.mark.parametrize(
    ("check_type", "failure"),
    [
        ("signature", "signature_invalid"),
        ("merkle_tree", "merkle_mismatch"),
        ("result_comparison", "result_divergence"),
    ],
)
def test_verification_counts_checks_and_failures(
    measured: Any, check_type: Any, failure: str
) -> None:
    """False fails, as do the exceptions named; any other exception is a check that failed not."""

    @verification(check_type, node_id=arg("peer"), failures=KeyError)
    def verify(peer: str, error: Exception | None, value: Any) -> Any:  # noqa: ARG001 - labels are found by its name
        return raising(error, value)

    for error, value in [(None, True), (None, None), (None, False), (KeyError(), 0)]:
        ending(verify, "compute-9", error, value)
    ending(verify, "compute-9", OSError(), 0)
    assert by(measured, "verification_checks_total", "check_type") == {check_type: 5}
    assert by(measured, "verification_failures_total", "failure_type") == {failure: 2}
    assert by(measured, "verification_failures_total", "node_id") == {"compute-9": 2}


def test_tasks_are_followed_from_assignment_to_completion(measured: Any) -> None:
    """An assignment that raises is none; a task ends by success, timeout or error."""

    @task_assignment(to_node=arg("node"))
    def assign(node: str, error: Exception | None = None) -> None:  # noqa: ARG001 - labels are found by its name
        raising(error)

    assign("compute-1")
    ending(assign, "compute-2", OSError())
    work = task({KeyError: "timeout"})(raising)
    work()
    for error in (TimeoutError(), KeyError(), ValueError()):
        ending(work, error)
    assert by(measured, "tasks_assigned_total", "to_node") == {"compute-1": 1}
    statuses = {"success": 1, "timeout": 2, "error": 1}
    assert by(measured, "tasks_completed_total", "status") == statuses


def test_mistakes_are_found_where_they_are_written() -> None:
    """Constants are checked here too."""
    for make in (
        lambda: verification("smell", node_id="n"),  # type: ignore[arg-type]
        lambda: checkpoint_phase("fly"),  # type: ignore[arg-type]
        lambda: disk_write("read"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigurationError, match="which is none of"):
            make()
