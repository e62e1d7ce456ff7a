"""Label enforcement: vocabularies, budgets, defaults (docs/contract.md, Labels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from butterfly_otel.enforcement.rule import LabelRule
from butterfly_otel.enforcement.text import MAX_LENGTH, label_text
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from butterfly_otel.catalog.model import Label
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
            LabelRule(label, stream.metric, _default(label, identity), violations, self._evicted)
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
        key: tuple[Any, ...] = ()
        try:
            if attributes is not None:
                key = tuple(attributes.items())
            admitted = known.get(key)
        except Exception:  # noqa: BLE001 - a mapping that does anything, an unhashable value
            return self._admit_mapping(attributes)[0]
        if admitted is None:
            admitted, clean = self._admit_mapping(attributes)
            if clean and len(known) < self._most and all(map(_small, key)):
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
                    f"{self._metric.name} has no label {shown(key)}; it has"
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


def _small(item: tuple[str, object]) -> bool:
    """Tell whether a pair may be remembered: what is given for a dropped label may be anything."""
    value = item[1]
    return value is None or (type(value) is str and len(value) <= MAX_LENGTH)


def _default(label: Label, identity: Identity) -> str | None:
    if label.default == "node_id":
        return identity.node_id
    if label.default == "node_role":
        return identity.node_role
    return "" if label.default == "empty" else None
