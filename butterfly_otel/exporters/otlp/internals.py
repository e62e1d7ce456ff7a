"""The only module that touches private names of the official OTLP exporters.

====================================  ==========================================================
Private name                          Where it is gone
====================================  ==========================================================
``opentelemetry.exporter.otlp.common  The metrics about exporters that
._exporter_metrics``:                 ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`` switches on
``create_exporter_metrics``, and the  are missing, which is said once where it is set.
values of ``otel.component.type`` in
``opentelemetry.semconv._incubating``
====================================  ==========================================================

Whatever else we use of OpenTelemetry for OTLP is public: the ``.proto`` messages, and
``encode_metrics`` for what is unusual. Should even that move, ``build`` takes the official
exporters as they are.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from opentelemetry.metrics import MeterProvider

_logger = logging.getLogger("butterfly_otel")

#: The values of ``otel.component.type`` in the semantic conventions.
Kind = Literal["otlp_http_metric_exporter", "otlp_grpc_metric_exporter"]

_SWITCH = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"


class Outcome(Protocol):
    """What became of an export; ``error`` is set where it failed."""

    error: Exception | None


class Watched(Protocol):
    """What counts the exports of an exporter."""

    def export_operation(self, num_items: int) -> AbstractContextManager[Outcome]:
        """Count an export of so many points, while it runs and after."""
        ...


class _Unwatched:
    """Counts nothing."""

    error: Exception | None = None

    @contextmanager
    def export_operation(self, num_items: int) -> Generator[Outcome]:  # noqa: ARG002
        """Do nothing."""
        yield _Unwatched()


def watch(kind: Kind, address: str, provider: MeterProvider | None) -> Watched:
    """Return what counts the exports of an exporter, in the official exporters' own metrics."""
    if os.environ.get(_SWITCH, "").strip().lower() != "true":
        return _Unwatched()
    try:
        from opentelemetry.exporter.otlp.common._exporter_metrics import (  # noqa: PLC0415
            create_exporter_metrics,
        )

        # By its name: no type checker knows this package.
        names: Any = import_module("opentelemetry.semconv._incubating.attributes.otel_attributes")
        component = names.OtelComponentTypeValues(kind)
        found: Any = create_exporter_metrics(component, "metrics", address, provider, True)  # noqa: FBT003
    except Exception as error:  # noqa: BLE001 - private: it may have become anything
        _report(repr(error))
        return _Unwatched()
    return found  # type: ignore[no-any-return]


@lru_cache
def _report(reason: str) -> None:
    _logger.warning(
        "%s is set, and this release of the official exporters has its metrics elsewhere (%s):"
        " our OTLP exporter does not count itself there; butterfly_otel_exports_total has it",
        _SWITCH,
        reason,
    )
