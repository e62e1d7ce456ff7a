"""What is remembered of each series between collections: its attributes and when it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from butterfly_otel.exporters.prometheus.model.text import clean, clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Labels as they tell a series from others.
Labels = tuple[tuple[str, str], ...]
#: What never falls while a series lasts: its value, or each of its counts.
Totals = tuple[float, ...]

#: Series that are not there any more and are remembered beside as many as there are.
_GONE: Final = 1000


class _Known(NamedTuple):
    attributes: dict[str, str]
    start: int
    time: int
    totals: Totals


class Seen(NamedTuple):
    """A series in this collection.

    Attributes:
        attributes: Its attributes; the same object as before, by which encoders know it.
        start: When it began, in nanoseconds since the epoch.
    """

    attributes: dict[str, str]
    start: int


class SeriesBook:
    """Remembers all series of a registry. Not thread-safe.

    A series began when its ``_created`` sample says; without one, when it was first seen. Where a
    total has fallen it has begun anew: after it was seen last, of which more is not known.
    """

    def __init__(self) -> None:
        self._before: dict[Any, _Known] = {}
        self._known: dict[Any, _Known] = {}

    def begin(self) -> None:
        """Begin a collection: what was not there in the last one is forgotten, if there is much."""
        before, now = self._before, self._known
        gone = [key for key in before if key not in now]
        # The newest last, so that the oldest are forgotten.
        kept = {key: before[key] for key in gone[-(len(now) + _GONE) :]}
        self._before, self._known = kept | now if kept else now, {}

    def see(
        self,
        name: str,
        labels: Labels,
        time: int,
        totals: Totals = (),
        created: float | None = None,
    ) -> Seen:
        """Take notice of a series.

        Args:
            name: Of its metric, told from others of the name.
            labels: Its labels.
            time: When it was read, in nanoseconds since the epoch.
            totals: What only grows.
            created: Seconds since the epoch at which it began; None where it is not told.
        """
        key = name, labels
        known = self._before.get(key)
        start = _nanoseconds(created)
        if not 0 < start <= time:
            start = time if known is None else 0
        if known is None:
            attributes = attributes_of(dict(labels))
        else:
            attributes = known.attributes
            fallen = start <= known.start and _fell(known.totals, totals)
            start = max(start, known.time if fallen else known.start)
        self._known[key] = _Known(attributes, start, time, totals)
        return Seen(attributes, start)


def attributes_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as attributes, without what no wire can carry."""
    return {clean_name(str(key)): clean(str(value)) for key, value in labels.items()}


def _fell(before: Totals, now: Totals) -> bool:
    if len(before) != len(now):
        return True
    return any(new < old for old, new in zip(before, now, strict=True))


def _nanoseconds(seconds: float | None) -> int:
    try:
        return 0 if seconds is None else int(seconds * 1e9)
    except (OverflowError, ValueError):  # no time at all
        return 0
