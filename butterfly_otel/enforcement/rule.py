"""What one label may hold: its vocabulary, its budget, its default (docs/contract.md, Labels)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import OTHER
from butterfly_otel.enforcement.text import MAX_LENGTH, label_text
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.enforcement.violations import Violations


class LabelRule:
    """Turns what a caller passes for one label of one metric into what may be exported.

    Thread-safe. Remembers at most as many values as the label's budget has.

    Args:
        label: The label.
        metric: The metric.
        default: The value where the caller gives none; None where one has to be given.
        violations: Told of everything that had to be changed; raises in strict mode.
        on_evict: Called with the label's key and a value whose place was taken by a newer one.
    """

    __slots__ = (
        "_default",
        "_evict",
        "_label",
        "_lock",
        "_metric",
        "_seen",
        "_violations",
        "_vocabulary",
        "key",
    )

    def __init__(
        self,
        label: Label,
        metric: Metric,
        default: str | None,
        violations: Violations,
        on_evict: Callable[[str, str], None],
    ) -> None:
        self.key = label.key
        self._label = label
        self._metric = metric
        self._violations = violations
        self._evict = on_evict
        self._default = default
        self._vocabulary = frozenset(label.values) if label.kind == "closed" else None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = forks.lock()

    def admit(self, value: object) -> tuple[str, bool]:
        """Return the value to export, and whether it is the caller's own."""
        if value is None:
            if self._default is None:
                self._report("missing", "was left out and has no default")
                return "", False
            value = self._default
            if not value:
                return "", True
        text, problem = label_text(value)
        if problem is not None:
            self._report(problem, _PROBLEMS[problem].format(value=_show(text)))
        admitted = self._in_vocabulary(text) if self._vocabulary is not None else self._seat(text)
        # Only strings are cached: 1, True and 1.0 are one dictionary key.
        return admitted, problem is None and admitted == text and isinstance(value, str)

    def resolve(self, value: object) -> str:
        """Return what a series has for a value."""
        if value is None:
            return self._default or ""
        text, _ = label_text(value)
        if self._vocabulary is not None and text not in self._vocabulary:
            return OTHER
        return text

    def release(self, text: str) -> None:
        """Give a value's place back."""
        with self._lock:
            self._seen.pop(text, None)

    def keep(self, texts: AbstractSet[str]) -> bool:
        """Give back the places of all other values; return whether there were any."""
        with self._lock:
            gone = self._seen.keys() - texts
            for text in gone:
                del self._seen[text]
        return bool(gone)

    def _in_vocabulary(self, text: str) -> str:
        assert self._vocabulary is not None  # noqa: S101 - for the type checker
        if text in self._vocabulary:
            return text
        allowed = ", ".join(self._label.values)
        self._report("unknown_value", f"has the value {_show(text)}, which is none of {allowed}")
        return OTHER

    def _seat(self, text: str) -> str:
        """Return ``text`` if the label's budget has or finds a place for it."""
        if text in self._seen or (not text and self._label.default == "empty"):
            return text
        with self._lock:
            seated, evicted = self._take_seat(text)
        if evicted is not None:
            self._evict(self.key, evicted)
        if not seated:
            budget = self._label.budget
            self._report("over_budget", f"has {_show(text)} beyond its budget of {budget} values")
            return OTHER
        return text

    def _take_seat(self, text: str) -> tuple[bool, str | None]:
        """Return whether ``text`` has a seat, and whose seat it took. Needs the lock."""
        if text in self._seen:
            return True, None
        evicted: str | None = None
        if len(self._seen) >= self._label.budget:
            if self._label.keep == "first":
                return False, None
            evicted = self._seen.popitem(last=False)[0]
        self._seen[text] = None
        return True, evicted

    def _report(self, reason: str, what: str) -> None:
        message = f"{self._metric.name}: the label {self.key} {what}."
        self._violations.label(self._metric, self.key, reason, message)


_PROBLEMS = {
    "too_long": f"is longer than {MAX_LENGTH} characters and was cut to {{value}}",
    "invalid_text": "is not valid text and was changed to {value}",
}


def _show(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004 - a line's width
