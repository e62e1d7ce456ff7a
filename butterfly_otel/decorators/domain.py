"""Decorators for Butterfly's own work, each of which would otherwise be several.

Each takes functions of every kind, methods and ``with`` blocks. Labels may be constants,
``arg(...)`` or, where they are needed only at the end, ``result(...)``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from butterfly_otel import metrics
from butterfly_otel.decorators.calls import Counted, Timed
from butterfly_otel.decorators.checks import require_function
from butterfly_otel.decorators.error_types import extended
from butterfly_otel.decorators.generic import timed
from butterfly_otel.decorators.measuring import Measuring, Together
from butterfly_otel.decorators.series import Series
from butterfly_otel.decorators.sources import Result, outcome
from butterfly_otel.decorators.steps import Memory, Stages
from butterfly_otel.handles.bound import BoundCounter, BoundHistogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.decorators.error_types import Entries, ErrorTypes

CheckType = Literal["signature", "merkle_tree", "result_comparison"]
FailureType = Literal["signature_invalid", "merkle_mismatch", "result_divergence"]

_FAILURES: Final[dict[CheckType, FailureType]] = {
    "signature": "signature_invalid",
    "merkle_tree": "merkle_mismatch",
    "result_comparison": "result_divergence",
}


def layer_compute(
    *,
    layer_id: int | str,
    model: str,
    memory: Callable[[], float | None] | None = None,
    operation: Literal["forward", "activation", "gradient"] = "forward",
) -> Measuring[Any]:
    """Time a layer, and set what memory it holds afterwards.

    ``butterfly_layer_compute_duration_seconds``, and, with ``memory``,
    ``butterfly_layer_memory_bytes`` of that operation: how much more is allocated after the
    call than before it. Work that a GPU does behind the call's back is timed to where it is
    waited for.

    >>> from butterfly_otel import arg
    >>> class Layer:
    ...     index = 3
    ...     @layer_compute(layer_id=arg("self.index"), model="llama", memory=torch_memory)
    ...     def forward(self, x: float) -> float:
    ...         return x

    Args:
        layer_id: Index of the layer.
        model: Name of the model.
        memory: Returns the bytes allocated now, or None where that is not known, such as
            :func:`torch_memory`.
        operation: What holds the memory.
    """
    seconds = timed(metrics.layer_compute_duration_seconds.bind(layer_id=layer_id, model=model))
    if memory is None:
        return seconds
    require_function("memory", memory)
    held = metrics.layer_memory_bytes.bind(layer_id=layer_id, operation=operation)
    return Together("layer_compute", seconds, Memory(held, memory))


def torch_memory() -> float | None:
    """Return the bytes PyTorch has allocated on the current GPU; None where it uses none.

    Never imports PyTorch and never starts CUDA.

    >>> torch_memory()  # in a process without PyTorch
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return cast("float", torch.cuda.memory_allocated())


def checkpoint(*, checkpoint_id: str | None = None, size: float | None = None) -> Measuring[Any]:
    """Follow the making of a checkpoint: pending as long as it runs, then complete or failed.

    ``butterfly_checkpoint_count``; and with ``checkpoint_id`` and ``size`` also
    ``butterfly_checkpoint_size_bytes`` of what was completed.

    >>> from butterfly_otel import arg, result
    >>> @checkpoint(checkpoint_id=arg("name"), size=result(len))
    ... def save(name: str) -> bytes:
    ...     return name.encode()

    Args:
        checkpoint_id: Id of the checkpoint; only the latest have a size.
        size: Its bytes.
    """
    stages = Stages(
        *(metrics.checkpoint_count.bind(status=each) for each in ("pending", "complete", "failed"))
    )
    if checkpoint_id is None or size is None:
        return stages
    bound = metrics.checkpoint_size_bytes.bind(checkpoint_id=checkpoint_id)
    sizes = Counted(Series(bound, BoundHistogram, "checkpoint"), size, "success")
    return Together("checkpoint", stages, sizes)


def checkpoint_phase(phase: Literal["snapshot", "write", "verify"]) -> Timed:
    """Time a phase of making a checkpoint: ``butterfly_checkpoint_duration_seconds``.

    >>> with checkpoint_phase("snapshot"):
    ...     pass
    """
    return timed(metrics.checkpoint_duration_seconds.bind(phase=phase))


def recovery(*, partial: Callable[[Any], bool] | None = None) -> Measuring[Any]:
    """Count and time an attempt to recover state.

    ``butterfly_recovery_attempts_total`` (``failed`` where it raises) and
    ``butterfly_recovery_duration_seconds``.

    >>> @recovery(partial=lambda layers: len(layers) < 32)
    ... def restore() -> list[int]:
    ...     return [1, 2, 3]

    Args:
        partial: Takes the result and tells whether only a part was recovered.
    """
    ended = outcome("success", "failed")
    counting = _count(metrics.recovery_attempts_total.bind(outcome=ended), "recovery")
    if partial is not None:
        require_function("partial", partial, "a result")
        told = Result(lambda found: "partial" if partial(found) else "success")
        counting = Together(
            "recovery",
            _count(metrics.recovery_attempts_total.bind(outcome=cast("Any", told)), "", "success"),
            _count(metrics.recovery_attempts_total.bind(outcome="failed"), "", "error"),
        )
    return Together("recovery", timed(metrics.recovery_duration_seconds), counting)


