"""Chunks: the lines of some hundred series as one %-format, filled in from their cells."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from butterfly_otel.exporters.prometheus.model.text import number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Series a chunk may have: one call fills it in, during which no other thread can run.
CHUNK = 500
#: From here on numbers are written with an exponent (see ``number_text``).
_MILLION = 1_000_000
#: What the line of a number ends in.
_ANY, _INTEGER = " %s\n", " %d.0\n"


class Chunk:
    """Some series and the %-format of their lines.

    Args:
        cells: The cells.
        make: Makes the format, once it is asked for.

    Attributes:
        cells: The cells; never changed.
        form: The format, empty before. Of a histogram's lines, with integers for counts and a text
            for the sum; of numbers, with integers or texts, whichever was needed last.
        packed: What never changes about the same in protobuf, once that has been asked for.
    """

    __slots__ = ("_make", "cells", "form", "packed")

    def __init__(self, cells: list[Any], make: Callable[[], str]) -> None:
        # All of one class, which a type checker can't know.
        self.cells = cells
        self._make: Callable[[], str] | None = make
        self.form = ""
        self.packed: Any = None

    def numbers(self, tails: Sequence[str] | None = None) -> str:
        """Return the lines of counters or gauges, with what each ends in."""
        values = [cell.value for cell in self.cells]
        kinds = set(map(type, values))
        form = self.form or self._made()
        if kinds == {int} and min(values) > -_MILLION and max(values) < _MILLION:
            if _ANY in form:
                self.form = form = form.replace(_ANY, _INTEGER)
            return _filled(form, values, tails)
        if _INTEGER in form:
            self.form = form = form.replace(_INTEGER, _ANY)
        if kinds == {float} and min(values) > -_MILLION and max(values) < _MILLION:
            return _filled(form, values, tails)
        return _filled(form, list(map(number_text, values)), tails)

    def histograms(self, tails: Sequence[str] | None = None) -> str:
        """Return the lines of histograms, with what each ends in."""
        values: list[Any] = []
        most = 0
        for cell in self.cells:
            # Of one instant: nothing is called here.
            counts, total = cell.counts[:], cell.total
            values += accumulate(counts)
            count = values[-1]
            most = max(most, count)
            values += (count, number_text(total))
        form = self.form or self._made()
        if most < _MILLION:
            return _filled(form, values, tails)
        texts = [each if type(each) is str else number_text(each) for each in values]
        return _filled(form.replace(_INTEGER, _ANY), texts, tails)

    def _made(self) -> str:
        make = self._make
        if make is not None:
            # Two threads that meet here make the same.
            self.form = make()
            self._make = None
        return self.form


def ending_of(cell: Any) -> str:  # noqa: ANN401 - as above
    """Return what lines of numbers end in that are like that of a cell."""
    return _INTEGER if type(getattr(cell, "value", None)) is int else _ANY


def _filled(form: str, values: Sequence[Any], tails: Sequence[str] | None) -> str:
    """Return the lines of a %-format that has a field a line, with what each line ends in."""
    if tails is None:
        return form % tuple(values)
    both: list[Any] = [None] * (2 * len(values))
    both[::2], both[1::2] = values, tails
    return form.replace("\n", "%s\n") % tuple(both)
