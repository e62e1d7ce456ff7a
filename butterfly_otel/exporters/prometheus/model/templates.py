"""The lines of series that have the same label names, made many at a time.

A first scrape writes each of them for the first time. All that series of one stream differ in is
the values of their labels, so the rest is put together once.
"""

from __future__ import annotations

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
        #: What stands between the labels of one line and those of the next.
        self._between = lines.split(_MARK)
        order = sorted(((each, at) for at, each in enumerate(names)), key=lambda pair: pair[0])
        known = {key: value.replace("%", "%%") for key, value in constant}
        labels = tuple(sorted((*known.items(), *((each, _MARK) for each in names))))
        # Once for the labels' own %-format, once for that of the lines.
        block = label_block(labels).replace("%", "%%")
        self._block = block.replace(_MARK, "%s")
        # None where the values are in that order already.
        places = [at for _, at in order]
        self._order = None if places == sorted(places) else places

    def forms(self, keys: Sequence[Any]) -> str | None:
        """Return the formats of the series with these keys; None where a value needs escaping.

        Args:
            keys: Of each series the values of its labels; the value itself where there is one.
        """
        every = "".join(map("".join, keys))
        if any(each in every for each in _ESCAPED):
            return None
        block, between = self._block, self._between
        order = self._order
        if order is None:
            return "".join([(block % key).join(between) for key in keys])
        return "".join([(block % tuple([key[at] for at in order])).join(between) for key in keys])
