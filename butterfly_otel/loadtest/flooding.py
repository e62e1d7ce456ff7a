"""Drives one metric beyond its budgets, and counts where everything came out."""

from __future__ import annotations

from math import isnan, nan, prod
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation

from butterfly_otel.loadtest import memory
from butterfly_otel.loadtest.expected import Expected
from butterfly_otel.loadtest.model import Flooded
from butterfly_otel.loadtest.node import Node
from butterfly_otel.loadtest.page import Page
from butterfly_otel.loadtest.scenarios import known, rounds
from butterfly_otel.operate import sizes
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.loadtest.page import Exported
    from butterfly_otel.loadtest.scenarios import Flood, Labels, Round
    from butterfly_otel.views.streams import Stream

_NODE, _ROLE = "load-node-1", "compute"
#: Of so many new label sets one comes with a measurement of the known one, or one that is refused.
_KNOWN_EVERY: Final = 8
_REFUSED_EVERY: Final = 64


def flood_metric(
    stream: Stream, flood: Flood, sets: int, tell: Callable[[int], None] | None = None
) -> Flooded:
    """Offer label sets to one metric, in a pipeline of its own.

    Args:
        stream: The metric.
        flood: Which label sets.
        sets: How many; fewer are offered where there are no more.
        tell: Told how many have been offered, now and then.
    """
    before = memory.resident()
    node = Node([stream], _NODE, _ROLE)
    try:
        observed = stream.metric.observable
        test: _Flooding = _Observed(node, stream) if observed else _Called(node, stream)
        half = None
        for each in rounds(stream, flood, sets):
            test.take(each)
            if tell is not None:
                tell(test.sets)
            if half is None and 2 * test.sets >= sets:
                test.look()
                half = memory.resident()
        test.finish()
        return test.result(flood, before, half)
    finally:
        node.close()


class _Flooding:
    """What both ways of measuring share: the counting."""

    sets: int

    def __init__(self, node: Node, stream: Stream) -> None:
        self.node, self.stream, self.metric = node, stream, stream.metric
        self.expected = Expected(stream, node.node_id, node.node_role)
        self.known = known(self.metric)
        self.sets = self.offered = self.kept = self.overflowed = self.refused = 0
        self.ended = self.calls = self.series = self.samples = 0
        self.seconds = self.page_seconds = 0.0
        self.wrong: list[str] = []
        self.page = Page("")
        self._told = 0

    def take(self, each: Round) -> None:
        """Offer a round."""
        raise NotImplementedError

    def look(self) -> None:
        """Read a page half-way: what that takes is not what more label sets take."""

    def finish(self) -> None:
        """Count what is left to count."""
        raise NotImplementedError

    def render(self) -> str:
        """Return the page, timed."""
        started = timing.perf_counter()
        text = self.node.render()
        self.page_seconds = timing.perf_counter() - started
        return text

    def read(self) -> Exported:
        """Take the page, and hold it against what the contract makes of the same."""
        self.page = Page(self.render())
        found = self.page.exported(self.stream)
        self.series = max(self.series, len(found.series) + (found.overflow is not None))
        self.samples = max(self.samples, found.samples)
        given = {key: value for key, value in self.expected.series.items() if "other" not in key}
        if found.given != given:
            off = {key for key, value in found.given.items() if given.get(key) != value}
            off |= {key for key in given if key not in found.given}
            self.blame(f"{len(off)} known series are not exact, such as {min(off)}")
        if len(found.series) != len(self.expected.series):
            self.blame(f"{len(found.series)} series instead of {len(self.expected.series)}")
        if (found.overflow is None) != (self.expected.overflow is None):
            self.blame("the overflow point is there where it should not be, or is missing")
        told = self.page.violations(self.metric)
        if told != dict(self.expected.violations):
            self.blame(f"violations are {dict(told)} instead of {dict(self.expected.violations)}")
        return found

    def blame(self, what: str) -> None:
        """Note what is wrong; the first few say it."""
        if len(self.wrong) < 4:  # noqa: PLR2004
            self.wrong.append(what)

    def replaced(self, rest: int, found: Exported) -> int:
        """Return how many label sets of a gauge were replaced since this was asked last.

        Each set offered here breaks one label at most, so the labels replaced tell. How many sets
        have gone to the overflow point, which shows the last one alone, nothing tells: the rest,
        which is right where the series are those of the contract.
        """
        told = round(sum(self.page.violations(self.metric).values()))
        since, self._told = told - self._told, told
        return since if found.overflow is None else rest

    def attributes(self, labels: Labels) -> dict[str, str]:
        """Return label values as OpenTelemetry's API takes them."""
        pairs = zip(self.metric.label_keys, labels, strict=True)
        return {key: value for key, value in pairs if value is not None}

    def result(self, flood: Flood, before: int | None, half: int | None) -> Flooded:
        """Return what was found."""
        stream, after = self.stream, memory.resident()
        points = prod(label.seats for label in stream.labels)
        budget = points if points <= stream.limit else stream.limit + 1
        return Flooded(
            metric=self.metric.name,
            flood=flood,
            sets=self.sets,
            offered=self.offered,
            kept=self.kept,
            overflowed=self.overflowed,
            refused=self.refused,
            ended=self.ended,
            series=self.series,
            budget=budget,
            samples=self.samples,
            limit=budget * sizes.samples(stream),
            calls=self.calls,
            seconds=self.seconds,
            memory=memory.grown(before, after),
            late_growth=memory.grown(half, after),
            scrape_seconds=self.page_seconds,
            wrong=tuple(self.wrong),
        )


