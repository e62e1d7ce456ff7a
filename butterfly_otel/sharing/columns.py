"""Adding what processes have, series by series: most of it in loops that are not Python's."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from butterfly_otel.sharing.exact import flat, totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: The places of some series, and what each has.
    Filled = tuple[list[int], Sequence[Any]]


def sums(filled: Sequence[Filled], size: int, elsewhere: Mapping[int, int]) -> list[float]:
    """Return the sums of numbers by place.

    Args:
        filled: Of each record the places and the values: numbers, or lists that stand for sums.
        size: How many places there are.
        elsewhere: Which places' values are to be added to which.
    """
    made: list[list[float]] = []
    taken: list[set[int]] = []
    for places, given in filled:
        for values in _single(given):
            _fill(made, taken, places, values, size)
    if not made:
        return [0] * size
    found = totals(made)
    return _gathered(made, found, elsewhere) if elsewhere else found


def _single(values: Sequence[Any]) -> list[list[float]]:
    """Return values, some of which may be lists, as columns of numbers."""
    if list not in set(map(type, values)):
        return [list(values)]
    lists = [flat((value,)) for value in values]
    width = max(map(len, lists))
    return [[each[turn] if turn < len(each) else 0 for each in lists] for turn in range(width)]


def _fill(
    made: list[list[float]],
    taken: list[set[int]],
    places: list[int],
    values: list[float],
    size: int,
) -> None:
    """Put values into a column where all their places are free."""
    mine = set(places)
    if len(mine) < len(places):
        # The same series twice in one record: each in a column of its own.
        for place, value in zip(places, values, strict=True):
            _fill(made, taken, [place], [value], size)
        return
    turn = _free(taken, mine)
    if turn == len(made):
        made.append([0] * size)
    column, first = made[turn], places[0] if places else 0
    if _in_a_row(places):
        column[first : first + len(places)] = values
        return
    for place, value in zip(places, values, strict=True):
        column[place] = value


def _free(taken: list[set[int]], mine: set[int]) -> int:
    """Take places in the first column where all are free; return which that is."""
    for turn, held in enumerate(taken):
        if held.isdisjoint(mine):
            taken[turn] |= mine
            return turn
    taken.append(set(mine))
    return len(taken) - 1


def _in_a_row(places: list[int]) -> bool:
    """Tell whether places follow one another, as they do where all processes have the same."""
    return bool(places) and places == list(range(places[0], places[0] + len(places)))


def _gathered(
    made: Sequence[Sequence[float]], found: list[float], elsewhere: Mapping[int, int]
) -> list[float]:
    """Add the values of places to others, exactly."""
    targets = set(elsewhere.values())
    for target in targets:
        parts = [target, *(place for place, to in elsewhere.items() if to == target)]
        row = [column[place] for column in made for place in parts]
        [found[target]] = totals([[value] for value in row])
    return found


def counts(
    filled: Sequence[Filled], size: int, width: int, elsewhere: Mapping[int, int]
) -> list[int]:
    """Return the sums of bucket counts by place, ``width`` of them each, in one list."""
    made: list[list[int]] = []
    taken: list[set[int]] = []
    for places, values in filled:
        turn = _free(taken, set(places))
        if turn == len(made):
            made.append([0] * (size * width))
        column = made[turn]
        if _in_a_row(places):
            column[places[0] * width : (places[-1] + 1) * width] = values
            continue
        for at, place in enumerate(places):
            column[place * width : (place + 1) * width] = values[at * width : (at + 1) * width]
    found = list(map(sum, zip(*made, strict=True))) if len(made) > 1 else made[0]
    for place, target in elsewhere.items():
        for bucket in range(width):
            found[target * width + bucket] += found[place * width + bucket]
    return found


def narrowed(values: Sequence[int], before: Sequence[float], after: Sequence[float]) -> list[int]:
    """Return bucket counts of histograms with some of their boundaries only."""
    width = len(before) + 1
    picks = [before.index(bound) for bound in after]
    found: list[int] = []
    for at in range(0, len(values), width):
        totals = list(accumulate(values[at : at + width]))
        kept = [*(totals[pick] for pick in picks), totals[-1]]
        found += [count - low for count, low in zip(kept, [0, *kept], strict=False)]
    return found
