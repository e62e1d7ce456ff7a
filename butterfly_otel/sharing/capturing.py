"""From a collection of this process to records, of which those that have not changed are kept."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from butterfly_otel.process import timing
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.identity import GROWING, Identity, Layout
from butterfly_otel.sharing.parted import Part, Parted
from butterfly_otel.sharing.payload import CHUNK, Record, dumps, packed, text_of
from butterfly_otel.sharing.points import (
    attributes_of,
    exemplars_of,
    found_in,
    kind_of,
    same,
)
from butterfly_otel.sharing.states import changed, values_line

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricsData
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from butterfly_otel.sharing.points import Found


class Capture:
    """Makes records of each collection and remembers what repeats. Not thread-safe.

    To be made anew in a forked child, which has measured nothing yet.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[Any, ...], Stream] = {}
        self._scopes: dict[InstrumentationScope, str] = {}

    def records(self, data: MetricsData | None) -> list[Record]:
        """Return the records of a collection; what of it can't be told is told once."""
        now = timing.time_ns()
        met: set[tuple[Any, ...]] = set()
        records: list[Record] = []
        for resource_metrics in data.resource_metrics if data is not None else ():
            for scope_metrics in resource_metrics.scope_metrics:
                scope = self._scope(scope_metrics.scope)
                for metric in scope_metrics.metrics:
                    records += self._metric(scope, metric, now, met)
        for key in self._streams.keys() - met:
            # Observed by nobody this time, or its callback was late: its totals have left.
            departed = self._streams[key].rest()
            records += departed
            if not departed:
                del self._streams[key]
        return records

    def _metric(
        self, scope: str, metric: Metric, now: int, met: set[tuple[Any, ...]]
    ) -> list[Record]:
        records: list[Record] = []
        try:
            kind = kind_of(metric)
            identity = Identity(scope, metric.name, metric.unit or "", kind)
            for found in found_in(metric, kind):
                key: tuple[Any, ...] = (identity, found.bounds)
                while key in met:
                    # Several of one identity, told apart by their order alone.
                    key = (*key, None)
                met.add(key)
                stream = self._streams.get(key)
                if stream is None:
                    stream = self._streams[key] = Stream(identity)
                records += stream.records(metric, found, now)
        except Exception as error:  # noqa: BLE001 - the others are to be told
            log_once(f"the metric {metric.name} can't be shared with other processes", error=error)
        return records

    def _scope(self, scope: InstrumentationScope) -> str:
        known = self._scopes.get(scope)
        if known is None:
            parts = [scope.name, scope.version, scope.schema_url]
            known = dumps([*parts, packed(scope.attributes or {})]).decode()
            self._scopes[scope] = known
        return known


class _Chunk:
    """Some series of the last collection, and the line that says which they are."""

    __slots__ = ("holders", "line", "starts", "states", "texts", "times", "values")

    def __init__(
        self, holders: list[Any], starts: list[int], texts: list[str], line: bytes
    ) -> None:
        self.holders = holders
        self.starts = starts
        self.texts = texts
        self.line = line
        self.states: list[Any] = []
        #: Of gauges, when each was seen to change.
        self.times: list[int] = []
        self.values = b""


