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


def grow(cells: dict[Any, Any], path: Sequence[object], target: object) -> bool:
    """Put a target at the end of a path; tell whether there was none."""
    for value in path[:-1]:
        cells = cells.setdefault(value, {})
    new = path[-1] not in cells
    cells[path[-1]] = target
    return new


def cut(cells: dict[Any, Any], path: Sequence[object]) -> bool:
    """Take away what is at the end of a path, and what is empty then; tell if there was any."""
    first, *rest = path
    if first not in cells:
        return False
    found = not rest or cut(cells[first], rest)
    if not rest or not cells[first]:
        del cells[first]
    return found
