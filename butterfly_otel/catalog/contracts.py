"""The contracts of one process: Butterfly's, and those that it brings along.

What a metric is of, and whether its name is exact, is asked here, so that nothing that measures,
exports or shows has to know which contract is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from butterfly_otel import catalog
from butterfly_otel.catalog.model import OTHER
from butterfly_otel.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from butterfly_otel.catalog.model import Catalog, Label, Metric

#: What must be equal where a metric of Butterfly's contract is narrowed.
_FIXED: Final = ("type", "instrument", "unit")


class Contracts:
    """Butterfly's contract and others beside it. Immutable.

    Args:
        catalogs: The others.

    Raises:
        CatalogError: When they contradict each other or Butterfly's; the message says how.
    """

    def __init__(self, catalogs: Sequence[Catalog] = ()) -> None:
        self.catalogs = tuple(catalogs)
        self._found: dict[tuple[str, str], Metric] = {
            (catalog.METER_NAME, name): metric for name, metric in catalog.BY_NAME.items()
        }
        #: What others make of metrics of Butterfly's.
        self.narrowed: dict[str, Metric] = {}
        for each in self.catalogs:
            for metric in each.metrics:
                self._add(each, metric)
        self._by_name = {metric.name: metric for metric in self._found.values()}
        _refuse_collisions(self._found.values(), known=len(catalog.ALL))

    def _add(self, owner: Catalog, metric: Metric) -> None:
        ours = catalog.BY_NAME.get(metric.name)
        if ours is not None:
            _refuse_more(owner, ours, metric)
            if metric.name in self.narrowed:
                raise _wrong(owner, metric, "is narrowed twice; leave one of the two out")
            self.narrowed[metric.name] = metric
            return
        if any(metric.name == name for _, name in self._found):
            raise _wrong(owner, metric, "is there twice; rename one of the two")
        self._found[owner.meter, metric.name] = metric

    def __iter__(self) -> Iterator[tuple[str, Metric]]:
        """Go through the metrics, each with the name of its meter; Butterfly's come first."""
        return ((meter, metric) for (meter, _), metric in self._found.items())

    @property
    def meters(self) -> tuple[str, ...]:
        """The names of the meters on which contracts are enforced; Butterfly's comes first."""
        return tuple(dict.fromkeys(meter for meter, _ in self._found))

    def find(self, meter: str, name: str) -> Metric | None:
        """Return the metric that an instrument measures, None where it is of no contract."""
        return self._found.get((meter, name))

    def named(self, name: str) -> Metric | None:
        """Return the metric of a name, whatever its meter."""
        return self._by_name.get(name)

    def is_exact(self, meter: str, name: str) -> bool:
        """Tell whether an instrument's name is the same in every pipeline."""
        metric = self._found.get((meter, name))
        return metric is not None and metric.exact


def _wrong(owner: Catalog, metric: Metric, what: str) -> CatalogError:
    return CatalogError(f"the contract {owner.name!r}: {metric.name} {what}")


def _refuse_more(owner: Catalog, ours: Metric, theirs: Metric) -> None:
    """Raise unless a metric is Butterfly's, or less of it."""
    for field in _FIXED:
        if getattr(ours, field) != getattr(theirs, field):
            raise _wrong(
                owner,
                theirs,
                f"has the {field} {getattr(theirs, field)!r}, but Butterfly's contract fixes"
                f" {getattr(ours, field)!r}; {_way_out(ours)}",
            )
    known = {label.key: label for label in ours.labels}
    for label in theirs.labels:
        if label.key not in known:
            raise _wrong(
                owner,
                theirs,
                f"has the label {label.key}, which Butterfly's contract does not allow;"
                f" {_way_out(ours, label)}",
            )
        _refuse_wider(owner, theirs, known[label.key], label)
    if theirs.limit is not None and theirs.limit > ours.stream_limit:
        raise _wrong(
            owner,
            theirs,
            f"has the limit {theirs.limit}, above the {ours.stream_limit} of Butterfly's contract,"
            " which may only be narrowed; lower it",
        )


def _refuse_wider(owner: Catalog, theirs: Metric, ours: Label, label: Label) -> None:
    more = set(label.values) - set(ours.values)
    if ours.kind == "closed" and (label.kind != "closed" or more - {OTHER}):
        new = ", ".join(sorted(more)) or "any value"
        raise _wrong(
            owner,
            theirs,
            f"allows {new} for the label {label.key}, but Butterfly's contract allows only"
            f" {', '.join(ours.values)}; leave the rest out",
        )
    if ours.kind != "closed" and label.kind != "closed" and label.budget > ours.budget:
        raise _wrong(
            owner,
            theirs,
            f"gives the label {label.key} a budget of {label.budget}, above the {ours.budget} of"
            " Butterfly's contract, which may only be narrowed; lower it",
        )


def _way_out(ours: Metric, label: Label | None = None) -> str:
    own = ours.name.replace("butterfly_", "my_", 1)
    key = "model" if label is None else label.key
    attribute = f"{{id: {key}, type: string, annotations: {{butterfly_otel: {{budget: 20}}}}}}"
    return (
        "measure it by a metric of your own beside it, in one line of YAML:"
        f" - {{id: metric.{own}, type: metric, metric_name: {own},"
        f" extends: metric.{ours.name}, attributes: [{attribute}]}}"
    )


def _refuse_collisions(metrics: Iterable[Metric], known: int) -> None:
    """Raise where two metrics have one name in Prometheus."""
    owners: dict[str, Metric] = {}
    for at, metric in enumerate(metrics):
        # Butterfly's own are held apart by the lint rules.
        name = metric.name if at < known else metric.prometheus_name
        other = owners.setdefault(name, metric)
        if other is not metric:
            raise CatalogError(
                f"{metric.name} and {other.name} are both {name} in Prometheus; rename one of them"
            )


#: Where a process brings none along.
BUTTERFLY_ALONE: Final = Contracts()
