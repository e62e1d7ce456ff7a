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
    from collections.abc import Iterable, Sequence

    from butterfly_otel.exporters.prometheus.model.series import Labels

#: Stands for what differs; in a name it would have been replaced (``clean_name``).
_MARK = "\0"
_ESCAPED = '\\"\n%'


class Template:
    """The %-formats of the lines of series that have the same label names. Immutable.

    Args:
        name: The family's name.
        names: The names of the labels, in the order of the values.
        constant: Labels that all have.
        bounds: The finite upper bounds of a histogram; None of a number.
        number: What a line of a number ends in.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        constant: Labels,
        bounds: tuple[float, ...] | None,
        number: str,
    ) -> None:
        name = name.replace("%", "%%")
        lines = (
            f"{sample_head(name, _MARK)}{number}"
            if bounds is None
            else histogram_form(name, _MARK, bounds, "%d.0")
        )
        labels = tuple(sorted((*constant, *((each, _MARK) for each in names))))
        block = label_block(labels).replace("%", "%%")
        # A format of formats: what is a field of the lines is none yet.
        lines_of_one = lines.replace(_MARK, block).replace("%", "%%").replace(_MARK, "%s")
        self._lines = lines_of_one
        self._repeated = lines.count(_MARK)
        # None where the values are in the order of the names already.
        order = sorted(range(len(names)), key=names.__getitem__)
        self._pick = None if order == sorted(order) else itemgetter(*order)

    def forms(self, keys: Sequence[Any]) -> str | None:
        """Return the formats of the series with these keys; None where a value needs escaping.

        Args:
            keys: Of each series the values of its labels; the value itself where there is one.
        """
        every = "".join(map("".join, keys))
        if any(each in every for each in _ESCAPED):
            return None
        values: Iterable[Any] = keys
        if type(keys[0]) is str:
            values = [(key,) for key in keys]
        elif self._pick is not None:
            values = map(self._pick, keys)
        if self._repeated > 1:
            values = [key * self._repeated for key in values]
        return (self._lines * len(keys)) % tuple(chain.from_iterable(values))
