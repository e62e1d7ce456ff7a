"""The contracts that are in force in a process: Butterfly's, narrowed or not, and a user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog import ALL, METER_NAME
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from butterfly_otel.catalog.model import Catalog, Label, Measuring, Metric


class Entry(NamedTuple):
    """One metric of a contract, as it is enforced.

    Attributes:
        metric: The metric; of a narrowed one, with all labels that callers may give.
        labels: Those that are exported, in the contract's order.
        meter: The name of the meter on which it is enforced.
        contract: What the contract is called that has it.
    """

    metric: Metric
    labels: tuple[Label, ...]
    meter: str = METER_NAME
    contract: str = "butterfly"


class Contracts:
    """All metrics that are enforced in a process. Immutable.

    Args:
        entries: The metrics; their names differ, whatever their case.
        catalogs: The contracts beside Butterfly's, which is always there.
    """

    def __init__(self, entries: Iterable[Entry], catalogs: Sequence[Catalog] = ()) -> None:
        self.entries = tuple(entries)
        self.catalogs = tuple(catalogs)
        # OpenTelemetry takes names that differ in case for one.
        self._by_name = {each.metric.name.lower(): each for each in self.entries}
        self._by_place = {(each.meter, each.metric.name): each.metric for each in self.entries}

    def __iter__(self) -> Iterator[Metric]:
        """Go through the metrics."""
        return (each.metric for each in self.entries)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a metric of a name."""
        return isinstance(name, str) and name.lower() in self._by_name

    def entry(self, name: str) -> Entry | None:
        """Return the entry of a metric's name; None where no contract has it."""
        return self._by_name.get(name.lower())

    def get(self, name: str) -> Metric | None:
        """Return the metric of a name; None where no contract has it."""
        found = self.entry(name)
        return None if found is None else found.metric

    def find(self, scope: str, name: str) -> Metric | None:
        """Return the metric of a name on a meter; None where that is of no contract."""
        return self._by_place.get((scope, name))

    def is_exact(self, scope: str, name: str) -> bool:
        """Tell whether a metric is a contract's and has the same name in every pipeline."""
        metric = self.find(scope, name)
        return metric is not None and metric.exact

    @property
    def meters(self) -> tuple[str, ...]:
        """The names of the meters, ours first."""
        return tuple(dict.fromkeys((METER_NAME, *(each.meter for each in self.entries))))

    @property
    def handles(self) -> tuple[Measuring, ...]:
        """The handles of the contracts beside Butterfly's."""
        return tuple(handle for each in self.catalogs for handle in each.handles)


#: Butterfly's contract alone, and the SDK's own metrics.
OURS = Contracts(Entry(metric, metric.labels) for metric in ALL)
