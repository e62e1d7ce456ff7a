"""Which label values of one metric have a place in their budgets, and for which series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from butterfly_otel.enforcement.text import as_text
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.enforcement.rule import LabelRule, Texts

#: How many series may hold places beside twice the stream's limit.
_SPARE: Final = 1024


#: What is exported; whether the series holds the places until it leaves; keys and values whose
#: places were taken by newer ones; the series that had these.
Taken: TypeAlias = "tuple[Texts, bool, Sequence[tuple[str, str]], Sequence[Texts]]"


class Places:
    """The places of one metric's label values. Thread-safe.

    A value keeps its place while a series that has it is held, however many series there are:
    each value knows its own.

    Args:
        rules: Those of the labels that are kept.
        limit: The stream's limit.
    """

    def __init__(self, rules: Sequence[LabelRule], limit: int) -> None:
        self._rules = rules
        self._numbered = tuple(enumerate(rules))
        self._counted = tuple((at, rule) for at, rule in self._numbered if rule.counted)
        #: How much there may be of whatever is remembered.
        self.most = 2 * limit + _SPARE
        self._held: set[Texts] = set()
        self._lock = forks.rlock()

    @property
    def full(self) -> bool:
        """Whether there may be series that are not held."""
        return len(self._held) >= self.most

    def take(self, texts: Texts, *, hold: bool) -> Taken:
        """Take a place for each value of a series, or what is exported instead.

        Args:
            texts: The values.
            hold: Whether the series is to hold the places.
        """
        with self._lock:
            if texts in self._held:
                return texts, True, (), ()
            evicted: list[tuple[str, str]] = []
            ended: list[Texts] = []
            found = texts
            for at, rule in self._numbered:
                text = texts[at]
                if text in rule.known:
                    continue
                exported, gone = rule.seat(text)
                if exported is not text:
                    found = (*found[:at], exported, *found[at + 1 :])
                if gone is not None:
                    evicted.append((rule.key, gone))
                    ended.extend(rule.series(gone))
            for series in ended:
                self._leave(series)
            held = found in self._held or (hold and self._enter(found))
            return found, held, evicted, ended

    def _enter(self, texts: Texts) -> bool:
        if len(self._held) >= self.most:
            return False
        self._held.add(texts)
        for at, rule in self._counted:
            rule.enter(texts[at], texts)
        return True

    def leave(self, texts: Texts) -> None:
        """Give back the places that no other series holds."""
        with self._lock:
            self._leave(texts)

    def _leave(self, texts: Texts) -> None:
        if texts not in self._held:
            return
        self._held.discard(texts)
        for at, rule in self._counted:
            rule.leave(texts[at], texts)

    def keep(self, series: Sequence[Mapping[str, object]]) -> bool:
        """Give back the places of all values but those of these series; tell if there were any."""
        with self._lock:
            # Each rule is asked, whatever the others say.
            gone = [rule.keep({as_text(each[rule.key]) for each in series}) for rule in self._rules]
        return any(gone)
