"""Tables: the series of one instrument under one View.

Readers that see the same of an instrument (the same View, both cumulative, both there since
before the first measurement) share a table, so that measuring costs no more for pull and push
at once than for either. All others have tables of their own.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.cells import Cell, LastValueCell
from butterfly_otel.engine.dormant import Dormant
from butterfly_otel.engine.exemplified import Exemplified
from butterfly_otel.engine.expiry import Expiry, MarkedLastValueCell
from butterfly_otel.engine.shapes import Keyed
from butterfly_otel.process import timing
from butterfly_otel.process.gil import ATOMIC

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from opentelemetry.context import Context

    from butterfly_otel.engine.neighbours import Kind, Owner, Reader


class Table(Keyed, Exemplified):
    """The live cells by their keys, in the order in which the series began. Thread-safe.

    What a finalizer or a signal handler measures while its own thread is changing the table
    waits until that is done.

    Attributes:
        owner: The instrument.
        bounds: Bucket boundaries of a histogram.
        cells: Keys are those of ``shape`` or, where a series has another one, the SDK's.
            Always the same dictionary, which instruments look up in.
        epoch: Changes whenever series were removed, by which caches of ``cells`` know.
        direct: Whether this is the instrument's only table, so that its cells may be
            measured without asking the instrument.
        lasting: Whether cells may be looked up in ``cells``, where they stay between collections.
        open: Whether live cells may be measured without a lock.
        guarded: Whether live cells may be measured under their own locks.
    """

    def __init__(self, owner: Owner, kind: Kind) -> None:
        self.owner = owner
        self.bounds = kind.bounds
        self.cells: dict[Any, Cell] = {}
        self.epoch = 0
        self.direct = self.lasting = self.open = self.guarded = False
        self._kind = kind
        self._made = kind.made
        self._expiry: Expiry | None = None
        if kind.time_to_live is not None and kind.cumulative:
            self._expiry = Expiry(kind.time_to_live)
            self._made = MarkedLastValueCell if kind.made is LastValueCell else kind.made
        self._dormant = Dormant()
        # Whether cells change under locks of their own: see `cells`.
        self._locking = not (kind.cumulative and ATOMIC)
        # Cells of an unusual View, such as the sum of a histogram, are not what their instrument
        # measures in line.
        self._usual = kind.cumulative and issubclass(self._made, owner.in_line)
        self._lock = RLock()
        # Whether the thread that has the lock is changing which series there are.
        self._changing = False
        self._later: deque[tuple[Cell, float]] = deque()
        self._streams: tuple[Reader, ...] = ()
        # Closed to further readers from the first measurement on, and then collected by all.
        self._closed = False
        self._enlisted = False
        self._removed = False

    def join(self, stream: Reader, kind: Kind) -> bool:
        """Let a reader's stream use this table; tell whether it may."""
        with self._changes():
            if self._streams and (self._closed or not kind.cumulative or kind != self._kind):
                return False
            self._streams = (*self._streams, stream)
            return True

    def leads(self, stream: Reader) -> bool:
        """Tell whether a stream is the first of those that share the table."""
        return self._streams[0] is stream

    def cell(self, attributes: Mapping[str, Any], *, passing: bool = False) -> Cell:
        """Return the cell for cleaned measurement attributes; a dormant one where it is new.

        Args:
            attributes: Of the measurement.
            passing: Whether to return the overflow point, where a new series would end in it:
                for one measurement, since room may be made.
        """
        return self.cell_of(self.kept(attributes), passing=passing)

    def kept(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the series of cleaned measurement attributes has of them."""
        return sdk.kept_attributes(self._kind.view, attributes)

    def cell_of(self, kept: Mapping[str, Any], *, passing: bool = False) -> Cell:
        """Return the same as :meth:`cell` for the attributes of a series."""
        key, own = self.identify(kept)
        return self.cells.get(key) or (passing and self._crowded()) or self._asleep(key, own)

    def _crowded(self) -> Cell | None:
        """Return the overflow point while a series that is not there would end in it."""
        cells = self.cells
        # As in `_awake`.
        if len(cells) - self._removed < self._kind.limit:
            return None
        return cells.get(sdk.OVERFLOW_KEY)

    def _asleep(self, key: Any, own: Mapping[str, Any] | None) -> Cell:  # noqa: ANN401
        """Return the dormant cell of a key, the same one for all who hold on to it.

        Two cells of one series would both be found, but only one can be live, and whoever
        has the other would be sent the slow way for ever.
        """
        with self._lock:
            found = self.cells.get(key) or self._dormant.get(key)
            if found is None:
                made = self._make(key, None if own is None else dict(own))
                # Again: making it may have run a finalizer that measures this very series.
                found = self.cells.get(key) or self._dormant.settle(made)
            return found

    def _make(self, key: Any, own: Mapping[str, Any] | None) -> Cell:  # noqa: ANN401
        cell = self._made(self, key, own)
        if self._locking:
            cell.lock = RLock()
        return cell

    @property
    def non_negative(self) -> bool:
        """Whether no value is negative."""
        return self.owner.non_negative

    @property
    def limit(self) -> int:
        """How many series there may be."""
        return self._kind.limit

    @property
    def shareable(self) -> bool:
        """Whether another reader may join: nothing has been measured yet."""
        return not self._closed

    def update(self, cell: Cell, amount: float) -> Cell:
        """Take a checked value; return the cell that has it.

        Under the lock, so that no collection comes between finding the live cell and
        changing it.
        """
        if not self._enlisted:
            self._enlist()
        with self._lock:
            if not cell.live:
                if self._changing:
                    self._later.append((cell, amount))
                    return cell
                # As `_changes`, without its costs.
                self._changing = True
                try:
                    cell = self._awake(cell)
                finally:
                    self._changed()
            cell.apply(amount)
            return cell

    @contextmanager
    def _changes(self) -> Generator[None]:
        """Change which series there are; what is measured in the midst of it comes after."""
        with self._lock:
            if self._changing:
                # A finalizer that removes or collects, say: the series it sees are all there.
                yield
                return
            self._changing = True
            try:
                yield
            finally:
                self._changed()

    def _changed(self) -> None:
        self._changing = False
        while self._later and not self._changing:
            cell, amount = self._later.popleft()
            self.update(cell, amount)

    def _enlist(self) -> None:
        """Let the readers collect the instrument: the SDK does so from its first measurement."""
        # First of all: a reader that joined any later would see what was measured before it.
        with self._lock:
            if self._changing:
                # In the midst of a reader's joining: it has to be among them.
                return
            self._closed = True
        # Outside the lock: a collection takes the storage's lock first, then this one.
        for stream in self._streams:
            stream.enlist()
        self._enlisted = True

    def _awake(self, cell: Cell) -> Cell:
        """Return the live cell for a dormant one: itself, its twin, or the overflow cell."""
        cells = self.cells
        existing = cells.get(cell.key)
        if existing is not None:
            return existing
        overflow = cells.get(sdk.OVERFLOW_KEY)
        # To the SDK the overflow point takes a place like any other; once series have been
        # removed, which it knows nothing of, that place must not keep new ones out.
        aside = overflow is not None and self._removed
        if len(cells) - aside >= self._kind.limit:
            if overflow is not None:
                return overflow
            cell = self._make(sdk.OVERFLOW_KEY, dict(sdk.OVERFLOW_ATTRIBUTES))
        if cell.start:
            cell.reset()
        cell.start = self._streams[0].previous_collection or timing.time_ns()
        cells[cell.key] = cell
        self._dormant.discard(cell.key)
        cell.live = True
        cell.ready, cell.guarded = self.open, self.guarded
        return cell

    def slow(self, cell: Cell, amount: float, context: Context | None = None) -> None:
        """Take a measurement that a cell had no quick answer to."""
        if self.direct:
            self.owner.take(cell, amount, context)
            return
        # Found when it was the only table. What is found now stands for all there are.
        target = self.owner.find(cell.labels())
        if context is None:
            target.record(amount)
        else:
            target.record_within(amount, context)

    def make_direct(self, *, direct: bool) -> None:
        """Let live cells be measured without asking the instrument, or not any more."""
        with self._changes():
            self.direct = direct
            self.lasting = lasting = direct and self._usual
            self.open = ready = lasting and not self._locking
            self.guarded = guarded = direct and self._locking
            for cell in self.cells.values():
                cell.ready, cell.guarded = ready, guarded

    def living(self, *, collected: bool = False) -> tuple[list[Cell], int]:
        """Return the live cells and the epoch they are of.

        By a collection, without those whose time is over.
        """
        with self._changes():
            if self._expiry is not None and collected:
                for cell in self._expiry.expired(self.cells.values(), timing.monotonic()):
                    self._end(cell)
            return list(self.cells.values()), self.epoch

    def drain(self) -> list[tuple[Cell, Any]]:
        """Return all cells and what they had, and start from nothing."""
        with self._changes():
            cells = list(self.cells.values())
            # First: what is measured in the midst of it is of the next collection.
            for cell in cells:
                cell.end()
            drained = [(cell, cell.take()) for cell in cells]
            self.cells.clear()
            return drained

    def remove(self, doomed: Callable[[Mapping[str, Any]], bool]) -> None:
        """End the series whose attributes are doomed; deltas are exported once more."""
        if self._kind.cumulative:
            with self._changes():
                for cell in [each for each in list(self.cells.values()) if doomed(each.labels())]:
                    self._end(cell)

    def end(self, attributes: Mapping[str, Any]) -> None:
        """End the series of cleaned attributes, likewise."""
        if self._kind.cumulative:
            key, _ = self.identify(sdk.kept_attributes(self._kind.view, attributes))
            with self._changes():
                cell = self.cells.get(key)
                if cell is not None:
                    self._end(cell)

    def _end(self, cell: Cell) -> None:
        """Take a live cell out; needs the lock."""
        self._removed = True
        self.epoch += 1
        if self.cells.pop(cell.key, None) is cell:
            self._forget(cell)

    def _forget(self, cell: Cell) -> None:
        # Its value stays for who is just reading it, and goes when it comes to life again.
        cell.end()
        self._dormant.put(cell)
        for stream in self._streams:
            stream.forget(cell)

    def restart(self) -> None:
        """Forget everything, in a forked child, where the lock may be held by no one."""
        self._lock = RLock()
        self._changing = False
        self._later.clear()
        for cell in self._dormant.living():
            cell.renew_lock()
        self._dormant = Dormant()
        self.epoch += 1
        cells = list(self.cells.values())
        self.cells.clear()
        for cell in cells:
            cell.renew_lock()
            self._forget(cell)
