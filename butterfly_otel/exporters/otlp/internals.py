"""The private names of the official OTLP exporters that we rely on.

``http_exporter.py`` and ``grpc_exporter.py`` derive from these exporters and use these names, no others.
``tests/unit/exporters/test_internals.py`` fails clearly when one of them disappears; where
one has disappeared, the official exporters are used as they are.
"""

from __future__ import annotations

import inspect
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import MetricExporter

_logger = logging.getLogger("butterfly_otel")


class Internals(NamedTuple):
    """Private names of an exporter's class.

    Attributes:
        methods: Methods with their parameters.
        attributes: What an instance has.
    """

    methods: Mapping[str, tuple[str, ...]]
    attributes: tuple[str, ...]

    def missing(self, exporter: type | MetricExporter) -> list[str]:
        """Return what a class lacks or has otherwise, or what an instance lacks."""
        if isinstance(exporter, type):
            return [name for name in self.methods if not self._fits(exporter, name)]
        return [name for name in self.attributes if not hasattr(exporter, name)]

    def _fits(self, exporter: type, name: str) -> bool:
        try:
            parameters = inspect.signature(getattr(exporter, name)).parameters
        except Exception:  # noqa: BLE001 - not there, or not what can be asked: it does not fit
            return False
        return tuple(parameters) == self.methods[name]


#: ``_export_batch`` sends a message, which it asks for ``SerializeToString()`` and, to count
#: the points, for ``resource_metrics``. An exporter that is ``_shutdown`` exports nothing.
HTTP = Internals(
    methods={"_export_batch": ("self", "export_request")},
    attributes=("_shutdown", "_max_export_batch_size"),
)
#: ``_export`` sends what ``_translate_data`` makes of its ``data`` by ``_client.Export``, and
#: counts its points by ``_count_data``; ``_client`` is made from ``_channel`` by
#: ``_initialize_channel_and_stub``, also when it connects anew.
GRPC = Internals(
    methods={
        "_export": ("self", "data"),
        "_translate_data": ("self", "data"),
        "_count_data": ("self", "data"),
        "_initialize_channel_and_stub": ("self",),
    },
    attributes=("_channel", "_client", "_max_export_batch_size"),
)


def build(
    official: type[MetricExporter],
    internals: Internals,
    derived: Callable[[], type[MetricExporter]],
    arguments: Mapping[str, Any],
) -> MetricExporter:
    """Return our exporter; the official one when that is not what ours was written for.

    Args:
        official: The official exporter's class.
        internals: What ours needs of it.
        derived: Returns our class; called only where that can be used.
        arguments: What either is made with.
    """
    missing = internals.missing(official)
    if not missing:
        exporter = derived()(**arguments)
        missing = internals.missing(exporter)
        if not missing:
            return exporter
        exporter.shutdown()
    _report(official.__module__, ", ".join(missing))
    return official(**arguments)


@lru_cache
def _report(module: str, names: str) -> None:
    """Say once that exports will be slower than they could be."""
    _logger.warning(
        "%s has changed (%s), so OTLP exports use the official encoder, which is slower;"
        " a newer butterfly-otel may know this release",
        module,
        names,
    )
