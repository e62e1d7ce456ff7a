"""The shape of a catalogue entry: frozen data with a few derived facts, nothing else.

Everything that is rendered (typed handles, Views, the metrics reference, rules) and
everything that is enforced (label keys, vocabularies, budgets, stream limits) is derived
from these two classes.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from butterfly_otel.process.frozen import dataclass

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
Category = Literal[
    "requests",
    "consensus",
    "computation",
    "communication",
    "resources",
    "checkpoint",
    "coordination",
    "byzantine",
    "telemetry",
]

#: What a value outside a vocabulary or beyond a budget is replaced by.
OTHER = "other"

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
    """

    key: str
    kind: LabelKind
    help: str
    values: tuple[str, ...] = ()
    budget: int = 0
    default: LabelDefault | None = None
    keep: Literal["first", "latest"] = "first"

    @property
    def seats(self) -> int:
        """Distinct values this label can export, ``other`` included."""
        return (len(self.values) if self.kind == "closed" else self.budget) + 1


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
    category: Category
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
