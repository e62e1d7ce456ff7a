"""Label enforcement: vocabularies, budgets, defaults (docs/contract.md, Labels)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from butterfly_otel.catalog.model import OTHER
from butterfly_otel.enforcement.text import MAX_LENGTH, label_text
from butterfly_otel.process import forks
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.enforcement.violations import Violations
    from butterfly_otel.views.streams import Stream


#: What was admitted, by the keys and values that were given.
_Admitted: TypeAlias = "dict[tuple[tuple[str, object], ...], Mapping[str, str]]"


@dataclass(frozen=True, slots=True)
class Identity:
    """The node this process is: the default of the labels that name it."""

    node_id: str
    node_role: str


class LabelGuard:
    """Turns what a caller passes for one metric's labels into what may be exported.

    The result always has exactly the stream's label keys, in the contract's order.
    Thread-safe. Memory is bounded by the labels' budgets, whatever is passed.

    Args:
        stream: The metric and the labels that are kept of it.
        identity: Where defaults come from.
        violations: Told of everything that had to be changed; raises in strict mode.
        on_evict: Called with a label key and a value whose place was taken by a newer one
            (labels with ``keep="latest"``), so that its series can be removed.
    """

    def __init__(
        self,
        stream: Stream,
        identity: Identity,
        violations: Violations,
        on_evict: Callable[[str, str], None] = lambda _key, _value: None,
    ) -> None:
        self._metric = stream.metric
        self._keys = stream.metric.label_keys
        self._most = stream.metric.stream_limit
        self._known = frozenset(self._keys)
        self._violations = violations
        self._on_evict = on_evict
        kept = set(stream.labels)
        self._rules = tuple(
            _Rule(label, stream.metric, identity, violations, self._evicted)
            if label in kept
            else None
            for label in stream.metric.labels
        )
        # Mappings that were admitted unchanged; replaced whenever a value loses its place, so
        # that who is just admitting one cannot put it into what counts from then on.
        self._admitted: _Admitted = {}

    def admit(self, values: Sequence[object]) -> tuple[dict[str, str], bool]:
        """Return the attributes for label values in the contract's order.

        ``None`` means that the caller gave no value. The flag tells whether the values
        were admitted unchanged, defaults aside; only then may the result be cached.

        Raises:
            LabelError: In strict mode, when a value breaks the contract.
        """
        attributes: dict[str, str] = {}
        clean = True
        for rule, value in zip(self._rules, values, strict=True):
            if rule is not None:
                text, unchanged = rule.admit(value)
                attributes[rule.key] = text
                clean = clean and unchanged
        return attributes, clean

    def resolve(self, values: Sequence[object]) -> dict[str, str]:
        """Return the attributes of the series these values name, without any effect."""
        return {
            rule.key: rule.resolve(value)
            for rule, value in zip(self._rules, values, strict=True)
            if rule is not None
        }

    def release(self, attributes: Mapping[str, str], series: Iterable[Mapping[str, str]]) -> None:
        """Give back the places of values that no series has any more.

        Args:
            attributes: Those of the series that were removed.
            series: The attributes of all that are left.
        """
        left = list(series)
        for rule in self._rules:
            if rule is not None and not any(
                each.get(rule.key) == attributes.get(rule.key) for each in left
            ):
                rule.release(attributes[rule.key])
        self._admitted = {}

    def keep(self, series: Sequence[Mapping[str, str]]) -> None:
        """Give back the places of values that none of these series has.

        Args:
            series: The attributes of all that are left, as they were admitted.
        """
        gone = False
        for rule in self._rules:
            if rule is not None and rule.keep({each[rule.key] for each in series}):
                gone = True
        if gone:
            self._admitted = {}

    def _evicted(self, key: str, value: str) -> None:
        self._admitted = {}
        self._on_evict(key, value)

    def admit_mapping(self, attributes: Mapping[str, object] | None) -> Mapping[str, str]:
        """Return the attributes for a mapping, as OpenTelemetry's own API passes it.

        The same ones for the same mapping, where nothing had to be changed: callers and
        callbacks give the same series again and again.

        Raises:
            LabelError: In strict mode, when a key or value breaks the contract.
        """
        known = self._admitted
        key: Any = None
        try:
            key = tuple(attributes.items()) if attributes else ()
            admitted = known.get(key)
        except Exception:  # noqa: BLE001 - a mapping that does anything, an unhashable value
            return self._admit_mapping(attributes)[0]
        if admitted is None:
            admitted, clean = self._admit_mapping(attributes)
            if clean and len(known) < self._most:
                known[key] = admitted
        return admitted

    def _admit_mapping(
        self, attributes: Mapping[str, object] | None
    ) -> tuple[dict[str, str], bool]:
        """Check a mapping; tell whether nothing had to be changed, as :meth:`admit`."""
        given, known = self._readable(attributes)
        for key in given:
            if key not in self._known:
                known = False
                self._violations.label(
                    self._metric,
                    label_text(key)[0],
                    "unknown_label",
                    f"{self._metric.name} has no label {key!r}; it has"
                    f" {', '.join(self._keys) or 'none'}.",
                )
        admitted, clean = self.admit([given.get(key) for key in self._keys])
        return admitted, clean and known

    def _readable(
        self, attributes: Mapping[str, object] | None
    ) -> tuple[Mapping[str, object], bool]:
        """Return attributes as a dict, and whether they are any: callers may pass anything."""
        if attributes is None:
            return {}, True
        # What is in a plain dict can always be read.
        plain: object = type(attributes)
        if plain is dict:
            return attributes, True
        try:
            return dict(attributes.items()), True
        except Exception:  # noqa: BLE001 - a mapping of the caller's own, or none
            kind = type(attributes).__name__
            self._violations.label(
                self._metric,
                kind,
                "unknown_label",
                f"{self._metric.name}: {shown(attributes)} is no mapping of labels to values.",
            )
            return {}, False


class _Rule:
    """One label of one metric."""

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
        identity: Identity,
        violations: Violations,
        on_evict: Callable[[str, str], None],
    ) -> None:
        self.key = label.key
        self._label = label
        self._metric = metric
        self._violations = violations
        self._evict = on_evict
        self._default = _default(label, identity)
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


def _default(label: Label, identity: Identity) -> str | None:
    if label.default == "node_id":
        return identity.node_id
    if label.default == "node_role":
        return identity.node_role
    return "" if label.default == "empty" else None


def _show(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004 - a line's width
