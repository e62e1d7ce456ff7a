"""butterfly-otel: the metrics SDK of Butterfly, built on OpenTelemetry.

::

    import butterfly_otel
    from butterfly_otel import metrics

    butterfly_otel.configure(node_id="compute-node-1", node_role="compute")
    metrics.requests_total.add(1, method="inference", status="success")

Handles in :mod:`butterfly_otel.metrics` measure nothing until :func:`configure` is called,
so a library may be instrumented without deciding anything for its application.

Everything here is imported on first use: importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from butterfly_otel import consensus, coordination, decorators, disk, memory, metrics
    from butterfly_otel.catalog.model import Catalog, Label, Metric
    from butterfly_otel.decorators import (
        ERROR_TYPES,
        ErrorTypes,
        arg,
        counted,
        error_type,
        outcome,
        request,
        result,
        timed,
        tracked,
    )
    from butterfly_otel.errors import (
        ButterflyOtelError,
        CatalogError,
        ConfigurationError,
        LabelError,
        MeasurementError,
        ViewError,
    )
    from butterfly_otel.handles.handles import node_pair
    from butterfly_otel.runtime.configure import configure
    from butterfly_otel.runtime.lifecycle import Runtime, force_flush, shutdown

__all__ = [
    "ERROR_TYPES",
    "ButterflyOtelError",
    "Catalog",
    "CatalogError",
    "ConfigurationError",
    "ErrorTypes",
    "Label",
    "LabelError",
    "MeasurementError",
    "Metric",
    "Runtime",
    "ViewError",
    "__version__",
    "arg",
    "configure",
    "consensus",
    "coordination",
    "counted",
    "decorators",
    "disk",
    "error_type",
    "force_flush",
    "memory",
    "metrics",
    "node_pair",
    "outcome",
    "request",
    "result",
    "shutdown",
    "timed",
    "tracked",
]

_MODULES = frozenset({"consensus", "coordination", "decorators", "disk", "memory", "metrics"})
_HOMES = {
    "Catalog": "catalog.model",
    "ERROR_TYPES": "decorators",
    "ErrorTypes": "decorators",
    "Label": "catalog.model",
    "Metric": "catalog.model",
    "Runtime": "runtime.lifecycle",
    "arg": "decorators",
    "configure": "runtime.configure",
    "counted": "decorators",
    "error_type": "decorators",
    "force_flush": "runtime.lifecycle",
    "node_pair": "handles.handles",
    "outcome": "decorators",
    "request": "decorators",
    "result": "decorators",
    "shutdown": "runtime.lifecycle",
    "timed": "decorators",
    "tracked": "decorators",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    from importlib import import_module  # noqa: PLC0415 - the point is to import late

    if name in _MODULES:
        return import_module(f"butterfly_otel.{name}")
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    home = import_module(f"butterfly_otel.{_HOMES.get(name, 'errors')}")
    value: object = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
