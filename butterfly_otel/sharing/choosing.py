"""Choosing one of the values that processes have of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.sharing.exact import rounded
from butterfly_otel.sharing.payload import unrolled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.catalog.model import Across
    from butterfly_otel.sharing.placing import Told


def chosen(
    across: Across, kind: str, told: Sequence[Told], size: int, elsewhere: Mapping[int, int]
) -> list[Any]:
    """Return by place what is shown of a series.

    Args:
        across: How it is chosen.
        kind: What the metric measures by.
        told: What processes have.
        size: How many places there are.
        elsewhere: Which places' values belong to which others.
    """
    best: list[Any] = [None] * size
    found: list[Any] = [None] * size
    for each in told:
        if kind == "gauge":
            values, pairs = each.values
            times = unrolled(pairs)
        else:
            values, times = each.values, each.placed.starts
        places = each.placed.places
        if elsewhere:
            places = [elsewhere.get(place, place) for place in places]
        slot = -1 if each.slot is None else each.slot
        first = across == "node" and each.leads
        for place, given, time in zip(places, values, times, strict=True):
            value = rounded(given)
            rank: Any = (first, time, slot)
            if across == "max":
                rank = (value == value, value)  # noqa: PLR0124 - NaN says nothing
            elif across == "min":
                rank = (value == value, -value)  # noqa: PLR0124
            if best[place] is None or rank > best[place]:
                best[place], found[place] = rank, value
    return found


def extremes(
    told: Sequence[Told], which: int, nothing: float, size: int, elsewhere: Mapping[int, int]
) -> list[float]:
    """Return the smallest or the largest values of histograms by place.

    Args:
        told: What processes have.
        which: Where a record has them.
        nothing: What there is where nobody keeps them.
        size: How many places there are.
        elsewhere: Which places' values belong to which others.
    """
    found = [nothing] * size
    choose = min if nothing > 0 else max
    if any(each.values[which] is None for each in told):
        return found
    for each in told:
        places = each.placed.places
        first, end = places[0], places[0] + len(places)
        if not elsewhere and places == list(range(first, end)):
            found[first:end] = map(choose, found[first:end], each.values[which])
            continue
        for place, value in zip(each.placed.places, each.values[which], strict=True):
            at = elsewhere.get(place, place) if elsewhere else place
            found[at] = choose(found[at], value)
    return found
