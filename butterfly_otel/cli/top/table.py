"""Rows as text: cells, which of them are alarming, and a table that fits the terminal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from butterfly_otel.cli.top.figures import Row

#: What stands for a figure that is not known.
NOTHING = "-"
#: From these on a figure is alarming, as in the alerts and in the demo's view.
_SLOW, _FAILING, _LONG_QUEUE, _FULL, _HOT = 5.0, 0.05, 100, 0.9, 80.0
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_SHORTEST_NAME = 12
_GAP = 2


class Cell(NamedTuple):
    """One figure as text."""

    text: str
    alarming: bool = False


class Column(NamedTuple):
    """One figure of all rows.

    Attributes:
        head: Its title.
        cell: What is shown of a row.
        rank: Which columns go first where there is no room: the highest.
    """

    head: str
    cell: Callable[[Row], Cell]
    rank: int


def _number(value: float | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _ratio(value: float | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:.{digits}%}"


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def _seconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def bytes_text(value: float | None) -> str:
    """Return bytes in a unit of a thousand.

    >>> bytes_text(4_320_000_000)
    '4.3 GB'
    """
    if value is None:
        return NOTHING
    for unit in _UNITS[:-1]:
        if abs(value) < 1000:  # noqa: PLR2004 - a step between units
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_UNITS[-1]}"


def _memory(row: Row) -> Cell:
    share = "" if row.memory_ratio is None else f" {row.memory_ratio:.0%}"
    return Cell(bytes_text(row.memory_bytes) + share, _above(row.memory_ratio, _FULL))


def _voters(row: Row) -> Cell:
    if row.active is None and row.quorum is None:
        return Cell(NOTHING)
    few = row.active is not None and row.quorum is not None and row.active < row.quorum
    return Cell(f"{_number(row.active)}/{_number(row.quorum)}", few)


def _term(row: Row) -> Cell:
    changes = "" if not row.leader_changes else f" ({row.leader_changes:.0f} changes)"
    return Cell(_number(row.term) + changes)


def _count(total: float | None, fresh: float | None) -> Cell:
    more = f" +{fresh:.0f}" if fresh else ""
    return Cell(_number(total) + more, bool(fresh))


def _figure(
    name: str, show: Callable[[float | None], str], limit: float | None = None
) -> Callable[[Row], Cell]:
    """Return what makes the cell of one figure; it is alarming above ``limit``."""

    def cell(row: Row) -> Cell:
        value: float | None = getattr(row, name)
        more = ">" if getattr(row, f"{name}_beyond", False) else ""
        return Cell(more + show(value), limit is not None and _above(value, limit))

    return cell


def _name(row: Row) -> Cell:
    return Cell(row.node)


def _faults(row: Row) -> Cell:
    return _count(row.faults, row.new_faults)


def _violations(row: Row) -> Cell:
    return _count(row.violations, row.new_violations)


COLUMNS: tuple[Column, ...] = (
    Column("node", _name, 0),
    Column("req/s", _figure("requests_per_second", partial(_number, digits=1)), 1),
    Column("errors", _figure("error_ratio", partial(_ratio, digits=1), _FAILING), 2),
    Column("p50", _figure("p50", _seconds), 6),
    Column("p99", _figure("p99", _seconds, _SLOW), 3),
    Column("tokens/s", _figure("tokens_per_second", _number), 4),
    Column("in flight", _figure("in_flight", _number), 8),
    Column("queued", _figure("queued", _number, _LONG_QUEUE), 5),
    Column("GPU", _figure("gpu_utilization", _ratio), 7),
    Column("°C", _figure("gpu_temperature", _number, _HOT), 11),
    Column("GPU mem", _figure("gpu_memory", _ratio), 14),
    Column("CPU", _figure("cpu", _ratio), 9),
    Column("memory", _memory, 10),
    Column("voters", _voters, 12),
    Column("term", _term, 15),
    Column("faults", _faults, 13),
    Column("violations", _violations, 16),
)


def fitting(rows: Sequence[Row], width: int | None, padding: int = _GAP) -> list[Column]:
    """Return the columns that a terminal of this width has room for; None has room for all."""
    columns = list(COLUMNS)
    while width is not None and len(columns) > 1:
        sizes = [_width(column, rows) for column in columns]
        sizes[0] = min(sizes[0], _SHORTEST_NAME)
        if sum(sizes) + padding * (len(columns) - 1) <= width:
            break
        columns.remove(max(columns, key=lambda column: column.rank))
    return columns


def plain_table(rows: Sequence[Row], width: int | None = None) -> list[str]:
    """Return a table as lines; ``width`` None never cuts anything."""
    columns = fitting(rows, width)
    sizes = [_width(column, rows) for column in columns]
    if width is not None:
        rest = sum(sizes[1:]) + _GAP * (len(sizes) - 1)
        sizes[0] = min(sizes[0], max(min(_SHORTEST_NAME, width), width - rest))
    lines = [_line([column.head for column in columns], sizes)]
    for row in rows:
        name = _cut(printable(row.node), sizes[0])
        if row.error is not None:
            text = f"{name:<{sizes[0]}}{' ' * _GAP}{printable(row.error)}"
            lines.append(text if width is None else _cut(text, width))
            continue
        cells = [column.cell(row) for column in columns[1:]]
        lines.append(_line([name, *(c.text + ("!" if c.alarming else "") for c in cells)], sizes))
    return lines


def _width(column: Column, rows: Sequence[Row]) -> int:
    cells = [column.cell(row) for row in rows if row.error is None or column is COLUMNS[0]]
    texts = [printable(cell.text) + ("!" if cell.alarming else "") for cell in cells]
    return max(len(text) for text in (column.head, *texts))


def _line(cells: Sequence[str], sizes: Sequence[int]) -> str:
    first = f"{cells[0]:<{sizes[0]}}"
    rest = [f"{cell:>{size}}" for cell, size in zip(cells[1:], sizes[1:], strict=True)]
    return (" " * _GAP).join([first, *rest]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
