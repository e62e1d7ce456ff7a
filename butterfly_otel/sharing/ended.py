"""What processes that have ended leave behind: what only grows, added up exactly.

It is as large as the union of their series, which has the limit that each of them had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.engine.sdk_internals import OVERFLOW_ATTRIBUTES
from butterfly_otel.process import timing
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing import exponential
from butterfly_otel.sharing.columns import narrowed
from butterfly_otel.sharing.exact import kept
from butterfly_otel.sharing.gone import GoneFamily
from butterfly_otel.sharing.identity import GROWING, Identity, Layout, is_family, layout_of, parsed
from butterfly_otel.sharing.parted import DEFAULT_LIMIT
from butterfly_otel.sharing.parted import added as histograms_added
from butterfly_otel.sharing.payload import (
    CHUNK,
    Payload,
    PayloadError,
    Record,
    dumps,
    loads,
    packed,
    read,
    text_of,
    write,
)
from butterfly_otel.sharing.states import values_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from butterfly_otel.sharing.modes import Modes

_OVERFLOW = packed(OVERFLOW_ATTRIBUTES)


def fold(ended: bytes | None, dead: Sequence[bytes], modes: Modes) -> bytes:
    """Return what is kept of processes that have ended; never raises because of what they left.

    Args:
        ended: What was kept of those before.
        dead: What each had last, in the order in which they ended.
        modes: How metrics are merged: what is read once a node is not added.
    """
    metrics: dict[Identity, _Gone] = {}
    families: dict[tuple[str, str], GoneFamily] = {}
    for data in (ended, *dead):
        if data is None:
            continue
        try:
            contents = [
                (record, parsed(record.layout), loads(record.values))
                for record in read(data).records
            ]
        except (PayloadError, ValueError) as error:
            log_once(f"totals of a process that has ended are lost: {error}")
            continue
        living: set[Any] = set()
        for record, content, values in contents:
            try:
                if is_family(content):
                    name = (content["family"][0], content["family"][1])
                    family = families.setdefault(name, GoneFamily(content["family"]))
                    family.take(content, values, record.exemplars)
                    continue
                layout = layout_of(content)
                identity = layout.identity
                if identity.kind in GROWING and modes.of(identity) == "sum":
                    dated = modes.time_to_live(identity.name) is not None
                    gone = metrics.setdefault(identity, _Gone(layout, dated=dated))
                    gone.take(layout, values, record.exemplars, living)
            except Exception as error:  # noqa: BLE001 - the other metrics are to be kept
                log_once("totals of a metric of a process that has ended are lost", error=error)
    records = [record for gone in metrics.values() for record in gone.records()]
    records += [record for family in families.values() for record in family.records()]
    return write(Payload(leads=False, records=records))


class _Gone:
    """One metric of processes that have ended.

    Args:
        layout: What the first of them told.
        dated: Whether to keep when each series was there last.
    """

    def __init__(self, layout: Layout, *, dated: bool) -> None:
        self._dated = dated
        self._identity = layout.identity
        self._said = layout
        self._bounds = layout.bounds
        self._limit = layout.limit
        self._non_negative = True
        self._rows: dict[str, dict[str, Any]] = {}
        self._starts: dict[str, int] = {}
        self._stamps: dict[str, int] = {}
        self._states: dict[str, Any] = {}
        self._parted: set[str] = set()
        self._lasts: dict[str, int] = {}
        self._exemplars: dict[str, list[Any]] = {}

    def take(
        self,
        layout: Layout,
        values: Any,  # noqa: ANN401 - of JSON
        exemplars: bytes,
        living: set[Any],
    ) -> None:
        """Add what a process had.

        Args:
            layout: Which series.
            values: What each had.
            exemplars: The exemplars, as JSON.
            living: Which series it had to the end; added to.
        """
        states = self._fitting(layout, _states(self._identity.kind, layout, values))
        self._said = layout
        self._non_negative &= layout.non_negative
        self._limit = layout.limit if self._limit is None else max(self._limit, layout.limit or 0)
        texts = [text_of(row) for row in layout.rows]
        lasts = layout.lasts or [timing.time_ns()] * len(texts)
        for text, row, start, stamp, last, state in zip(
            texts, layout.rows, layout.starts, layout.stamps, lasts, states, strict=True
        ):
            self._lasts[text] = max(last, self._lasts.get(text, last))
            self._rows[text] = row
            self._starts[text] = min(start, self._starts.get(text, start))
            self._stamps[text] = min(stamp, self._stamps.get(text, stamp))
            self._add(text, state)
            # It counts what the latest process did with it.
            if not layout.parted:
                living.add((self._identity, text))
                self._parted.discard(text)
            elif (self._identity, text) not in living:
                self._parted.add(text)
        sampled: list[tuple[int, list[Any]]] = loads(exemplars) if exemplars else []
        for index, found in sampled:
            self._exemplars[texts[index]] = _latest(
                [*self._exemplars.get(texts[index], ()), *found]
            )

    def _fitting(self, layout: Layout, states: list[Any]) -> list[Any]:
        """Return states of the boundaries that all processes have had."""
        if layout.bounds == self._bounds:
            return states
        bounds = tuple(sorted(set(layout.bounds) & set(self._bounds)))
        for text, (counts, *rest) in self._states.items():
            self._states[text] = (narrowed(counts, self._bounds, bounds), *rest)
        self._bounds = bounds
        return [(narrowed(counts, layout.bounds, bounds), *rest) for counts, *rest in states]

    def _add(self, text: str, state: Any) -> None:  # noqa: ANN401
        known = self._states.get(text)
        kind = self._identity.kind
        if known is None:
            self._states[text] = state
        elif kind == "exponential":
            self._states[text] = exponential.added([known, state])
        elif kind == "histogram":
            self._states[text] = histograms_added(known, state)
        else:
            self._states[text] = kept((known, state))

    def records(self) -> Iterator[Record]:
        """Yield what is kept."""
        self._crowd()
        for parted in (False, True):
            texts = [text for text in self._rows if (text in self._parted) == parted]
            for at in range(0, len(texts), CHUNK):
                yield self._record(texts[at : at + CHUNK], parted=parted)

    def _crowd(self) -> None:
        """Let the latest series go into the overflow point where there are too many."""
        limit = self._limit or DEFAULT_LIMIT
        overflow = text_of(_OVERFLOW)
        others = self._rows.keys() - {overflow}
        if len(others) <= limit:
            return
        ordered = sorted(others, key=lambda text: (self._stamps[text], text))
        for text in ordered[limit:]:
            self._rows.setdefault(overflow, _OVERFLOW)
            for known in (self._starts, self._stamps):
                known[overflow] = min(known[text], known.get(overflow, known[text]))
            self._lasts[overflow] = max(self._lasts[text], self._lasts.get(overflow, 0))
            self._add(overflow, self._states.pop(text))
            del self._rows[text], self._starts[text], self._stamps[text], self._lasts[text]
            self._exemplars.pop(text, None)
            self._parted.discard(text)

    def _record(self, texts: list[str], *, parted: bool) -> Record:
        layout = Layout(
            self._identity,
            self._said.description,
            [self._rows[text] for text in texts],
            [self._starts[text] for text in texts],
            [self._stamps[text] for text in texts],
            bounds=self._bounds,
            limit=self._limit,
            non_negative=self._non_negative,
            parted=parted,
            lasts=[self._lasts[text] for text in texts] if self._dated else [],
        )
        sampled = [
            [index, self._exemplars[text]]
            for index, text in enumerate(texts)
            if text in self._exemplars
        ]
        values = values_line(self._identity.kind, [self._states[text] for text in texts], [])
        return Record(layout.line(), values, dumps(sampled) if sampled else b"")


def _states(kind: str, layout: Layout, values: Any) -> list[Any]:  # noqa: ANN401 - of JSON
    """Return what each series of a record has."""
    size = len(layout.rows)
    if kind != "histogram":
        if len(values) != size:
            raise ValueError("a record's series and values are not as many")
        return list(values)
    counts, sums, lows, highs = values
    width = len(layout.bounds) + 1
    if len(counts) != size * width or len(sums) != size:
        raise ValueError("a record's series and values are not as many")
    low = [float("inf")] * size if lows is None else lows
    high = [float("-inf")] * size if highs is None else highs
    return [
        (counts[at * width : at * width + width], sums[at], low[at], high[at]) for at in range(size)
    ]


#: Exemplars of a series that are kept: more than any histogram of the contract has buckets.
_EXEMPLARS = 32


def _latest(found: list[Any]) -> list[Any]:
    """Return the newest exemplars."""
    distinct = {tuple(map(repr, each)): each for each in found}
    newest = sorted(distinct.values(), key=lambda each: each[1], reverse=True)
    return newest[:_EXEMPLARS]
