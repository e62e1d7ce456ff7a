"""The contract as data: 64 metrics in 8 categories, and the SDK's own few.

Adding a metric is one entry in one of these modules and one ``butterfly-otel render``.
Source: the Butterfly metrics specification as resolved by ``docs/contract.md``.

May import: nothing of ours. Entries stay literals without loops or conditions; the fields they
have are those of :mod:`.model`, and the rules they keep are in ``lint.contract``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from butterfly_otel.catalog import (
    byzantine,
    checkpoint,
    communication,
    computation,
    consensus,
    coordination,
    gpus,
    requests,
    resources,
    telemetry,
)
from butterfly_otel.catalog.model import Catalog, Label, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The metrics of the specification, in its order.
CONTRACT: tuple[Metric, ...] = (
    *requests.METRICS,
    *consensus.METRICS,
    *computation.METRICS,
    *communication.METRICS,
    *resources.METRICS,
    *checkpoint.METRICS,
    *coordination.METRICS,
    *byzantine.METRICS,
)
#: The SDK's own metrics, all named ``butterfly_otel_…``.
EXTENSIONS: tuple[Metric, ...] = (*telemetry.METRICS, *gpus.METRICS)
#: Everything our meter may measure.
ALL: tuple[Metric, ...] = (*CONTRACT, *EXTENSIONS)
#: Name to metric, read-only.
BY_NAME: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in ALL})

#: Name of the OTel meter on which the contract is enforced.
METER_NAME = "butterfly_otel"

#: Butterfly's contract, as a value like any other. Its handles are those of
#: ``butterfly_otel.metrics``, which ``configure()`` knows.
BUTTERFLY = Catalog(
    name="butterfly",
    meter=METER_NAME,
    metrics=CONTRACT,
    prefix="butterfly_",
    exceptions=(
        (
            "counter-suffix",
            "butterfly_network_bytes_sent",
            "A counter without _total: docs/contract.md, Names and types.",
        ),
        (
            "counter-suffix",
            "butterfly_network_bytes_received",
            "A counter without _total: docs/contract.md, Names and types.",
        ),
        (
            "counter-suffix",
            "butterfly_consensus_log_entries_total",
            "A gauge; its counter name is reserved: docs/contract.md, Names and types.",
        ),
        (
            "unit-suffix",
            "butterfly_network_bytes_sent",
            "Bytes, although the name ends otherwise: docs/contract.md, Names and types.",
        ),
        (
            "unit-suffix",
            "butterfly_network_bytes_received",
            "Bytes, although the name ends otherwise: docs/contract.md, Names and types.",
        ),
        (
            "sample-suffix",
            "butterfly_checkpoint_count",
            "A gauge; its histogram name is reserved: docs/contract.md, Names and types.",
        ),
    ),
)

__all__ = [
    "ALL",
    "BUTTERFLY",
    "BY_NAME",
    "CONTRACT",
    "EXTENSIONS",
    "METER_NAME",
    "Catalog",
    "Label",
    "Metric",
]
