"""What could not be exported and is lost unless the next export has it.

What is cumulative needs none of this: the next collection has it again. A delta is in one
collection alone, so where that does not arrive it is added to the next one.

The bound: a backlog has at most 50,000 points, or as many as the largest collection of the
process, whichever is more, and one more for each metric. 50,000 are about 40 MB. However long an
outage takes, a series has one point in it. What is beyond the bound is added to the metric's
overflow point (``otel.metric.overflow``): its count arrives, without its labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.carrying.table import Table, is_delta
from butterfly_otel.exporters.parts import points_of

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

    from butterfly_otel.exporters.delivery import Delivery

MOST_POINTS = 50_000
#: Exports in a row that a receiver refuses for what is in them. OTLP forbids to send such data
#: again at all; by then it is clear that it is not the receiver's momentary trouble, and one
#: series that no receiver takes must not keep all the others from arriving for ever.
MOST_REFUSALS = 3


class Backlog:
    """The deltas that did not arrive. For one thread.

    A receiver that took an export, and whose answer got lost, gets it twice, as with any retry
    of OTLP.

    Args:
        most: Points that are kept.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most
        self._kept: MetricsData | None = None
        self._refusals = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that did not arrive."""
        return self._kept is None

    def clear(self) -> None:
        """Forget everything, as a forked child must: it is the parent's."""
        self._kept, self._refusals = None, 0

    def with_new(self, data: MetricsData | None) -> MetricsData | None:
        """Return a new collection with what is kept; what there is of them."""
        if data is not None:
            self._most = max(self._most, points_of(data))
        if self._kept is None or data is None:
            return data if self._kept is None else self._kept
        table = Table()
        table.add(self._kept)
        table.add(data)
        return table.data()

    def settle(self, delivery: Delivery) -> tuple[int, int]:
        """Keep of what was sent what did not arrive.

        Returns:
            How many points were given up because the receiver keeps refusing them, and how many
            because there are too many to keep.
        """
        undelivered, self._kept = delivery.undelivered, None
        self._refusals = self._refusals + 1 if undelivered and delivery.refused else 0
        if undelivered is None or not _lasts(undelivered):
            return 0, 0
        table = Table()
        table.add(undelivered, lasting=True)
        if self._refusals >= MOST_REFUSALS:
            self._refusals = 0
            return points_of(table.data()), 0
        lost = table.shrink(self._most)
        self._kept = table.data()
        return 0, lost


def _lasts(data: MetricsData) -> bool:
    return any(
        is_delta(metric)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
