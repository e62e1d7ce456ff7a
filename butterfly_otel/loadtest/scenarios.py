"""Which label sets are offered, and in which order: pure, and never more than a round in memory.

Values are given in the contract's order of the labels; None leaves one to its default.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from butterfly_otel.operate import sizes
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.operate.sizes import Role, Shape
    from butterfly_otel.views.streams import Stream

#: Label values in the contract's order.
Labels: TypeAlias = "tuple[str | None, ...]"
#: ``ids``: one label after the other gets values without end. ``limits``: every combination of
#: values that the budgets allow. ``churn``: nodes, tasks and checkpoints that come, are measured,
#: and end.
Flood = Literal["ids", "limits", "churn"]
FLOODS: tuple[Flood, ...] = get_args(Flood)

#: Sets of a round: enough for its timing to cost nothing, few enough to be held.
_ROUND = 2048
#: Series that live at the same time while they come and go; fewer than any budget of the contract.
_LIVING = 16


class Round(NamedTuple):
    """What is offered in one go.

    Attributes:
        sets: Label sets that nobody has offered before.
        ends: Whether their series end after it.
    """

    sets: tuple[Labels, ...]
    ends: bool


def known(metric: Metric) -> Labels:
    """Return the label set that is offered throughout, and must stay exact."""
    return tuple(_value(label, 0) for label in metric.labels)


def rounds(metric: Metric, flood: Flood, sets: int) -> Iterator[Round]:
    """Yield label sets, each of them new, as many as there are, but not more than ``sets``.

    Args:
        metric: What is measured.
        flood: Which sets.
        sets: How many; without end where labels can have other values without end.
    """
    found = {"ids": _ids, "limits": _combinations, "churn": _passing}[flood](metric)
    wanted = islice(found, sets)
    size = _living(metric) if flood == "churn" else _ROUND
    while taken := tuple(islice(wanted, size)):
        yield Round(taken, ends=flood == "churn")


def cluster_sets(stream: Stream, role: Role, shape: Shape) -> Iterator[Labels]:
    """Yield the label sets of one metric that a healthy node of a cluster has."""
    columns: list[tuple[str | None, ...]] = []
    for label, count in zip(stream.metric.labels, sizes.wanted(stream, role, shape), strict=True):
        if label.default is not None:
            columns.append((None,))
        elif label.values and label.kind in {"closed", "open"}:
            columns.append(label.values)
        else:
            columns.append(tuple(f"{label.key}-{number}" for number in range(count)))
    return product(*columns)


def _value(label: Label, number: int) -> str:
    """Return a value within a label's budget, for numbers below it."""
    return label.values[number] if label.kind == "closed" else f"{label.key}-{number}"


def _ids(metric: Metric) -> Iterator[Labels]:
    if not metric.labels:
        return
    always, number = known(metric), 0
    while True:
        for at, label in enumerate(metric.labels):
            yield (*always[:at], f"{label.key}-beyond-{number}", *always[at + 1 :])
        number += 1


def _combinations(metric: Metric) -> Iterator[Labels]:
    columns = [
        tuple(_value(label, number) for number in range(label.seats - 1)) for label in metric.labels
    ]
    return islice(product(*columns), 1, None)


def _passing(metric: Metric) -> Iterator[Labels]:
    """Yield sets that differ in the first label that can have any value."""
    found = [at for at, label in enumerate(metric.labels) if label.kind != "closed"]
    if not found:
        return
    always, at, number = known(metric), found[0], 0
    key = metric.labels[at].key
    while True:
        yield (*always[:at], f"{key}-passing-{number}", *always[at + 1 :])
        number += 1


def _living(metric: Metric) -> int:
    """Return how many may live at once: with those that go in the same collection, and the known."""
    budgets = [label.budget for label in metric.labels if label.kind != "closed"]
    return max(1, min([_LIVING, *((budget - 1) // 2 for budget in budgets)]))
