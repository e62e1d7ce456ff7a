"""The live view, by rich: an optional extra, so this module is imported only where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from butterfly_otel.cli.top.table import fitting
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from typing_extensions import Self

    from butterfly_otel.cli.top.figures import Row

#: Columns between two cells; lines around the rows.
_PADDING, _AROUND = 3, 5
_BAD = "bold red"


class LiveView:
    """Takes over the screen until it is closed; a context manager."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._live.stop()

    def show(self, rows: Sequence[Row], interval: float) -> None:
        """Draw the rows that there is room for."""
        size = self._console.size
        self._live.update(draw(rows, interval, size.width, size.height), refresh=True)


def draw(rows: Sequence[Row], interval: float, width: int, height: int) -> Group:
    """Return the whole view, for a terminal of this size; alarming rows come first in need."""
    room = max(1, height - _AROUND)
    shown = list(rows)
    if len(rows) > room:
        worst = sorted(rows, key=lambda row: row.error is None)[: room - 1 or 1]
        shown = [row for row in rows if row in worst]
    columns = fitting(shown, width - 2, _PADDING)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    for at, column in enumerate(columns):
        table.add_column(
            column.head, justify="right" if at else "left", no_wrap=True, overflow="ellipsis"
        )
    for row in shown:
        name = Text(printable(row.node), "dim" if row.error else "bold")
        if row.error is not None:
            # It must not make the column of a figure as wide as a sentence.
            table.add_row(name, *(Text("-", "dim") for _ in columns[1:]))
            continue
        cells = (column.cell(row) for column in columns[1:])
        table.add_row(name, *(Text(c.text, _BAD if c.alarming else "") for c in cells))
    errors = [row for row in rows if row.error is not None]
    foot = [
        Text(printable(row.error or ""), "yellow", no_wrap=True, overflow="ellipsis")
        for row in errors[: max(0, room - len(shown))]
    ]
    hidden = f" · {len(rows) - len(shown)} more rows" if len(shown) < len(rows) else ""
    foot.append(Text(f"every {interval:g} s · q quits{hidden}", "dim", no_wrap=True))
    return Group(table, *foot)
