"""Label enforcement: vocabularies, budgets, defaults (docs/contract.md, Labels)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from butterfly_otel.enforcement.places import Places
from butterfly_otel.enforcement.rule import LabelRule, Note, Texts
from butterfly_otel.enforcement.text import MAX_LENGTH, label_text
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from butterfly_otel.catalog.model import Label
    from butterfly_otel.enforcement.violations import Violations
    from butterfly_otel.views.streams import Stream


#: What was admitted, by the keys that were given and then the values.
_Admitted: TypeAlias = "dict[tuple[object, ...], Mapping[str, Any]]"


class Identity(NamedTuple):
    """The node this process is: the default of the labels that name it."""

    node_id: str
    node_role: str


#: What may be exported of the labels of a measurement: the label values, in the contract's order
#: of the labels that are kept; what had to be changed and is told at each measurement; whether the
#: caller gave these very strings, defaults aside; whether the series keeps the places of its
#: values until it is released: what leads to one that does not must not be remembered.
Verdict: TypeAlias = "tuple[Texts, tuple[Note, ...], bool, bool]"


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
        on_evict: Callable[[str, object], None] = lambda _key, _value: None,
    ) -> None:
        metric = self._metric = stream.metric
        self._keys = metric.label_keys
        self._limit = metric.stream_limit
        self._known = frozenset(self._keys)
        self._violations = violations
        self._on_evict = on_evict
        self._on_end: Callable[[Texts], None] | None = None
        # As narrow as they are in this process.
        kept = {label.key: label for label in stream.labels}
        self._rules = tuple(
            LabelRule(kept[label.key], metric, _default(label, identity), violations)
            if label.key in kept
            else None
            for label in metric.labels
        )
        self._kept = tuple(rule for rule in self._rules if rule is not None)
        self._typed = tuple(
            (at, rule.key, rule) for at, rule in enumerate(self._kept) if rule.is_typed
        )
        #: The keys of the labels that are kept.
        self.keys = tuple(rule.key for rule in self._kept)
        self._places = Places(self._kept, self._limit)
        #: How much there may be of whatever is remembered.
        self.most = self._places.most
        # Mappings that were admitted unchanged, for observations; replaced whenever a value loses
        # its place, so that who is just admitting one cannot put it into what counts from then on.
        self._admitted: _Admitted = {}

    def follow(self, on_end: Callable[[Texts], None]) -> None:
        """Call ``on_end`` with the texts of each held series that is evicted or released."""
        self._on_end = on_end

    def judge(
        self, values: Iterable[object], notes: tuple[Note, ...] = (), *, hold: bool = True
    ) -> Verdict:
        """Return what may be exported of label values, given in the contract's order.

        ``None`` means that the caller gave no value. Nothing is told: that is for who measures.

        Args:
            values: The label values.
            notes: What is wrong already.
            hold: Whether the series is to hold the places of its values from now on.
        """
        given: list[str] = []
        said: dict[int, tuple[Note, ...]] = {}
        unchanged = not notes
        for rule, value in zip(self._rules, values):  # noqa: B905 - it costs
            if rule is None:
                continue
            if type(value) is str and value in rule.known:
                given.append(value)
                continue
            text, wrong, same = rule.read(value)
            unchanged = unchanged and same
            if wrong:
                said[len(given)] = wrong
            given.append(text)
        read = tuple(given)
        texts, held, evicted, ended = self._places.take(read, hold=hold)
        if said or texts != read:
            unchanged = False
            notes += self._notes(read, said, texts)
        if evicted:
            for key, gone in evicted:
                self._evicted(key, gone)
            self._end(ended)
        return texts, notes, unchanged, held

    def _notes(
        self, read: Texts, said: Mapping[int, tuple[Note, ...]], texts: Texts
    ) -> tuple[Note, ...]:
        """Return what is wrong, label by label."""
        notes: tuple[Note, ...] = ()
        for at, rule in enumerate(self._kept):
            if at in said:
                notes += said[at]
            if texts[at] != read[at]:
                notes += (rule.over_budget(read[at]),)
        return notes

    def _evicted(self, key: str, value: str) -> None:
        self._admitted = {}
        # Else whoever follows is told of each series.
        if self._on_end is None or self._places.full:
            self._on_evict(key, self._exported(key, value))

    @property
    def is_typed(self) -> bool:
        """Whether a label has values that are not texts."""
        return bool(self._typed)

    def _exported(self, key: str, text: str) -> object:
        return next((rule.exported(text) for _, each, rule in self._typed if each == key), text)

    def _end(self, ended: Sequence[Texts]) -> None:
        if self._on_end is not None:
            for texts in ended:
                self._on_end(texts)

    def admit(self, values: Sequence[object]) -> tuple[dict[str, Any], bool]:
        """Return the attributes for label values in the contract's order, and tell what is wrong.

        ``None`` means that the caller gave no value. The flag tells whether the values
        were admitted unchanged, defaults aside; only then may the result be cached.

        Raises:
            LabelError: In strict mode, when a value breaks the contract.
        """
        return self._told(self.judge(values, hold=False))

    def _told(self, verdict: Verdict) -> tuple[dict[str, Any], bool]:
        texts, notes, unchanged, _ = verdict
        for breach, text in notes:
            breach.tell(text)
        return self.attributes(texts), unchanged

    def attributes(self, texts: Texts) -> dict[str, Any]:
        """Return the attributes of a series: texts, but for labels of another type."""
        found: dict[str, Any] = dict(zip(self.keys, texts))  # noqa: B905 - it costs
        for at, key, rule in self._typed:
            found[key] = rule.exported(texts[at])
        return found

    def resolve(self, values: Sequence[object]) -> Texts:
        """Return the texts of the series these values name, without any effect."""
        return tuple(
            [
                value if type(value) is str and value in rule.known else rule.read(value)[0]
                for rule, value in zip(self._rules, values, strict=True)
                if rule is not None
            ]
        )

    def release(self, texts: Texts) -> None:
        """End a series: the values that no other holds give their places back."""
        self._places.leave(texts)
        self._admitted = {}
        self._end((texts,))

    def spellings(self, texts: Texts) -> list[tuple[str | None, ...]] | None:
        """Return the label values, in the contract's order, that lead to a series unchanged.

        None where there is no end of them, because a label that is dropped may be given anything,
        and a number in several spellings.
        """
        if len(self._kept) < len(self._rules) or self._typed:
            return None
        choices = [
            (text, None) if text == rule.default else (text,)
            for rule, text in zip(self._kept, texts, strict=True)
        ]
        return list(product(*choices))

    def keep(self, series: Sequence[Mapping[str, object]]) -> None:
        """Give back the places of values that none of these series has.

        Args:
            series: The attributes of all that are left, as they were admitted.
        """
        if self._places.keep(series):
            self._admitted = {}

    def admit_mapping(self, attributes: Mapping[str, object] | None) -> Mapping[str, Any]:
        """Return the attributes for a mapping, as a callback passes it, and tell what is wrong.

        The same ones for the same mapping, where nothing had to be changed: callbacks give the
        same series again and again.

        Raises:
            LabelError: In strict mode, when a key or value breaks the contract.
        """
        known = self._admitted
        given: dict[str, object]
        try:
            # A callback passes what it likes.
            kind: object = type(attributes)
            if kind is dict:
                given = cast("dict[str, object]", attributes)
            else:
                given = {} if attributes is None else dict(attributes.items())
            key: tuple[object, ...] = (*given, *given.values())
            admitted = known.get(key)
        except Exception:  # noqa: BLE001 - a mapping that does anything, an unhashable value
            return self._told(self.judge_mapping(attributes, hold=False))[0]
        if admitted is None:
            admitted, clean = self._told(self.judge_mapping(given, hold=False))
            if clean and len(known) < self._limit and all(map(_small, given.values())):
                known[key] = admitted
        return admitted

    def judge_mapping(
        self, attributes: Mapping[str, object] | None, *, hold: bool = True
    ) -> Verdict:
        """Return the same as :meth:`judge`, for a mapping of whatever OpenTelemetry's API is given.

        Never raises because of what it is passed.
        """
        given, notes = self._readable(attributes)
        for key in given:
            if key not in self._known:
                text = label_text(key)[0]
                breach = self._violations.breach(
                    self._metric, text, "unknown_label", self._say_unknown
                )
                notes = (*notes, (breach, text))
        return self.judge([given.get(key) for key in self._keys], notes, hold=hold)

    def _say_unknown(self, key: str) -> str:
        return (
            f"{self._metric.name} has no label {shown(key)}; it has"
            f" {', '.join(self._keys) or 'none'}."
        )

    def _readable(
        self, attributes: Mapping[str, object] | None
    ) -> tuple[Mapping[str, object], tuple[Note, ...]]:
        """Return attributes as a dict, and what is wrong with them: callers may pass anything."""
        if attributes is None:
            return {}, ()
        # What is in a plain dict can always be read.
        plain: object = type(attributes)
        if plain is dict:
            return attributes, ()
        try:
            return dict(attributes.items()), ()
        except Exception:  # noqa: BLE001 - a mapping of the caller's own, or none
            kind = type(attributes).__name__
            breach = self._violations.breach(
                self._metric, kind, "unknown_label", self._say_unreadable
            )
            return {}, ((breach, shown(attributes)),)

    def _say_unreadable(self, what: str) -> str:
        return f"{self._metric.name}: {what} is not a mapping of labels to values."


def _small(value: object) -> bool:
    """Tell whether a value may be remembered: what is given for a dropped label may be anything."""
    return value is None or (type(value) is str and len(value) <= MAX_LENGTH)


def _default(label: Label, identity: Identity) -> str | None:
    if label.default == "node_id":
        return identity.node_id
    if label.default == "node_role":
        return identity.node_role
    return "" if label.default == "empty" else None
