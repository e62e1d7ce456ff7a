"""One metric of all processes: what their values make together."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from butterfly_otel.process import timing
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing import choosing, columns
from butterfly_otel.sharing.identity import GROWING, Identity
from butterfly_otel.sharing.parted import DEFAULT_LIMIT
from butterfly_otel.sharing.placing import Placed, Table, placed, redirected, shown, stale
from butterfly_otel.sharing.sampled import Sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.catalog.model import Across
    from butterfly_otel.sharing.identity import Layout
    from butterfly_otel.sharing.placing import Told

#: Places of series that are gone, beyond which all are given anew.
_GONE = 100


class _Plan(NamedTuple):
    """What follows from which series each process has, and stays while they do."""

    placed: tuple[Placed, ...]
    slots: tuple[int | None, ...]
    places: list[int]
    cells: list[Any]
    elsewhere: dict[int, int]
    told: int
    over: set[int]


class Merged:
    """One metric of all processes, between scrapes. Not thread-safe.

    Attributes:
        identity: The metric.
        across: How its values are merged.
        description: What it is, by the process that tells of it first.
        table: Its series.
        sampled: Their exemplars.
    """

    def __init__(
        self, identity: Identity, across: Across, time_to_live: float | None = None
    ) -> None:
        self.identity = identity
        self._time_to_live = time_to_live
        self.across: Across = across
        self.description = ""
        self._begin((), non_negative=False)

    def _begin(self, bounds: tuple[float, ...], *, non_negative: bool) -> None:
        self.table = Table(self.identity.kind, bounds, non_negative=non_negative)
        self.sampled = Sampled(self.table)
        self._known: dict[bytes, Placed] = {}
        self._plan: _Plan | None = None

    def place(self, line: bytes, layout: Layout | None) -> Placed | None:
        """Return where a record's series are; None where it has to be parsed for that."""
        known = self._known.get(line)
        if known is None and layout is not None:
            known = self._known[line] = placed(layout, self.table)
        return known

    def fit(self, layouts: Sequence[tuple[tuple[float, ...], bool]]) -> bool:
        """Take the boundaries that all processes have; tell whether places are given anew.

        Args:
            layouts: Of each record the boundaries, and whether nothing is negative.
        """
        bounds = layouts[0][0]
        if any(each != bounds for each, _ in layouts):
            common = set(bounds).intersection(*(each for each, _ in layouts))
            bounds = tuple(sorted(common))
            log_once(
                f"processes have different boundaries of the histogram {self.identity.name}:"
                " those that all of them have are shown"
            )
        non_negative = self.identity.kind == "histogram" and all(each for _, each in layouts)
        table = self.table
        crowded = len(table.cells) > 2 * (self._plan.told if self._plan else 0) + _GONE
        if bounds == table.bounds and non_negative == table.non_negative and not crowded:
            return False
        self._begin(bounds, non_negative=non_negative)
        return True

    def merge(self, told: Sequence[Told]) -> list[Any]:
        """Take what all processes have; return the cells that are shown."""
        plan = self._planned(told)
        if plan.places:
            if self.identity.kind == "histogram":
                self._histograms(plan, told)
            else:
                self._numbers(plan, told)
        self.sampled.absorb(told, plan.elsewhere)
        lines = {id(each.placed) for each in told}
        if len(lines) < len(self._known):
            self._known = {line: each for line, each in self._known.items() if id(each) in lines}
        return plan.cells

    def _planned(self, told: Sequence[Told]) -> _Plan:
        placed, slots = tuple(each.placed for each in told), tuple(each.slot for each in told)
        plan = self._plan
        ended = [each.placed for each in told if each.slot is None]
        over = self._over(ended)
        if (
            plan is not None
            and slots == plan.slots
            and over == plan.over
            and all(one is other for one, other in zip(placed, plan.placed, strict=True))
        ):
            return plan
        self.description = placed[0].description
        living = [each.placed for each in told if each.slot is not None]
        places = shown(self.identity.kind, living, ended, over)
        limit = self._limit(placed)
        elsewhere: dict[int, int] = {}
        if len(places) > limit:
            elsewhere = redirected(self.table, places, placed, limit)
            places = places - elsewhere.keys() | set(elsewhere.values())
        ordered = sorted(places)
        cells = self.table.show(ordered)
        self._begun(placed, elsewhere)
        told_of = len(set[int]().union(*(each.places for each in placed)))
        self._plan = _Plan(placed, slots, ordered, cells, elsewhere, told_of, over)
        return self._plan

    def _over(self, ended: Sequence[Placed]) -> set[int]:
        """Return the places of what no process has had for longer than it may be shown."""
        if self._time_to_live is None:
            return set()
        return stale(ended, timing.time_ns() - self._time_to_live * 1e9)

    def _limit(self, placed: Sequence[Placed]) -> int:
        """Return how many series there may be beside the overflow point."""
        most = max(DEFAULT_LIMIT, *(len(each.places) for each in placed))
        return max(most if each.limit is None else each.limit for each in placed)

    def _begun(self, placed: Sequence[Placed], elsewhere: dict[int, int]) -> None:
        starts: dict[int, int] = {}
        for each in placed:
            for place, start in zip(each.places, each.starts, strict=True):
                at = elsewhere.get(place, place)
                starts[at] = min(start, starts.get(at, start))
        for place, start in starts.items():
            self.table.cells[place].start = start

    def _numbers(self, plan: _Plan, told: Sequence[Told]) -> None:
        kind, size = self.identity.kind, len(self.table.cells)
        counted = [each for each in told if each.slot is not None or kind in GROWING]
        if self.across == "sum":
            filled = [
                (each.placed.places, each.values[0] if kind == "gauge" else each.values)
                for each in counted
            ]
            found = columns.sums(filled, size, plan.elsewhere)
        else:
            found = choosing.chosen(self.across, kind, counted, size, plan.elsewhere)
        for place, cell in zip(plan.places, plan.cells, strict=True):
            cell.value = found[place]

    def _histograms(self, plan: _Plan, told: Sequence[Told]) -> None:
        bounds, size = self.table.bounds, len(self.table.cells)
        width = len(bounds) + 1
        filled: list[tuple[list[int], list[int]]] = []
        for each in told:
            counts = each.values[0]
            if each.placed.bounds != bounds:
                counts = columns.narrowed(counts, each.placed.bounds, bounds)
            filled.append((each.placed.places, counts))
        counts = columns.counts(filled, size, width, plan.elsewhere)
        sums = columns.sums(
            [(each.placed.places, each.values[1]) for each in told], size, plan.elsewhere
        )
        lows = choosing.extremes(told, 2, inf, size, plan.elsewhere)
        highs = choosing.extremes(told, 3, -inf, size, plan.elsewhere)
        for place, cell in zip(plan.places, plan.cells, strict=True):
            at = place * width
            new, total = counts[at : at + width], sums[place]
            # In one statement, since another thread may be writing them out.
            cell.counts, cell.total = new, total
            cell.low, cell.high = lows[place], highs[place]
