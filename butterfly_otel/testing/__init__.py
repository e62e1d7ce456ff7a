"""The test kit: capture what code measures, and say what it should have been.

::

    from butterfly_otel import metrics
    from butterfly_otel.testing import assert_metric, capture_metrics

    with capture_metrics(node_id="compute-1", node_role="compute"):
        serve_one_request()
        assert_metric(metrics.requests_total, 1, method="inference", status="success")

With pytest nothing has to be imported: the fixtures ``butterfly_metrics``, ``capture_metrics``
and ``butterfly_clock`` come with this package (see :mod:`butterfly_otel.testing.plugin`).

Everything here is imported on first use, so a test run that needs none of it pays nothing.
"""

# For whoever changes this room: an assertion compares what `series` has of a collection;
# expositions are read and compared by `lint.expositions`. It may import every room but `cli`,
# `demo` and `integrations`.

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butterfly_otel.lint.expositions.fetch import Access
    from butterfly_otel.testing.capture import Captured, capture_metrics
    from butterfly_otel.testing.checks import (
        assert_histogram,
        assert_metric,
        assert_no_metric,
        assert_no_violations,
    )
    from butterfly_otel.testing.clock import Clock
    from butterfly_otel.testing.exposition import assert_exposition
    from butterfly_otel.testing.series import HistogramValue, Series, Violation

__all__ = [
    "Access",
    "Captured",
    "Clock",
    "HistogramValue",
    "Series",
    "Violation",
    "assert_exposition",
    "assert_histogram",
    "assert_metric",
    "assert_no_metric",
    "assert_no_violations",
    "capture_metrics",
]

_HOMES = {
    "Access": "exposition",
    "Captured": "capture",
    "Clock": "clock",
    "HistogramValue": "series",
    "Series": "series",
    "Violation": "series",
    "assert_exposition": "exposition",
    "capture_metrics": "capture",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    from importlib import import_module  # noqa: PLC0415 - the point is to import late

    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'checks')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
