"""The lines of series that have the same label names, made many at a time.

A first scrape writes each of them for the first time. All that series of one stream differ in is
the values of their labels, so the rest is put together once.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from butterfly_otel.exporters.prometheus.model.series import (
    histogram_form,
    label_block,
    sample_head,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.exporters.prometheus.model.series import Labels

#: Stands for what differs; in a name it would have been replaced (``clean_name``).
_MARK = "\0"
_ESCAPED = '\\"\n%'
#: Between the labels of two series: in a value it would have been escaped.
_BETWEEN = "\n"


class Template:
    """The %-formats of the lines of series that have the same label names. Immutable.

    Args:
        name: The family's name.
        names: The names of the labels, in the order of the values.
        constant: Labels that all have.
        bounds: The finite upper bounds of a histogram; None of a number.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        constant: Labels,
        bounds: tuple[float, ...] | None,
    ) -> None:
        name = _doubled(name)
        # A format of formats: what is a field of the lines is none yet.
        labels = {key: _doubled(_doubled(label_block(((key, value),)))) for key, value in constant}
        for each in names:
            empty = label_block(((each, ""),))
            labels[each] = f'{_doubled(_doubled(empty[:-1]))}%s"'
        self._block = ",".join(labels[key] for key in sorted(labels))
        before, after = sample_head(name, _MARK).split(_MARK)
        self._number = f"{_doubled(before)}{self._block}{_doubled(after)}"
        self._pieces: list[str] = []
        if bounds is not None:
            self._pieces = histogram_form(name, _MARK, bounds, "%d.0").split(_MARK)
        # None where the values are in the order of the names already.
        order = sorted(range(len(names)), key=names.__getitem__)
        self._pick = None if order == sorted(order) else itemgetter(*order)

    def numbers(self, keys: Sequence[Any], ending: str) -> str:
        """Return the format of the lines of numbers.

        Args:
            keys: Of each series the values of its labels; the value itself where there is one.
                They are plain.
            ending: What a line ends in.
        """
        return self._filled(f"{self._number}{_doubled(ending)}", keys)

    def histograms(self, keys: Sequence[Any]) -> str:
        """Return the format of the lines of histograms, likewise."""
        blocks = self._filled(f"{self._block}{_BETWEEN}", keys).split(_BETWEEN)
        return "".join([block.join(self._pieces) for block in blocks[:-1]])

    def _filled(self, form: str, keys: Sequence[Any]) -> str:
        if type(keys[0]) is str:
            return (form * len(keys)) % tuple(keys)
        values = keys if self._pick is None else map(self._pick, keys)
        return (form * len(keys)) % tuple(chain.from_iterable(values))


def _doubled(text: str) -> str:
    """Return text as it is written in a format."""
    return text.replace("%", "%%")


def plain(text: str) -> bool:
    """Tell whether label values that make up this text can be put into a format as they are."""
    return not any(each in text for each in _ESCAPED)
