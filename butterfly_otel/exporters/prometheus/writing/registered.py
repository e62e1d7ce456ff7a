"""What is registered in a registry of prometheus_client, which it tells nobody.

The one module that uses its private names: see docs/explanation/private-names.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector


def collectors_of(registry: CollectorRegistry) -> list[Collector]:
    """Return what is registered, in that order, so that each can be asked by itself.

    A registry's ``collect()`` ends at the first collector that raises. Where a release keeps them
    elsewhere, it is the registry as a whole, and so for a registry of somebody else's making.
    """
    known: Any = registry
    try:
        with known._lock:  # noqa: SLF001 - there is no public list of them
            return list(known._collector_to_names)  # noqa: SLF001 - as above
    except (AttributeError, TypeError):
        log_once(
            f"this {type(registry).__name__} does not tell its collectors, as prometheus_client's"
            " own did: one that raises costs the scrape all metrics"
        )
        return [known]
