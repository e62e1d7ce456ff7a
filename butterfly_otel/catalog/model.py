"""The shape of a contract and its entries: frozen data with a few derived facts, nothing else.

Everything that is rendered (typed handles, Views, the metrics reference, rules) and
everything that is enforced (label keys, vocabularies, budgets, stream limits) is derived
from these classes.

A name in Prometheus' alphabet is exact: it is the same in every pipeline. One with dots, as
OpenTelemetry's own are, is translated for Prometheus by the strategy that is configured.
"""

from __future__ import annotations

import builtins
from keyword import iskeyword
from math import prod
from typing import TYPE_CHECKING, Literal, Protocol

from butterfly_otel.process.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.naming import MetricKind

PrometheusType = Literal["counter", "gauge", "histogram"]
InstrumentKind = Literal[
    "counter",
    "up_down_counter",
    "gauge",
    "histogram",
    "observable_counter",
    "observable_up_down_counter",
    "observable_gauge",
]
LabelKind = Literal["closed", "open", "bounded", "identity", "pair", "unbounded"]
LabelDefault = Literal["node_id", "node_role", "empty"]
#: What the values that several processes of a node have of one series make together: their
#: sum, the largest, the smallest, the one that changed last, one series a process (a label tells
#: them apart), or the one of the process that reads the node's hardware.
Across = Literal["sum", "max", "min", "latest", "each", "node"]
#: What a label's values are in OTLP; a Prometheus label is text anyway.
ValueType = Literal["string", "int", "double", "boolean"]

#: What a value outside a vocabulary or beyond a budget is replaced by.
OTHER = "other"

#: What handles' methods call something else.
_TAKEN = frozenset({"self", "amount", "value", "cells", "cell", "tracing", "index", "counts"})

