"""Dictionaries within dictionaries, in which a handle looks its series up by label values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.catalog.model import Metric


def nesting(metric: Metric) -> tuple[int, ...]:
    """Return the order in which a handle looks labels up, as indices of the contract's order.

    Looking up one value after the other in dictionaries within dictionaries is cheaper than
    making a tuple of them. The labels of many values come last, so that there are few
    dictionaries.
    """
    labels = metric.labels
    return tuple(
        sorted(
            range(len(labels)), key=lambda at: (labels[at].default is None, labels[at].seats, at)
        )
    )


def grow(
    cells: dict[Any, Any], order: Sequence[int], values: Sequence[object], target: object
) -> bool:
    """Put a target where label values lead; tell whether there was none.

    Args:
        cells: The outermost dictionary.
        order: As :func:`nesting` has it.
        values: In the contract's order.
        target: Where they lead.
    """
    # No label values at all are one key.
    last: object = ()
    if order:
        for at in order[:-1]:
            value = values[at]
            inner = cells.get(value)
            cells = cells.setdefault(value, {}) if inner is None else inner
        last = values[order[-1]]
    before = len(cells)
    cells[last] = target
    return len(cells) > before


def cut(cells: dict[Any, Any], path: Sequence[object]) -> bool:
    """Take away what is at the end of a path, and what is empty then; tell if there was any."""
    first, *rest = path
    if first not in cells:
        return False
    found = not rest or cut(cells[first], rest)
    if not rest or not cells[first]:
        del cells[first]
    return found