class Stream:
    """One metric between collections."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._growing = identity.kind in GROWING
        self._chunks: list[_Chunk] = []
        self._stamps: dict[str, int] = {}
        self._parted = Parted()
        self._parted_records: tuple[int, list[Record]] = (0, [])
        # By the holder's id and the bucket: the newest exemplar, as JSON.
        self._exemplars: dict[int, dict[int, tuple[int, bytes]]] = {}
        self._said: tuple[Any, ...] = ("", (), None, False)

    def records(self, metric: Metric, found: Found, now: int) -> list[Record]:
        """Return the records of what was collected."""
        said = (metric.description or "", found.bounds, found.limit, found.non_negative)
        before, self._chunks = self._chunks, self._split(found, said, now)
        if self._chunks != before:
            self._follow(before, found)
        self._said = said
        self._sample(found)
        self._take(found, before, now)
        return [
            Record(chunk.line, chunk.values, self._exemplars_of(chunk)) for chunk in self._chunks
        ] + self._departed()

    def rest(self) -> list[Record]:
        """Return the records of a collection that has nothing of this metric."""
        if self._chunks:
            before, self._chunks = self._chunks, []
            self._part(before, {})
            self._exemplars.clear()
        return self._departed()

    def _split(self, found: Found, said: tuple[Any, ...], now: int) -> list[_Chunk]:
        """Return the chunks of a collection; those that have not changed are the same."""
        known = self._chunks if said == self._said else []
        chunks: list[_Chunk] = []
        for turn, at in enumerate(range(0, len(found.holders), CHUNK)):
            holders = found.holders[at : at + CHUNK]
            starts = found.starts[at : at + CHUNK]
            chunk = known[turn] if turn < len(known) else None
            if chunk is None or not same(chunk.holders, holders) or chunk.starts != starts:
                chunk = self._chunk(holders, starts, said, now)
            chunks.append(chunk)
        return chunks

    def _chunk(
        self, holders: list[Any], starts: list[int], said: tuple[Any, ...], now: int
    ) -> _Chunk:
        rows = [packed(attributes_of(each)) for each in holders]
        texts = [text_of(row) for row in rows]
        stamps = [self._stamps.setdefault(text, now) for text in texts]
        line = self._layout(rows, starts, stamps, said).line()
        return _Chunk(holders, starts, texts, line)

    def _layout(
        self,
        rows: list[dict[str, Any]],
        starts: list[int],
        stamps: list[int],
        said: tuple[Any, ...],
        *,
        parted: bool = False,
    ) -> Layout:
        description, bounds, limit, non_negative = said
        return Layout(
            *(self._identity, description, rows, starts, stamps),
            bounds=bounds,
            limit=limit,
            non_negative=non_negative,
            parted=parted,
        )

    def _follow(self, before: list[_Chunk], found: Found) -> None:
        """Take notice of which series have left and which have come."""
        present = {
            text: start
            for chunk in self._chunks
            for text, start in zip(chunk.texts, chunk.starts, strict=True)
        }
        self._part(before, present)
        for text in present.keys() & self._parted.parts.keys():
            self._parted.come_back(text, present[text], absolute=found.absolute)
        known = present.keys() | self._parted.parts.keys()
        self._stamps = {text: at for text, at in self._stamps.items() if text in known}
        holders = {id(each) for each in found.holders}
        self._exemplars = {key: each for key, each in self._exemplars.items() if key in holders}

    def _part(self, before: list[_Chunk], present: dict[str, int]) -> None:
        if not self._growing or self._identity.kind == "exponential":
            return
        for chunk in before:
            for text, start, holder, state in zip(
                chunk.texts, chunk.starts, chunk.holders, chunk.states, strict=True
            ):
                if present.get(text) != start:
                    stamp = self._stamps.get(text, start)
                    part = Part(packed(attributes_of(holder)), start, stamp, state)
                    self._parted.leave(text, part, self._said[2])

    def _departed(self) -> list[Record]:
        version, records = self._parted_records
        if version != self._parted.version:
            parts = list(self._parted.parts.values())
            records = [
                Record(
                    self._layout(
                        [part.row for part in some],
                        [part.start for part in some],
                        [part.stamp for part in some],
                        self._said,
                        parted=True,
                    ).line(),
                    values_line(self._identity.kind, [part.state for part in some], []),
                )
                for some in (parts[at : at + CHUNK] for at in range(0, len(parts), CHUNK))
            ]
            self._parted_records = (self._parted.version, records)
        return records

    def _take(self, found: Found, before: list[_Chunk], now: int) -> None:
        """Take the values in; those of gauges with the time at which each was seen to change."""
        kind = self._identity.kind
        earlier: dict[str, tuple[Any, int]] = {}
        if kind == "gauge" and self._chunks != before:
            earlier = {
                text: (state, time)
                for chunk in before
                for text, state, time in zip(chunk.texts, chunk.states, chunk.times, strict=True)
            }
        for turn, chunk in enumerate(self._chunks):
            states = found.states[turn * CHUNK : turn * CHUNK + CHUNK]
            if kind == "gauge":
                if not chunk.times:
                    known = [earlier.get(text, (None, 0)) for text in chunk.texts]
                    chunk.states = [state for state, _ in known]
                    chunk.times = [time for _, time in known]
                chunk.times = changed(chunk.states, states, chunk.times, now)
            chunk.states = states
            chunk.values = values_line(kind, states, chunk.times)

    def _sample(self, found: Found) -> None:
        """Keep the newest exemplar of each series, of a histogram that of each bucket."""
        for index, exemplars in found.exemplars:
            known = self._exemplars.setdefault(id(found.holders[index]), {})
            for each, line in zip(exemplars, exemplars_of(exemplars), strict=True):
                place = bisect_left(found.bounds, each.value)
                if place not in known or known[place][0] <= each.time_unix_nano:
                    known[place] = each.time_unix_nano, dumps(line)

    def _exemplars_of(self, chunk: _Chunk) -> bytes:
        if not self._exemplars:
            return b""
        found = [
            b"[%d,[%b]]" % (index, b",".join(line for _, line in known.values()))
            for index, holder in enumerate(chunk.holders)
            if (known := self._exemplars.get(id(holder)))
        ]
        return b"[" + b",".join(found) + b"]" if found else b""
