"""Which label sets are offered, and in which order: pure, and never more than a round in memory.

Values are given in the contract's order of the labels; None leaves one to its default.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from butterfly_otel.operate import sizes
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.views.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Label, Metric
    from butterfly_otel.operate.sizes import Role, Shape

#: Label values in the contract's order.
Labels: TypeAlias = "tuple[str | None, ...]"
#: ``ids``: one label after the other gets values without end. ``limits``: every combination of
#: values that the budgets allow. ``churn``: nodes, tasks and checkpoints that come, are measured,
#: and end.
Flood = Literal["ids", "limits", "churn"]
FLOODS: tuple[Flood, ...] = get_args(Flood)

#: Sets of a round, a collection where callbacks observe: more than any limit of a stream.
_ROUND = 8192
#: Where the numbers begin that no known value has, of labels whose values are numbers.
_BEYOND, _PASSING = 1_000_000_000, 2_000_000_000
#: Series that live at the same time while they come and go: fewer than any budget of ours.
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


def rounds(stream: Stream, flood: Flood, sets: int) -> Iterator[Round]:
    """Yield label sets, each of them new, as many as there are, but not more than ``sets``.

    Args:
        stream: What is measured; labels that are dropped have one value.
        flood: Which sets.
        sets: How many; without end where labels can have other values without end.
    """
    found = {"ids": _ids, "limits": _combinations, "churn": _passing}[flood](stream)
    wanted = islice(found, sets)
    size = _living(stream) if flood == "churn" else _ROUND
    while taken := tuple(islice(wanted, size)):
        yield Round(taken, ends=flood == "churn")


def cluster_sets(metric: Metric, role: Role, shape: Shape) -> Iterator[Labels]:
    """Yield the label sets of one metric that a healthy node of a cluster has."""
    columns: list[tuple[str | None, ...]] = []
    counts = sizes.wanted(Stream.of(metric), role, shape)
    for label, count in zip(metric.labels, counts, strict=True):
        if label.default is not None:
            columns.append((None,))
        elif label.kind == "closed" or count == len(label.values):
            columns.append(label.values)
        else:
            columns.append(tuple(_value(label, number) for number in range(count)))
    return product(*columns)


def _value(label: Label, number: int) -> str:
    """Return a value within a label's budget, for numbers below it."""
    return label.values[number] if label.kind == "closed" else _text(label, "", number)


def _text(label: Label, word: str, number: int) -> str:
    """Return the text of a value, which is of the label's type."""
    if label.type == "string":
        return "-".join(filter(None, (label.key, word, str(number))))
    number += {"beyond": _BEYOND, "passing": _PASSING}.get(word, 0)
    return f"{number}.5" if label.type == "double" else str(number)


def _varying(stream: Stream) -> list[tuple[int, Label]]:
    kept = {label.key for label in stream.labels}
    return [(at, each) for at, each in enumerate(stream.metric.labels) if each.key in kept]


def _ids(stream: Stream) -> Iterator[Labels]:
    always, varying, number = known(stream.metric), _varying(stream), 0
    while varying:
        for at, label in varying:
            yield (*always[:at], _text(label, "beyond", number), *always[at + 1 :])
        number += 1


def _combinations(stream: Stream) -> Iterator[Labels]:
    kept = {label.key for label in stream.labels}
    columns: list[tuple[str, ...]] = []
    for label in stream.metric.labels:
        count = label.seats - 1 if label.key in kept else 1
        columns.append(tuple(_value(label, number) for number in range(count)))
    return islice(product(*columns), 1, None)


def _passing(stream: Stream) -> Iterator[Labels]:
    """Yield sets that differ in a label that can have any value, in one after the other."""
    found = [each for each in _varying(stream) if each[1].kind != "closed"]
    always, number = known(stream.metric), 0
    while found:
        for at, label in found:
            yield (*always[:at], _text(label, "passing", number), *always[at + 1 :])
        number += 1


def _living(stream: Stream) -> int:
    """Return how many may live at once, beside those of the round before and the known one."""
    budgets = [label.budget for label in stream.labels if label.kind != "closed"]
    return max(1, min([_LIVING, *((budget - 1) // 2 for budget in budgets)]))
