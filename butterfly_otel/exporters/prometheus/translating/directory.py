"""Which streams there are, under which names, and which of them may be exposed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.exporters.prometheus.model.labels import constant_labels, scope_labels_of
from butterfly_otel.exporters.prometheus.model.names import unit_words
from butterfly_otel.exporters.prometheus.model.text import clean, clean_name
from butterfly_otel.exporters.prometheus.translating.conflicts import Ledger
from butterfly_otel.exporters.prometheus.translating.streams import Labelling, Stream
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from butterfly_otel.exporters.prometheus.model.families import FamilyType
    from butterfly_otel.exporters.prometheus.model.labels import Constants
    from butterfly_otel.exporters.prometheus.model.names import MetricKind, Naming
    from butterfly_otel.exporters.prometheus.model.problems import Problems

#: Which (scope name, metric name) keep their exact names.
Verbatim: TypeAlias = "Callable[[str, str], bool] | Collection[tuple[str, str]]"

TARGET_INFO = "target_info"
TARGET_HELP = "Target metadata"

_Key = tuple[str, str, str, str]
_TYPES: dict[MetricKind, FamilyType] = {
    "counter": "counter",
    "up_down_counter": "gauge",
    "gauge": "gauge",
    "histogram": "histogram",
    "exponential": "histogram",
}


class Scope(NamedTuple):
    """An instrumentation scope, the labels it gives its metrics, and their streams."""

    scope: InstrumentationScope
    name: str
    constants: Constants
    exact_constants: Constants
    streams: dict[_Key, Stream]


class Directory:
    """The streams of the last collection. Not thread-safe.

    Args:
        naming: How metrics and labels are named.
        verbatim: Which metrics keep their exact names.
        scope_labels: Whether the other metrics carry ``otel_scope_*`` labels.
        resource_labels: Which resource attributes every metric carries as labels.
        created: Whether OpenMetrics shows ``_created`` of the metrics that aren't verbatim.
        problems: Where what is left out is reported.
    """

    def __init__(
        self,
        naming: Naming,
        *,
        verbatim: Verbatim | None,
        scope_labels: bool,
        resource_labels: Callable[[str], bool] | None,
        created: bool,
        problems: Problems,
    ) -> None:
        self._naming = naming
        self._verbatim = _predicate(verbatim)
        self._scope_labels = scope_labels
        self._resource_labels = resource_labels
        self._created = created
        self._problems = problems
        self._ledger = Ledger(problems)
        self._scopes: dict[InstrumentationScope, Scope] = {}
        self._resource: Resource | None = None
        self._has_target = False
        self._grown = False

    def restart(self, resource: Resource | None, *, has_target: bool) -> None:
        """Forget every stream, because the resource is another one."""
        self._resource = resource
        self._has_target = has_target
        self._scopes.clear()

    def scope(self, scope: InstrumentationScope) -> Scope:
        """Return what is known of a scope."""
        known = self._scopes.get(scope)
        if known is None:
            resource = constant_labels(self._resource, self._resource_labels)
            labels = scope_labels_of(scope, self._naming) if self._scope_labels else ()
            known = Scope(scope, scope.name or "", (*resource, *labels), resource, {})
            self._scopes[scope] = known
        return known

    def stream(self, scope: Scope, metric: Metric, kind: MetricKind) -> Stream:
        """Return a metric's stream."""
        key = (metric.name, metric.unit or "", metric.description or "", kind)
        stream = scope.streams.get(key)
        if stream is None:
            stream = self._new_stream(scope, metric, kind)
            scope.streams[key] = stream
            self._grown = True
        return stream

    def settle(self, present: set[Stream]) -> None:
        """Forget the streams that aren't ``present``, and hand out names where need be.

        Verbatim metrics come first, so that nothing can take a name of the contract away, nor
        add series to it that nobody has checked; then those that every format can show, and
        those that had their names before, so that none flickers.
        """
        streams = [stream for scope in self._scopes.values() for stream in scope.streams.values()]
        if not self._grown and len(streams) == len(present):
            return
        self._grown = False
        for scope, known in list(self._scopes.items()):
            for key, stream in list(known.streams.items()):
                if stream not in present:
                    del known.streams[key]
            if not known.streams:
                del self._scopes[scope]
        self._ledger.reset()
        if self._has_target:
            self._ledger.admit(TARGET_INFO, "info", TARGET_HELP, "")
        left = [stream for stream in streams if stream in present]
        exact = {stream.name for stream in left if stream.exact}
        _agree_on_types(left)
        for stream in sorted(left, key=_precedence):
            if stream.name in exact and not stream.exact:
                stream.accepted = False
                self._report_intruder(stream.name)
                continue
            stream.accepted = self._ledger.admit(stream.name, stream.type, stream.help, stream.unit)

    def _report_intruder(self, name: str) -> None:
        self._problems.report(
            "name_clash",
            name,
            "Metric %s of another meter is not exposed: its name belongs to an exact one",
        )

    def comments(self, stream: Stream) -> tuple[str, str]:
        """Return the HELP text and the unit of an accepted stream's family."""
        return self._ledger.comments(stream.name)

    def _new_stream(self, scope: Scope, metric: Metric, kind: MetricKind) -> Stream:
        name, unit = clean_name(metric.name), clean(metric.unit or "")
        exact = self._verbatim(scope.name, metric.name)
        labelled = self._scope_labels and not exact
        return Stream(
            self._naming.exact(name) if exact else self._naming.metric(name, unit, kind),
            _TYPES[kind],
            kind=kind,
            exact=exact,
            help_text=clean(metric.description or ""),
            # A name of the contract may say so itself; no other gets the word.
            unit="ratio" if exact and kind == "gauge" and unit == "1" else unit_words(unit),
            labelling=Labelling(
                scope.scope,
                scope.exact_constants if exact else scope.constants,
                () if labelled else scope_labels_of(scope.scope, self._naming),
                self._naming,
            ),
            created=self._created and not exact,
        )


def _precedence(stream: Stream) -> tuple[bool, bool, bool]:
    return not stream.exact, stream.kind == "exponential", not stream.accepted


def _agree_on_types(streams: Iterable[Stream]) -> None:
    """Let sums that share a name be of one type: together they may fall where one of them may."""
    falling = {each.name for each in streams if each.kind == "up_down_counter"}
    for stream in streams:
        if stream.kind == "counter":
            stream.type = "gauge" if stream.name in falling and not stream.exact else "counter"


def _predicate(verbatim: Verbatim | None) -> Callable[[str, str], bool]:
    if verbatim is None:
        return lambda _scope, _name: False
    if callable(verbatim):
        return verbatim
    chosen = frozenset(verbatim)
    return lambda scope, name: (scope, name) in chosen