class _Called(_Flooding):
    """A metric that is measured by calls."""

    def __init__(self, node: Node, stream: Stream) -> None:
        super().__init__(node, stream)
        self._measure = node.measure(self.metric.name)
        self._gauge = self.metric.instrument == "gauge"
        self._last = 0.0
        self._everything = 0
        self._call(self.known)

    def take(self, each: Round) -> None:
        calls: list[tuple[Any, Labels]] = []
        for labels in each.sets:
            self.sets += 1
            calls.append((self._amount(), labels))
            if self.sets % _REFUSED_EVERY == 0:
                calls.append((nan, self.known))
            if self.sets % _KNOWN_EVERY == 0:
                calls.append((self._amount(), self.known))
        self._make(calls)
        if each.ends:
            for labels in each.sets:
                self.node.remove(self.metric.name, labels)
                self.expected.end(labels)

    def look(self) -> None:
        self.read()

    def finish(self) -> None:
        found = self.read()
        self.refused = self.page.refused(self.metric)
        self.ended = round(self.node.ended.get(self.metric.name, 0))
        if not self._gauge:
            self.offered = self._everything
            self.kept = round(sum(found.given.values())) + self.ended
            self.overflowed = round(found.folded)
            return
        # What is set again is one label set, the known one.
        self.offered = self.sets + 1 + self.sets // _REFUSED_EVERY
        self.kept = len(found.given) + self.ended
        self.overflowed = self.replaced(self.sets + 1 - self.kept, found)

    def _amount(self) -> float:
        if not self._gauge:
            return 1
        self._last += 1
        return self._last

    def _call(self, labels: Labels) -> None:
        self._make([(self._amount(), labels)])

    def _make(self, calls: list[tuple[Any, Labels]]) -> None:
        made = [(amount, self.attributes(labels)) for amount, labels in calls]
        measure = self._measure
        started = timing.perf_counter()
        for amount, attributes in made:
            measure(amount, attributes)
        self.seconds += timing.perf_counter() - started
        self.calls += len(made)
        self._everything += len(made)
        for amount, labels in calls:
            if not isnan(amount):
                self.expected.measure(labels, amount)


class _Observed(_Flooding):
    """A metric that callbacks observe: each round is a collection."""

    def __init__(self, node: Node, stream: Stream) -> None:
        super().__init__(node, stream)
        self._now: list[Observation] = []
        self._bad = 0
        self._refused_before = 0
        node.observe(self.metric.name, lambda: self._now)
        self._collect(())

    def take(self, each: Round) -> None:
        self.sets += len(each.sets)
        self._collect(each.sets)

    def finish(self) -> None:
        self._collect(())

    def _collect(self, sets: tuple[Labels, ...]) -> None:
        offered = [self.known, *sets]
        bad = self.sets // _REFUSED_EVERY - self._bad
        self._bad += bad
        self._now = [
            *(Observation(1, self.attributes(labels)) for labels in offered),
            *(Observation(nan, self.attributes(self.known)) for _ in range(bad)),
        ]
        self.expected.begin_collection()
        for labels in offered:
            self.expected.measure(labels, 1)
        found = self.read()
        self.expected.end_collection()
        self.seconds += self.page_seconds
        self.calls += len(self._now)
        refused = self.page.refused(self.metric)
        self.offered += len(self._now)
        self.kept += len(found.given)
        self.refused += refused - self._refused_before
        self._refused_before = refused
        self.overflowed += self.replaced(len(offered) - len(found.given), found)
