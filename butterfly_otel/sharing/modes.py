"""What the values of several processes make together, by metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from butterfly_otel import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.sharing.identity import Identity

Across: TypeAlias = Literal["sum", "max", "min", "latest", "each", "node"]


class Modes:
    """Tells how metrics are merged. Immutable.

    Args:
        across: By the name of a gauge of one's own; beats the catalogue.
    """

    def __init__(self, across: Mapping[str, Across] | None = None) -> None:
        self._own = {name.lower(): each for name, each in (across or {}).items()}

    def of(self, identity: Identity) -> Across:
        """Return how values of a metric are merged.

        The catalogue says so of its own; of others sums and histograms are added, and of a gauge
        the latest value stands.
        """
        own = self._own.get(identity.name.lower())
        if own is not None and identity.kind == "gauge":
            return own
        metric = catalog.BY_NAME.get(identity.name)
        if metric is not None:
            across: Across | None = getattr(metric, "across", None)
            if across is not None:
                return across
        return "latest" if identity.kind == "gauge" else "sum"
