"""What one label may hold: its vocabulary, its budget, its default (docs/contract.md, Labels)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.catalog.model import OTHER
from butterfly_otel.enforcement.text import MAX_LENGTH, as_text, label_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from collections.abc import Set as AbstractSet

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.enforcement.violations import Breach, Violations

#: What is wrong with a label, and the text that is told of it.
Note: TypeAlias = "tuple[Breach, str]"
#: A value's text, what is wrong with it, and whether it is the caller's own.
Read: TypeAlias = "tuple[str, tuple[Note, ...], bool]"
#: The exported texts of a series, in the contract's order.
Texts: TypeAlias = "tuple[str, ...]"


class LabelRule:
    """Turns what a caller passes for one label of one metric into what may be exported.

    Its places are taken and given back under the guard's lock; all else is thread-safe.
    Remembers at most as many values as the label's budget has.

    Args:
        label: The label.
        metric: The metric.
        default: The value where the caller gives none; None where one has to be given.
        violations: Told of everything that had to be changed; raises in strict mode.
    """

    __slots__ = (
        "_breaches",
        "_counts",
        "_label",
        "_latest",
        "_left_out",
        "_metric",
        "_plain",
        "_seated",
        "_series",
        "_violations",
        "_vocabulary",
        "default",
        "key",
        "known",
    )

    def __init__(
        self, label: Label, metric: Metric, default: str | None, violations: Violations
    ) -> None:
        self.key = label.key
        self.default = default
        self._label = label
        self._latest = label.keep == "latest"
        self._metric = metric
        self._violations = violations
        self._breaches: dict[str, Breach] = {}
        # What is read where the caller gives no value.
        self._left_out: Read | None = None
        self._vocabulary = frozenset(label.values) if label.kind == "closed" else None
        # Whether any text is a value.
        self._plain = self._vocabulary is None and label.type == "string"
        # The values that have a place, the oldest first.
        self._seated: OrderedDict[str, None] = OrderedDict()
        #: The values that may be exported as they are.
        self.known: Container[str] = self._seated if self._vocabulary is None else self._vocabulary
        # How many series have a value, and where the latest are kept, which.
        self._counts: dict[str, int] = {}
        self._series: dict[str, dict[Texts, None]] = {}

    def read(self, value: object) -> Read:
        """Return a value's text, what is wrong with it, and whether it is the caller's own.

        The text of a label with a vocabulary may be exported; any other needs a place.
        """
        if value is None:
            if self._left_out is None:
                self._left_out = self._read_default()
            return self._left_out
        if type(value) is str and self._plain and len(value) <= MAX_LENGTH and value.isascii():
            # Text as it should be, which nearly all is that is new.
            return value, (), True
        return self._read(value)

    def _read_default(self) -> Read:
        if self.default is None:
            return "", ((self._breach("missing"), ""),), False
        return self._read(self.default) if self.default else ("", (), True)

    def _read(self, value: object) -> Read:
        text, problem = label_text(value)
        notes = () if problem is None else ((self._breach(problem), text),)
        if self._vocabulary is not None and text not in self._vocabulary:
            return OTHER, (*notes, (self._breach("unknown_value"), text)), False
        if self.is_typed and text:
            exported = self.exported(text)
            if isinstance(exported, str):
                return OTHER, (*notes, (self._breach("wrong_type"), text)), False
            # One spelling, however it was given.
            return as_text(exported), notes, False
        # Only strings are the caller's own: 1, True and 1.0 are one dictionary key.
        return text, notes, not notes and isinstance(value, str)

    def over_budget(self, text: str) -> Note:
        """Return what is wrong with a text that has found no place."""
        return self._breach("over_budget"), text

    def seat(self, text: str) -> tuple[str, str | None]:
        """Return what is exported for a text, and whose place it took; needs the guard's lock."""
        if (
            text in self.known
            or text == OTHER
            or (not text and (self._label.default == "empty" or self.default is None))
        ):
            return text, None
        if self._vocabulary is not None:
            # `other`, or nothing where something has to be given.
            return text, None
        evicted: str | None = None
        if len(self._seated) >= self._label.budget:
            if not self._latest:
                return OTHER, None
            evicted = self._seated.popitem(last=False)[0]
        self._seated[text] = None
        return text, evicted

    @property
    def is_typed(self) -> bool:
        """Whether its values leave as something else than texts."""
        return self._label.type != "string"

    def exported(self, text: str) -> object:
        """Return a text as the label's type has it; one that is no such value as it is."""
        try:
            return _CONVERTED[self._label.type](text)
        except (ValueError, KeyError):
            # What stands for all others, and what is left out.
            return text

    @property
    def counted(self) -> bool:
        """Whether values have to find a place."""
        return self._vocabulary is None

    def enter(self, text: str, series: Texts) -> None:
        """Note that a series has a value; needs the guard's lock."""
        counts = self._counts
        counts[text] = counts.get(text, 0) + 1
        if self._latest:
            self._series.setdefault(text, {})[series] = None

    def leave(self, text: str, series: Texts) -> None:
        """Note that a series has ended: the last one gives the value's place back."""
        left = self._counts[text] - 1
        if left:
            self._counts[text] = left
        else:
            del self._counts[text]
            self._seated.pop(text, None)
        if self._latest:
            self._series[text].pop(series)
            if not left:
                del self._series[text]

    def series(self, text: str) -> tuple[Texts, ...]:
        """Return the series that have a value of which the latest are kept; needs the lock."""
        return tuple(self._series.get(text, ()))

    def keep(self, texts: AbstractSet[str]) -> bool:
        """Give back the places of all other values; return whether there were any."""
        gone = self._seated.keys() - texts
        for text in gone:
            del self._seated[text]
        return bool(gone)

    def _breach(self, reason: str) -> Breach:
        breach = self._breaches.get(reason)
        if breach is None:
            # Counted as what it is: a value that the contract does not know.
            counted = "unknown_value" if reason == "wrong_type" else reason
            breach = self._violations.breach(
                self._metric, self.key, counted, lambda text: self._message(reason, text)
            )
            self._breaches[reason] = breach
        return breach

    def _message(self, reason: str, text: str) -> str:
        what = _MESSAGES[reason].format(
            value=_show(text),
            allowed=", ".join(self._label.values),
            budget=self._label.budget,
            type=self._label.type,
        )
        return f"{self._metric.name}: the label {self.key} {what}."


_CONVERTED: Mapping[str, Callable[[str], object]] = {
    "string": str,
    "int": int,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}
_MESSAGES = {
    "missing": "was left out and has no default",
    "too_long": f"is longer than {MAX_LENGTH} characters and was cut to {{value}}",
    "invalid_text": "is not valid text and was changed to {value}",
    "unknown_value": "has the value {value}, which is none of {allowed}",
    "wrong_type": "has the value {value}, which is not of the type {type}",
    "over_budget": "has {value} beyond its budget of {budget} values",
}


def _show(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004 - a line's width