#: Caps of a stream's cardinality limit (docs/contract.md, Labels).
STREAM_CAP = 5_000
HISTOGRAM_STREAM_CAP = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label of one metric.

    Attributes:
        key: The label's name, as exported.
        kind: ``closed`` (only ``values`` are allowed), ``open`` (``values`` are merely
            known), ``bounded``, ``identity`` (a node), ``pair`` (two node ids, sorted and
            joined by ``_``) or ``unbounded`` (by nature; bounded here by ``budget``).
        help: What a value names, in one sentence.
        values: The vocabulary of a closed label, the known values of an open one.
        budget: How many distinct values one process may use; 0 for closed labels, whose
            vocabulary is the budget.
        default: Where a value comes from when the caller gives none: the node's configured
            id or role, or the empty string by design. None: leaving it out is a violation.
        keep: Which values hold the budget: the ``first`` seen, or the ``latest``, in which
            case the series of older values are removed.
        type: What its values are in OTLP.
    """

    key: str
    kind: LabelKind
    help: str
    values: tuple[str, ...] = ()
    budget: int = 0
    default: LabelDefault | None = None
    keep: Literal["first", "latest"] = "first"
    type: ValueType = "string"

    @property
    def seats(self) -> int:
        """Distinct values this label can export, ``other`` included."""
        return (len(self.values) if self.kind == "closed" else self.budget) + 1

    @property
    def prometheus_key(self) -> str:
        """The label's name in Prometheus."""
        if _is_exact(self.key):
            return self.key
        from butterfly_otel.catalog.naming import escape_label_name  # noqa: PLC0415 - start-up time

        return escape_label_name(self.key)

    @property
    def parameter(self) -> str:
        """The parameter of a handle's methods that takes a value."""
        found = _identifier(self.key)
        return f"{found}_" if found in _TAKEN or hasattr(builtins, found) else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of the contract, or one of the SDK's own.

    Attributes:
        name: The exact name in every pipeline; also the OTel instrument's name.
        type: The Prometheus type, which the name's suffix never decides.
        instrument: The OTel instrument kind.
        why: Why that kind, in one sentence.
        unit: UCUM unit, chosen so that no translation strategy adds a suffix.
        help: The HELP text.
        category: The category of the specification.
        labels: The labels, in the contract's order.
        buckets: Upper bounds of a histogram, ascending, without ``+Inf``.
        query: An example query that parses and tells what it says.
        limit: Cardinality limit of the stream where the budgets' product is not it.
        across: What the values of several processes of one node make together.
        across_why: Why that, in one sentence.
    """

    name: str
    type: PrometheusType
    instrument: InstrumentKind
    why: str
    unit: str
    help: str
    category: str
    query: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    limit: int | None = None
    across: Across = "sum"
    across_why: str = ""

    @property
    def label_keys(self) -> tuple[str, ...]:
        """The label names, in the contract's order."""
        return tuple(label.key for label in self.labels)

    @property
    def handle_name(self) -> str:
        """The attribute of ``butterfly_otel.metrics`` that measures this metric."""
        return self.name.removeprefix("butterfly_")

    @property
    def exact(self) -> bool:
        """Whether the name is the same in every pipeline."""
        return _is_exact(self.name)

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus, by the default translation strategy where it has dots."""
        if self.exact:
            return self.name
        from butterfly_otel.catalog.naming import translated  # noqa: PLC0415 - start-up time

        return translated(self.name, self.unit, self.kind)

    @property
    def kind(self) -> MetricKind:
        """What decides on a suffix of the translated name."""
        if self.instrument in {"up_down_counter", "observable_up_down_counter"}:
            return "up_down_counter"
        return self.type

    @property
    def stream_limit(self) -> int:
        """Cardinality limit of the stream: the product of the label budgets, capped."""
        if self.limit is not None:
            return self.limit
        cap = HISTOGRAM_STREAM_CAP if self.type == "histogram" else STREAM_CAP
        return min(cap, prod(label.seats for label in self.labels))

    @property
    def observable(self) -> bool:
        """Whether values come from callbacks rather than from calls."""
        return self.instrument.startswith("observable_")

    @property
    def monotonic(self) -> bool:
        """Whether the value only ever grows."""
        return self.instrument in {"counter", "observable_counter"}


class Measuring(Protocol):
    """What a contract needs to know of a handle."""

    @property
    def metric(self) -> Metric:
        """The metric that it measures."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A contract: metrics that are defined, measured and checked together.

    Attributes:
        name: What people call it, such as ``butterfly``.
        meter: The name of the OpenTelemetry meter (the scope) on which it is enforced.
        metrics: Its metrics, in the order in which they are shown. One that has the name of a
            metric of Butterfly's contract narrows that.
        prefix: What is taken off the metrics' names to give the names of their handles.
        handles: The handles that measure them, as a rendered module has them; without any,
            its metrics are measured by OpenTelemetry's API alone.
        exceptions: Which lint rule is not asked of which metric, and why: rule, metric, reason.
    """

    name: str
    meter: str
    metrics: tuple[Metric, ...]
    prefix: str = ""
    handles: tuple[Measuring, ...] = ()
    exceptions: tuple[tuple[str, str, str], ...] = ()

    def __iter__(self) -> Iterator[Metric]:
        """Go through the metrics."""
        return iter(self.metrics)

    def __len__(self) -> int:
        """Count the metrics."""
        return len(self.metrics)

    def __getitem__(self, name: str) -> Metric:
        """Return the metric of a name.

        Raises:
            KeyError: When it has none of that name.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a metric of a name."""
        return any(metric.name == name for metric in self.metrics)

    def handle_name(self, metric: Metric) -> str:
        """Return what the handle of a metric is called in a rendered module."""
        return _identifier(metric.name.removeprefix(self.prefix))


def _is_exact(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def _identifier(name: str) -> str:
    """Return a name as Python can have it."""
    found = "".join(each if each.isalnum() and each.isascii() else "_" for each in name)
    return f"{found}_" if iskeyword(found) else f"_{found}" if found[:1].isdigit() else found
