"""What the contract makes of label sets, written a second time and as simply as can be.

Budgets, vocabularies and limits by their description in ``docs/contract.md``, without anything of
``enforcement`` or ``engine``: what these export is held against it, series by series.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.catalog.model import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.catalog.model import Label
    from butterfly_otel.loadtest.scenarios import Labels
    from butterfly_otel.views.streams import Stream

#: Exported label values, in the contract's order.
Series: TypeAlias = "tuple[str, ...]"


class Expected:
    """One metric of one node, as the contract has it.

    Its memory is bounded by the budgets. Not thread-safe.

    Args:
        stream: The metric.
        node_id: What the node's own labels are by default.
        node_role: Likewise.

    Attributes:
        series: The value of each series that is exported.
        overflow: Likewise of OpenTelemetry's overflow point; None where there is none.
        violations: Labels that had to be replaced, by key and reason.
        ended: What the series had that have ended, and how many they were.
    """

    def __init__(self, stream: Stream, node_id: str, node_role: str) -> None:
        metric = stream.metric
        self._adds = metric.type == "histogram" or metric.instrument in {
            "counter",
            "up_down_counter",
        }
        self._limit = stream.limit
        kept = {label.key for label in stream.labels}
        self._rules = tuple(
            _Rule(label, {"node_id": node_id, "node_role": node_role, "empty": ""})
            if label.key in kept
            else None
            for label in metric.labels
        )
        self._kept = tuple(rule for rule in self._rules if rule is not None)
        self.series: dict[Series, float] = {}
        self.overflow: float | None = None
        self.violations: Counter[tuple[str, str]] = Counter()
        self.ended = 0.0
        self.ended_series = 0

    def measure(self, labels: Labels, amount: float) -> None:
        """Take a measurement."""
        found: list[str] = []
        for rule, value in zip(self._rules, labels, strict=True):
            if rule is None:
                continue
            text, reason, gone = rule.admit(value)
            found.append(text)
            if reason is not None:
                self.violations[rule.key, reason] += 1
            if gone is not None:
                at = len(found) - 1
                self._end([each for each in self.series if each[at] == gone])
        self._add(tuple(found), amount)

    def end(self, labels: Labels) -> None:
        """End a series that was exported as it was given."""
        pairs = zip(self._rules, labels, strict=True)
        self._end([tuple(rule.text(value) for rule, value in pairs if rule is not None)])

    def begin_collection(self) -> None:
        """Begin a round of observations: what is not observed again is not exported."""
        self.series, self.overflow = {}, None

    def end_collection(self) -> None:
        """Give back the places of values that nobody observed."""
        for at, rule in enumerate(self._kept):
            # What went to the overflow point has its places as well, and is let go with them.
            rule.keep({each[at] for each in self.series})

    def _add(self, series: Series, amount: float) -> None:
        before = self.series.get(series)
        if before is not None:
            self.series[series] = before + amount if self._adds else amount
        elif len(self.series) < self._limit:
            self.series[series] = amount
            for rule, text in zip(self._kept, series, strict=True):
                rule.used[text] += 1
        elif self._adds:
            self.overflow = (self.overflow or 0) + amount
        else:
            self.overflow = amount

    def _end(self, ended: Iterable[Series]) -> None:
        for each in ended:
            value = self.series.pop(each, None)
            if value is None:
                continue
            self.ended += value
            self.ended_series += 1
            for rule, text in zip(self._kept, each, strict=True):
                rule.leave(text)


class _Rule:
    """One label: its vocabulary, or the values that have a place."""

    def __init__(self, label: Label, defaults: dict[str, str]) -> None:
        self.key = label.key
        self._label = label
        self._default = defaults.get(label.default or "")
        self._places: dict[str, None] = {}
        self.used: Counter[str] = Counter()

    def text(self, value: str | None) -> str:
        """Return what stands for a value that the caller left out."""
        return (self._default or "") if value is None else value

    def admit(self, value: str | None) -> tuple[str, str | None, str | None]:
        """Return what is exported, what was wrong, and whose place was taken."""
        text, label = self.text(value), self._label
        if label.kind == "closed":
            if text in label.values:
                return text, None, None
            return OTHER, "unknown_value", None
        if text in self._places or (not text and label.default == "empty"):
            return text, None, None
        gone = None
        if len(self._places) >= label.budget:
            if label.keep != "latest":
                return OTHER, "over_budget", None
            gone = next(iter(self._places))
            del self._places[gone]
        self._places[text] = None
        return text, None, gone

    def leave(self, text: str) -> None:
        """Give a place back with the last series that has the value."""
        self.used[text] -= 1
        if not self.used[text]:
            del self.used[text]
            self._places.pop(text, None)

    def keep(self, texts: set[str]) -> None:
        """Give back the places of all other values, after a collection."""
        self.used.clear()
        self._places = {each: None for each in self._places if each in texts}
