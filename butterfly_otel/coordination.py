"""Observing the coordination of work: how many tasks wait in a queue.

::

    import asyncio
    from butterfly_otel.coordination import observe_queue

    queue = asyncio.Queue()
    registration = observe_queue(queue)  # butterfly_tasks_queued
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast
from weakref import ref

from butterfly_otel import metrics
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sized

    from opentelemetry.metrics import Observation

    from butterfly_otel.handles.registration import Registration


class CountsTasks(Protocol):
    """A queue of ``queue``, ``asyncio`` or ``multiprocessing``, or one like them."""

    def qsize(self) -> int:
        """Return how many tasks wait."""
        ...


def observe_queue(
    queue: CountsTasks | Sized | Callable[[], float], *, node_id: str | None = None
) -> Registration:
    """Report how many tasks wait in a queue, as ``butterfly_tasks_queued``.

    A queue is kept by a weak reference, and its series ends with it; a plain list, which can't
    be weakly referenced, and a function live until ``unregister()``. It is read on whichever
    thread collects.

    Several queues of one node add up only if they are observed by one function:
    ``observe_queue(lambda: urgent.qsize() + normal.qsize())``.

    Args:
        queue: Something with ``qsize()``, something sized, or a function that returns the
            number. A queue that raises is counted in
            ``butterfly_otel_callback_errors_total`` and logged once; the metric is missing then.
        node_id: The label; by default this process' own.

    Returns:
        A registration; ``unregister()`` it, or use it as a context manager.

    Raises:
        ConfigurationError: When ``queue`` is none of the three.
    """
    kept, count = _keep(queue), _counter(queue)
    queued = metrics.tasks_queued

    def callback() -> Iterable[Observation]:
        waiting = kept()
        if waiting is None:
            registration.unregister()
            return ()
        return (queued.observation(count(waiting), node_id=node_id),)

    registration = queued.observe(callback)
    return registration


def _counter(queue: object) -> Callable[[object], float]:
    if hasattr(queue, "qsize"):
        return lambda waiting: cast("CountsTasks", waiting).qsize()
    if hasattr(queue, "__len__"):
        return lambda waiting: len(cast("Sized", waiting))
    if callable(queue):
        return lambda waiting: cast("Callable[[], float]", waiting)()
    msg = (
        f"observe_queue: a {type(queue).__name__} has neither qsize() nor a length and is no"
        " function; pass a function that returns how many tasks wait"
    )
    raise ConfigurationError(msg)


def _keep(queue: object) -> Callable[[], object | None]:
    if callable(queue):  # often a lambda that nobody else holds
        return lambda: queue
    try:
        return ref(queue)
    except TypeError:
        return lambda: queue
