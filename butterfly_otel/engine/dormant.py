"""The cells that somebody holds on to, for a series that is not there yet or any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.engine.cells import Cell

#: How many dead ones may be there before they are swept out, at the least.
_FEW: Final = 64


class Dormant:
    """Cells by their keys, while somebody else holds them. Needs the table's lock.

    A `WeakValueDictionary` hears of each death, which makes a series that begins a fifth dearer:
    nearly all of its cells are here for a moment. Here the dead stay until there are as many as
    others.
    """

    __slots__ = ("_cells", "_most")

    def __init__(self) -> None:
        self._cells: dict[Any, ref[Cell]] = {}
        self._most = _FEW

    def __len__(self) -> int:
        """Return how many places are taken, by the dead as well."""
        return len(self._cells)

    def __iter__(self) -> Iterator[Any]:
        """Yield the keys of those that are held."""
        return iter([cell.key for cell in self.living()])

    def get(self, key: Any) -> Cell | None:  # noqa: ANN401 - whatever tells series apart
        """Return the cell of a key, None where there is none."""
        known = self._cells.get(key)
        return None if known is None else known()

    def settle(self, cell: Cell) -> Cell:
        """Put a cell here, unless its key has one; return the one that is here."""
        if len(self._cells) >= self._most:
            self._sweep()
        cells, key = self._cells, cell.key
        reference = ref(cell)
        # From here on nothing is made, and no garbage collected.
        found = cells.setdefault(key, reference)()
        if found is not None:
            return found
        cells[key] = reference
        return cell

    def put(self, cell: Cell) -> None:
        """Put a cell here, whatever its key had."""
        if len(self._cells) >= self._most:
            self._sweep()
        self._cells[cell.key] = ref(cell)

    def discard(self, key: Any) -> None:  # noqa: ANN401
        """Forget the cell of a key."""
        self._cells.pop(key, None)

    def living(self) -> list[Cell]:
        """Return all cells."""
        found = [reference() for reference in self._cells.copy().values()]
        return [cell for cell in found if cell is not None]

    def _sweep(self) -> None:
        for key, reference in self._cells.copy().items():
            # In two steps, but what comes between them finds a dead one as well, and replaces it.
            if reference() is None and self._cells.get(key) is reference:
                self._cells.pop(key, None)
        self._most = max(_FEW, 2 * len(self._cells))
