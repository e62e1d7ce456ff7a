"""Example queries: every one of the specification's, corrected, and some more; what each tells.

They are data for the metrics reference and for tests; nothing that measures imports them.

A query is an entry in the module of its subject. May import: ``catalog``.
"""

from __future__ import annotations

from butterfly_otel.catalog.queries import gpus, machines, recovery, usage, work
from butterfly_otel.catalog.queries.model import Query

#: Queries on a metric, in the order of the catalogue.
OF_METRICS: tuple[Query, ...] = (
    *work.QUERIES,
    *machines.QUERIES,
    *recovery.QUERIES,
    *usage.TELEMETRY,
    *gpus.QUERIES,
)
#: Queries for a purpose, by the specification's headings.
USAGE: tuple[Query, ...] = usage.USAGE
#: All of them.
ALL: tuple[Query, ...] = (*OF_METRICS, *USAGE)

__all__ = ["ALL", "OF_METRICS", "USAGE", "Query"]
