"""The books of a process' memory: pools that the application keeps, and models it tracks.

:mod:`butterfly_otel.memory` is how an application uses this, the collectors of memory and of
PyTorch are who reads it.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from math import nan
from typing import TYPE_CHECKING, Literal
from weakref import ref

from butterfly_otel.errors import MeasurementError
from butterfly_otel.memory.parts import Part
from butterfly_otel.process import forks
from butterfly_otel.process.reports import REPORTS, Reports
from butterfly_otel.process.values import clean_value

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from typing_extensions import Self

    from butterfly_otel.memory.parts import Module, Place, PoolName, TorchMemory
    from butterfly_otel.process.values import ValueProblem

_METRIC = "butterfly_memory_allocated_bytes"
#: Any whole number of bytes below this is one; Python's can be beyond all that a float can hold.
_HUGE = 1 << 62

_logger = logging.getLogger("butterfly_otel")


class MemoryPool:
    """Memory of one purpose in one place; made by :func:`butterfly_otel.memory.pool`.

    What is added and what is observed make one sum. Thread-safe.
    """

    __slots__ = ("_books", "_observed", "_reserved", "is_open", "name", "place", "tracked")

    def __init__(self, books: Pools, name: PoolName, place: Place) -> None:
        #: What the memory is for.
        self.name: PoolName = name
        #: Where it is.
        self.place: Place = place
        #: Bytes added and not yet released; below 0 when too many were.
        self.tracked: float = 0
        #: Whether it is reported: until ``close()``.
        self.is_open = True
        self._books = books
        self._reserved: float | None = None
        self._observed: tuple[Callable[[], float] | None, Callable[[], float] | None] = None, None

    def __repr__(self) -> str:
        """Say what it is for and where it is."""
        return f"<MemoryPool {self.name} on {self.place}>"

    def add(self, amount: float) -> None:
        """Take ``amount`` bytes, 0 or more, into the pool."""
        self._books.move(self, self._books.checked(self, amount))

    def release(self, amount: float) -> None:
        """Take ``amount`` bytes, 0 or more, out of the pool."""
        self._books.move(self, -self._books.checked(self, amount))

    @contextmanager
    def hold(self, amount: float) -> Generator[None, None, None]:
        """Have ``amount`` bytes in the pool for as long as the block runs, however it ends."""
        held = self._books.checked(self, amount)
        self._books.move(self, held)
        try:
            yield
        finally:
            self._books.move(self, -held)

    def set_reserved(self, amount: float | None) -> None:
        """Say how many bytes the pool's allocator holds, of which what the pool has is in use.

        Used over reserved, summed over everything that knows both, is
        ``butterfly_memory_fragmentation_ratio``. ``None`` leaves this pool out of it.
        """
        self._reserved = None if amount is None else self._books.checked(self, amount)

    def observe(
        self, used: Callable[[], float], *, reserved: Callable[[], float] | None = None
    ) -> None:
        """Ask ``used`` for the bytes in use whenever memory is read; replaces an earlier one.

        Both are called every few seconds from a thread of ours, so they must be thread-safe and
        return at once. While one raises or returns no amount, the series it is part of are left
        out, which is counted and logged once. What they refer to lives until :meth:`close`.

        Args:
            used: Returns the bytes in use.
            reserved: Returns the bytes the allocator holds, where it knows.
        """
        self._observed = used, reserved

    def close(self) -> None:
        """Remove the pool and what it has: nothing of it is reported any more.

        Harmless when done twice; what is added afterwards is ignored.
        """
        self._books.close(self)
        self._observed = None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def read(self) -> Part:
        """Return what it has now. Called by the collector of memory."""
        used, reserved = self.tracked, self._reserved
        if used < 0:
            what = f"memory pool {self.name!r} released {-used:g} bytes more than it had"
            self._books.report(self, "negative", what)
            used = nan
        ask_used, ask_reserved = self._observed
        if ask_used is not None:
            used += self._ask(ask_used)
        if ask_reserved is not None:
            reserved = self._ask(ask_reserved)
        return Part(self.name, self.place, used, reserved)

    def _ask(self, callback: Callable[[], float]) -> float:
        what = f"a callback of the memory pool {self.name!r}"
        try:
            answer = clean_value(callback(), negative_allowed=False)
        except Exception as error:  # noqa: BLE001 - the application's callback may raise anything
            self._books.report(self, "callback", f"{what} raised {error!r}")
            return nan
        if isinstance(answer, str):
            self._books.report(self, answer, f"{what} returned what is {_words(answer)}")
            return nan
        return answer


class TrackedModel:
    """A model whose bytes are reported; made by :func:`butterfly_otel.memory.track_model`."""

    def __init__(self, books: Pools, module: Module) -> None:
        self._books = books
        self._module = ref(module, lambda _dead: self.close())

    def module(self) -> Module | None:
        """Return the model, ``None`` once it is gone."""
        return self._module()

    def close(self) -> None:
        """Report the model no more; harmless when done twice."""
        self._books.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class Pools:
    """All pools and tracked models of a process, and what PyTorch has.

    Attributes:
        peak: Most that all pools together have had by being added to.
        torch: What the collector of PyTorch has read last; ``None`` where it has nothing.
        reports: What becomes of wrong amounts.
    """

    def __init__(self, reports: Reports | None = None) -> None:
        self.peak: float = 0
        self.torch: TorchMemory | None = None
        self.reports = Reports() if reports is None else reports
        # Re-entrant, because a signal handler or a weak reference may use it in its own thread.
        self._lock = forks.rlock()
        self._total: float = 0
        self._pools: tuple[MemoryPool, ...] = ()
        self._models: tuple[TrackedModel, ...] = ()

    @property
    def pools(self) -> tuple[MemoryPool, ...]:
        """The pools that are open, the oldest first."""
        return self._pools

    @property
    def models(self) -> tuple[TrackedModel, ...]:
        """What is tracked, the oldest first."""
        return self._models

    def open(self, name: PoolName, place: Place) -> MemoryPool:
        """Return a new pool."""
        opened = MemoryPool(self, name, place)
        with self._lock:
            self._pools = (*self._pools, opened)
        return opened

    def close(self, closed: MemoryPool) -> None:
        """Remove a pool and what it has."""
        with self._lock:
            if closed.is_open:
                closed.is_open = False
                self._total -= closed.tracked
                self._pools = tuple(each for each in self._pools if each is not closed)

    def move(self, moved: MemoryPool, amount: float) -> None:
        """Add to a pool and to the total of all."""
        with self._lock:
            if moved.is_open:
                moved.tracked += amount
                self._total += amount
                self.peak = max(self.peak, self._total)

    def checked(self, asked: MemoryPool, amount: object) -> float:
        """Return ``amount``, or 0 after reporting that it is no number of bytes.

        Raises:
            MeasurementError: In strict mode, where it is none.
        """
        if type(amount) is int and 0 <= amount < _HUGE:
            return amount
        cleaned = clean_value(amount, negative_allowed=False)
        if not isinstance(cleaned, str):
            return cleaned
        message = f"an amount passed to the memory pool {asked.name!r} is {_words(cleaned)}"
        if self.reports.strict:
            raise MeasurementError(f"{message}; pass a number of bytes, 0 or more")
        self.report(asked, cleaned, message)
        return 0

    def report(
        self, about: MemoryPool, reason: ValueProblem | Literal["callback"], what: str
    ) -> None:
        """Count what is wrong with a pool, and log it once; never raises."""
        count = self.reports.count
        if count is not None and reason == "callback":
            count("butterfly_otel_callback_errors_total", {"metric": _METRIC})
        elif count is not None:
            labels = {"metric": _METRIC, "reason": reason}
            count("butterfly_otel_invalid_measurements_total", labels)
        key = "pool", about.name, reason
        if key not in self.reports.told:
            self.reports.told.add(key)
            _logger.warning("%s (logged once; counted from now on)", what)

    def track(self, module: Module) -> TrackedModel:
        """Return a new tracked model."""
        tracked = TrackedModel(self, module)
        with self._lock:
            self._models = (*self._models, tracked)
        return tracked

    def forget(self, model: TrackedModel) -> None:
        """Track a model no more."""
        with self._lock:
            self._models = tuple(each for each in self._models if each is not model)

    def modules(self) -> list[Module]:
        """Return the tracked models that live."""
        alive = (tracked.module() for tracked in self._models)
        return [module for module in alive if module is not None]

    def parts(self) -> list[Part]:
        """Read every pool."""
        return [each.read() for each in self._pools]


def _words(reason: str) -> str:
    return reason.replace("_", " ")


#: The books of this process.
POOLS = Pools(REPORTS)
