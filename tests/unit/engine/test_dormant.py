"""Cells that somebody holds on to, by their keys."""

from __future__ import annotations

from typing import Any

from butterfly_otel.engine.cells import Cell, SumCell
from butterfly_otel.engine.dormant import Dormant


def cell(key: str) -> Cell:
    """Return a cell that belongs to no table."""
    table: Any = None
    return SumCell(table, key, None)


def test_the_first_cell_of_a_key_is_the_one_for_all() -> None:
    """Else two would stand for one series, of which only one can be live."""
    dormant = Dormant()
    first = cell("a")
    assert dormant.settle(first) is first
    assert dormant.settle(cell("a")) is first
    assert dormant.get("a") is first


def test_a_dead_cell_gives_its_key_to_the_next_one() -> None:
    """Nobody has to sweep it out before."""
    dormant = Dormant()
    dormant.settle(cell("a"))
    assert dormant.get("a") is None
    second = cell("a")
    assert dormant.settle(second) is second
    assert list(dormant) == ["a"]


def test_the_dead_take_no_more_places_than_the_living() -> None:
    """A million series that were looked up and never measured leave nothing behind."""
    dormant = Dormant()
    held = [cell(f"held-{number}") for number in range(100)]
    for each in held:
        dormant.settle(each)
    for number in range(10_000):
        dormant.settle(cell(f"dead-{number}"))
        assert len(dormant) <= 2 * len(held) + 1
    for number in range(10_000):
        dormant.put(cell(f"ended-{number}"))
        assert len(dormant) <= 2 * len(held) + 1
    assert sorted(dormant) == sorted(each.key for each in held)
    assert {id(each) for each in dormant.living()} == set(map(id, held))
