"""From figures to rows of a table, as text, as Markdown and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.rows import ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: Figures of each subject, one a round.
    Figures = Mapping[str, Sequence[float]]

HEADER = (
    "work",
    "butterfly-otel",
    "against",
    "its figure",
    "ratio",
    "by round",
    "target",
    "reached",
)


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of some figures; a single one is its own quartiles."""
        if len(figures) == 1:
            return cls(figures[0], figures[0], figures[0])
        low, _, high = quantiles(figures, n=4, method="inclusive")
        return cls(median(figures), low, high)


@dataclass(frozen=True)
class Result:
    """A row with its figures.

    Attributes:
        row: What was compared.
        ours: Our figures.
        peer: The other's.
        ratio: The ratio of the medians.
        rounds: The ratios within each round.
    """

    row: Row
    ours: Spread
    peer: Spread
    ratio: float
    rounds: Spread

    @property
    def reached(self) -> bool | None:
        """Tell whether the ratio of the medians is what it should be; None without a target."""
        if self.row.target is None:
            return None
        if self.row.direction == "at least":
            return self.ratio >= self.row.target
        return self.ratio <= self.row.target


def results(figures: Figures) -> list[Result]:
    """Return the rows that were measured."""
    return [_result(row, figures) for row in ROWS if row.ours in figures and row.peer in figures]


def _result(row: Row, figures: Figures) -> Result:
    ours, peer = figures[row.ours], figures[row.peer]
    pairs = list(zip(ours, peer, strict=True))
    faster = row.direction == "at least"
    each = [theirs / own if faster else own / theirs for own, theirs in pairs]
    own, theirs = Spread.of(ours), Spread.of(peer)
    ratio = theirs.median / own.median if faster else own.median / theirs.median
    return Result(row, own, theirs, ratio, Spread.of(each))


def cells(result: Result) -> tuple[str, ...]:
    """Return a row as text, one string a column of :data:`HEADER`."""
    row = result.row
    multiple = row.direction == "at least"
    digits = 1 if multiple else 2
    middle, low, high = (
        f"{each:.{digits}f}"
        for each in (result.rounds.median, result.rounds.low, result.rounds.high)
    )
    return (
        row.work,
        _spread_text(result.ours, row.unit),
        row.against,
        _spread_text(result.peer, row.unit),
        f"{result.ratio:.{digits}f}×",  # noqa: RUF001
        f"{middle} ({low}…{high})",
        _target_text(row),
        {True: "yes", False: "no", None: "–"}[result.reached],  # noqa: RUF001
    )


def _target_text(row: Row) -> str:
    if row.target is None:
        return "–"  # noqa: RUF001
    return f"≥ {row.target:g}×" if row.direction == "at least" else f"≤ {row.target:.2f}×"  # noqa: RUF001


def _spread_text(spread: Spread, unit: str) -> str:
    if unit == "B":
        return f"{spread.median:,.0f} B"
    scale, shown = 1.0, "ns"
    if spread.median >= 1e6:  # noqa: PLR2004 - from here on milliseconds
        scale, shown = 1e6, "ms"
    digits = 0 if spread.median / scale >= 100 else 1  # noqa: PLR2004 - three places are enough
    low, high = (f"{each / scale:,.{digits}f}" for each in (spread.low, spread.high))
    return f"{spread.median / scale:,.{digits}f} {shown} ({low}…{high})"


def text_table(found: Sequence[Result]) -> str:
    """Return the table for a terminal."""
    lines = [HEADER, *(tuple(each.replace("`", "") for each in cells(one)) for one in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    rule = tuple("-" * width for width in widths)
    shown = [lines[0], rule, *lines[1:]]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in shown
    )
    return "\n".join(line.rstrip() for line in padded) + "\n"


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rows = [header, ["---"] * len(header), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def as_json(found: Sequence[Result], figures: Figures, machine: Mapping[str, str]) -> str:
    """Return everything that is known, every single figure included."""
    rows: list[dict[str, Any]] = [{**asdict(one), "reached": one.reached} for one in found]
    return json.dumps({"machine": machine, "rows": rows, "figures": figures}, indent=1) + "\n"