def barrier_wait(barrier_id: str) -> Timed:
    """Time the wait at a barrier: ``butterfly_barrier_wait_duration_seconds``.

    >>> with barrier_wait("layers-0-15"):
    ...     pass
    """
    return timed(metrics.barrier_wait_duration_seconds.bind(barrier_id=barrier_id))


def dependency_wait(task_id: str) -> Timed:
    """Time a task's wait for what it needs: ``butterfly_dependency_wait_duration_seconds``.

    >>> from butterfly_otel import arg
    >>> @dependency_wait(arg("task_id"))
    ... async def ready(task_id: str) -> None: ...
    """
    return timed(metrics.dependency_wait_duration_seconds.bind(task_id=task_id))


def election() -> Measuring[Any]:
    """Time a leader election, and count the change of leader where it ends with a result.

    ``butterfly_consensus_election_duration_seconds``, however it ends, and
    ``butterfly_consensus_leader_changes_total``, unless it raises.

    >>> @election()
    ... async def elect() -> str:
    ...     return "coordinator-2"
    """
    return Together(
        "election",
        timed(metrics.consensus_election_duration_seconds),
        _count(metrics.consensus_leader_changes_total.bind(), "election", "success"),
    )


def disk_write(operation: Literal["checkpoint_write", "log_append"]) -> Measuring[Any]:
    """Time a write to disk, and count it as a disk error where it raises OSError.

    ``butterfly_disk_write_duration_seconds`` of writes that succeeded and
    ``butterfly_disk_io_errors_total`` of writes.

    >>> @disk_write("log_append")
    ... def append(entry: bytes) -> None: ...
    """
    return Together(
        "disk_write",
        timed(metrics.disk_write_duration_seconds.bind(operation=operation), when="success"),
        _count(metrics.disk_io_errors_total.bind(operation="write"), "disk_write", OSError),
    )


def verification(
    check_type: CheckType,
    *,
    node_id: str,
    failures: type[BaseException] | tuple[type[BaseException], ...] = (),
) -> Measuring[Any]:
    """Count a check of another node's work, and its failure where it returns False.

    ``butterfly_verification_checks_total``, also of checks that raise, and
    ``butterfly_verification_failures_total``.

    >>> from butterfly_otel import arg
    >>> @verification("signature", node_id=arg("peer"))
    ... def verify(peer: str, signature: bytes) -> bool:
    ...     return bool(signature)

    Args:
        check_type: Kind of check, which also tells the kind of failure.
        node_id: The node whose work is checked.
        failures: Exceptions that say the check has failed, rather than that it could not be
            made.
    """
    checks = metrics.verification_checks_total.bind(node_id=node_id, check_type=check_type)
    counting = _count(checks, "verification")
    failed = metrics.verification_failures_total.bind(
        node_id=node_id, failure_type=_FAILURES[check_type]
    )
    refused = Result(lambda found: 1 if found is False else None)
    parts: list[Measuring[Any]] = [
        counting,
        Counted(Series(failed, BoundCounter, "verification"), refused, "success"),
    ]
    if failures != ():
        parts.append(_count(failed, "verification", failures))
    return Together("verification", *parts)


def task_assignment(*, to_node: str) -> Measuring[Any]:
    """Count a task that this coordinator has handed to a node: ``butterfly_tasks_assigned_total``.

    >>> from butterfly_otel import arg
    >>> @task_assignment(to_node=arg("node"))
    ... def assign(node: str, work: object) -> None: ...

    Args:
        to_node: The node it was assigned to. An assignment that raises is none.
    """
    bound = metrics.tasks_assigned_total.bind(to_node=to_node)
    return _count(bound, "task_assignment", "success")


def task(errors: ErrorTypes | Entries | None = None) -> Measuring[Any]:
    """Count a task that has ended on this node: success, timeout or error.

    ``butterfly_tasks_completed_total``. Together with :func:`task_assignment` on the
    coordinator, tasks are followed from assignment to completion.

    >>> @task()
    ... async def run() -> None: ...

    Args:
        errors: Which exceptions are timeouts, and which are no errors.
    """
    status = outcome("success", "error", timeout="timeout", errors=extended(errors))
    return _count(metrics.tasks_completed_total.bind(status=status), "task")


def _count(bound: BoundCounter, name: str, when: Any = "end") -> Measuring[Any]:  # noqa: ANN401
    return Counted(Series(bound, BoundCounter, name), 1, when)
