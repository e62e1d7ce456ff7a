"""What the values of several processes make together, by metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.catalog.contracts import OURS
from butterfly_otel.collectors.collection import EXTENSION_METER
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.payload import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.catalog.contracts import Contracts
    from butterfly_otel.catalog.model import Across
    from butterfly_otel.sharing.identity import Identity


class Modes:
    """Tells how metrics are merged. Immutable.

    Args:
        across: By the name of a gauge; beats the contract. What is measured by steps can't be but
            added, or read once a node: that is told once.
        contracts: What says so of its metrics.
        time_to_live: Seconds by metric name for which a series of processes that have ended is
            shown, where no other has it.
    """

    def __init__(
        self,
        across: Mapping[str, Across] | None = None,
        time_to_live: Mapping[str, float] | None = None,
        contracts: Contracts = OURS,
    ) -> None:
        self._contracts = contracts
        self._time_to_live = {name.lower(): each for name, each in (time_to_live or {}).items()}
        self._own: dict[str, Across] = {name.lower(): each for name, each in (across or {}).items()}

    def own(self, name: str) -> Across | None:
        """Return what was said of a name; None where nothing was."""
        return self._own.get(name.lower())

    def time_to_live(self, name: str) -> float | None:
        """Return for how many seconds a series may be shown that nobody measures."""
        return self._time_to_live.get(name.lower())

    def of(self, identity: Identity) -> Across:
        """Return how values of a metric are merged.

        A contract says so of its own, and what collectors read besides is the node's; of others
        sums and histograms are added, and of a gauge the latest value stands.
        """
        own = self.own(identity.name)
        if own is not None:
            if identity.kind == "gauge" or own in {"sum", "node"}:
                return own
            log_once(f"across names {identity.name}, which is not a gauge: its processes are added")
        scope = loads(identity.scope)[0]
        if scope == EXTENSION_METER:
            return "node"
        metric = self._contracts.find(scope, identity.name)
        if metric is not None:
            return metric.across
        return "latest" if identity.kind == "gauge" else "sum"
