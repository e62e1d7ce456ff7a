"""What one push says against those before it: counts that fall, and when counting began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from butterfly_otel.lint.expositions.otlp.rules import CUMULATIVE
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from butterfly_otel.lint.expositions.model import Sample
    from butterfly_otel.lint.expositions.otlp.points import Point

#: Series of one resource that are kept.
_MOST: Final = 200_000


#: Scope, name and attributes.
_Series: TypeAlias = "tuple[tuple[str, str], str, frozenset[tuple[str, str]]]"


class _Last(NamedTuple):
    start: int
    time: int
    counts: tuple[float, ...]
    samples: tuple[Sample, ...]


class History:
    """The last point of each series of one resource. Not thread-safe."""

    def __init__(self) -> None:
        self._last: dict[_Series, _Last] = {}

    def samples(self) -> Iterator[tuple[str, Sample]]:
        """Yield the last samples of every series there has been, with the metric's name."""
        for (_, name, _), last in self._last.items():
            for sample in last.samples:
                yield name, sample

    def compare(self, points: Iterable[Point], names: Collection[str]) -> Iterator[Finding]:
        """Yield what is wrong with points after those before them, and keep them.

        Args:
            points: Those of one push.
            names: The metrics that are held against the contract.
        """
        for point in points:
            name = point.stream.name
            if name not in names:
                continue
            counted = bool(point.counts) and point.stream.temporality in (None, CUMULATIVE)
            if counted and not point.start:
                message = "a cumulative count has no start time, so that a restart can't be told"
                yield Finding("otlp-start", "warning", name, message)
            key = point.stream.scope, name, frozenset(point.labels)
            before = self._last.get(key)
            if before is None and len(self._last) >= _MOST:
                message = f"there are more than {_MOST:,} series: not all are compared"
                yield Finding("not-compared", "info", "", message)
                continue
            # What is late on the way is told by its time.
            if before is not None and point.time < before.time:
                continue
            if counted and before is not None and _fell(before, point):
                message = (
                    "a count fell from one push to the next, and its start time is the same: one"
                    " that starts anew says so by a start time"
                )
                yield Finding("counter-fell", "error", name, message)
            self._last[key] = _Last(point.start, point.time, point.counts, point.samples)


def _fell(before: _Last, point: Point) -> bool:
    return (
        before.start == point.start
        and len(before.counts) == len(point.counts)
        and any(now < then for then, now in zip(before.counts, point.counts, strict=True))
    )
