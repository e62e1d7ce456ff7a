"""The exemplars of one metric of all processes: the newest of each series or bucket."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import Exemplar

from butterfly_otel.process import forks
from butterfly_otel.sharing.payload import loads, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.sharing.placing import Table, Told


class Sampled:
    """Keeps exemplars and hands out those that are new. Thread-safe.

    Args:
        table: The series.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._lock = forks.lock()
        self._newest: dict[int, dict[int, Exemplar]] = {}
        self._changed: set[int] = set()
        #: What each record said last, which need not be looked at again.
        self._seen: dict[int, bytes] = {}

    def absorb(self, told: Sequence[Told], elsewhere: Mapping[int, int]) -> None:
        """Take in what processes have sampled."""
        seen: dict[int, bytes] = {}
        for each in told:
            if not each.exemplars:
                continue
            key = id(each.placed)
            seen[key] = each.exemplars
            if self._seen.get(key) == each.exemplars:
                continue
            with self._lock:
                sampled: list[tuple[int, list[Any]]] = loads(each.exemplars)
                for index, found in sampled:
                    place = each.placed.places[index]
                    self._take(elsewhere.get(place, place), found)
        self._seen = seen

    def _take(self, place: int, found: Iterable[Sequence[Any]]) -> None:
        known = self._newest.setdefault(place, {})
        for value, time, span, trace, attributes in found:
            bucket = bisect_left(self._table.bounds, value)
            before = known.get(bucket)
            if before is None or before.time_unix_nano < time:
                kept = unpacked(attributes) if attributes else {}
                known[bucket] = Exemplar(kept, value, time, span, trace)
                self._changed.add(place)

    def fresh(self) -> list[tuple[Cell, list[Exemplar]]]:
        """Return the exemplars of each series that has a new one."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return [
                (self._table.cells[place], list(self._newest[place].values())) for place in changed
            ]

    def taken(self) -> list[tuple[Cell, list[Exemplar]]]:
        """Return the same: there are no samples."""
        return self.fresh()
