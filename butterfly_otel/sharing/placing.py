"""Where the series of each record stand among those of all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from butterfly_otel.engine.cells import CounterCell, LastValueCell, SumCell
from butterfly_otel.engine.histograms import MinMaxHistogramCell
from butterfly_otel.engine.sdk_internals import OVERFLOW_ATTRIBUTES, OVERFLOW_KEY
from butterfly_otel.engine.shapes import Keyed
from butterfly_otel.sharing.identity import GROWING, attributes_of
from butterfly_otel.sharing.parted import DEFAULT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.sharing.identity import Layout

_CELLS: Mapping[str, type[Cell]] = {
    "counter": CounterCell,
    "up_down_counter": SumCell,
    "gauge": LastValueCell,
    "histogram": MinMaxHistogramCell,
}


class Placed(NamedTuple):
    """A record's series among those of all processes.

    Attributes:
        places: The place of each series.
        starts: When each began.
        stamps: When each was first told of.
        bounds: Bucket boundaries of a histogram.
        limit: How many series the metric may have; None where that is not known.
        non_negative: Whether no value is negative.
        parted: Whether they have left their process.
        description: What the metric is, by this process.
        lasts: Of processes that have ended, when the last one that had each series did so.
    """

    places: list[int]
    starts: list[int]
    stamps: list[int]
    bounds: tuple[float, ...]
    limit: int | None
    non_negative: bool
    parted: bool
    description: str
    lasts: list[int]


class Told(NamedTuple):
    """A record of one process.

    Attributes:
        slot: The process; None for all that have ended.
        leads: Whether its collectors are those of the node.
        placed: Its series.
        values: What they have.
        exemplars: Their exemplars, as JSON; empty where there are none.
    """

    slot: int | None
    leads: bool
    placed: Placed
    values: Any
    exemplars: bytes


class Table(Keyed):
    """The series of one metric of all processes, as cells, for who reads cells.

    Attributes:
        bounds: Bucket boundaries of a histogram.
        non_negative: Whether no value is negative.
        limit: How many series there may be.
        epoch: Changes whenever what is shown is not what it was and more.
        cells: All that there ever were, in the order in which they were met.
    """

    def __init__(self, kind: str, bounds: tuple[float, ...], *, non_negative: bool) -> None:
        self.bounds = bounds
        self.non_negative = non_negative
        self.limit = DEFAULT_LIMIT
        self.epoch = 0
        self.cells: list[Any] = []
        self._made: Any = _CELLS[kind]
        self._places: dict[Any, int] = {}
        self._shown: list[int] = []

    def place(self, attributes: Mapping[str, Any]) -> int:
        """Return the place of a series."""
        key, own = self.identify(attributes)
        return self._place(key, own)

    def overflow(self) -> int:
        """Return the place of the overflow point."""
        return self._place(OVERFLOW_KEY, OVERFLOW_ATTRIBUTES)

    def _place(self, key: Any, own: Mapping[str, Any] | None) -> int:  # noqa: ANN401
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.cells)
            self.cells.append(self._made(self, key, None if own is None else dict(own)))
        return place

    def show(self, places: list[int]) -> list[Any]:
        """Show the cells of these places, in this order, and no others."""
        before = self._shown
        if places[: len(before)] != before:
            self.epoch += 1
            for place in before:
                self.cells[place].live = False
        self._shown = places
        found = [self.cells[place] for place in places]
        for cell in found:
            cell.live = True
        return found


def placed(layout: Layout, table: Table) -> Placed:
    """Return where a record's series are."""
    return Placed(
        [table.place(attributes_of(row)) for row in layout.rows],
        layout.starts,
        layout.stamps,
        layout.bounds,
        layout.limit,
        layout.non_negative,
        layout.parted,
        layout.description,
        layout.lasts,
    )


def stale(ended: Iterable[Placed], before: float) -> set[int]:
    """Return the places of the series that no process has had since a time, in nanoseconds."""
    return {
        place
        for each in ended
        for place, last in zip(each.places, each.lasts, strict=False)
        if last < before
    }


def shown(kind: str, living: Iterable[Placed], ended: Iterable[Placed], over: set[int]) -> set[int]:
    """Return the places of the series that are shown.

    What only grows and has left some process by removal is not shown until one has it again.

    Args:
        kind: What the metric measures by.
        living: Of the processes that are there.
        ended: Of those that have ended.
        over: Which of theirs nobody has had for too long.
    """
    places: set[int] = set()
    parted: set[int] = set()
    for each in living:
        (parted if each.parted else places).update(each.places)
    if kind in GROWING:
        gone: set[int] = set()
        for each in ended:
            (parted if each.parted else gone).update(each.places)
        places |= gone - parted - over
    return places


def redirected(
    table: Table, places: set[int], told: Sequence[Placed], limit: int
) -> dict[int, int]:
    """Return which series go to the overflow point, because there are more than there may be.

    The latest do: so those that were shown before stay, in whichever process this is decided.
    """
    overflow = table.overflow()
    stamps: dict[int, int] = {}
    for each in told:
        for place, stamp in zip(each.places, each.stamps, strict=True):
            stamps[place] = min(stamp, stamps.get(place, stamp))
    ordered = sorted(
        places - {overflow}, key=lambda at: (stamps[at], repr(sorted(table.cells[at].labels())))
    )
    return dict.fromkeys(ordered[limit:], overflow)
