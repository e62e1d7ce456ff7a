"""Lets tests that are written for SDK 1.45.2 run with older releases.

Those differ in what a test says, too: Views and readers take no limits. Here they learn to, by
what the package itself uses there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View

from butterfly_otel.engine.sdk_names import OLDER
from butterfly_otel.engine.sdk_readers import limit_reader

#: What can't be tested with a release before 1.45.2: the benchmarks say what that can do.
_NEWEST = ["unit/test_benchmarks.py"]
#: What reads overlays by `opentelemetry.configuration`, which there is from 1.44 on.
_CONFIGURATION = [
    "unit/test_views.py",
    "unit/test_other_views.py",
    "unit/test_config_file.py",
    "unit/cli/test_views.py",
]


def ignored() -> list[str]:
    """Return the test files that need another release of the SDK than the installed one."""
    try:
        import_module("opentelemetry.configuration")
    except ImportError:
        configuration = _CONFIGURATION
    else:
        configuration = []
    return [*(_NEWEST if OLDER else ()), *configuration]


#: What older releases do not do themselves, by test file: parts of names, and what it is.
_LACKING = {
    "test_transport.py": (
        ("OTLPMetricExporter", "counts_the_points"),
        "the official exporter of this release does not do so",
    ),
    "test_finding.py": (
        ("what_the_series_does_not[MeterProvider0", "told_apart_as_by_the_stock_sdk"),
        "the stock SDK of this release has no limits, and raises where values can't be hashed",
    ),
}


def skip_what_others_lack(items: list[pytest.Item]) -> None:
    """Skip what older releases of the SDK and its exporters do not do themselves."""
    for item in items:
        parts, reason = _LACKING.get(item.path.name, ((), ""))
        if OLDER and any(each in item.name for each in parts):
            item.add_marker(pytest.mark.skip(reason=reason))


def teach() -> None:
    """Let Views and in-memory readers take limits where the SDK's don't."""
    if not OLDER:
        return
    make_view: Any = View.__init__
    make_reader: Any = InMemoryMetricReader.__init__

    def view(self: Any, *args: Any, aggregation_cardinality_limit: Any = None, **kw: Any) -> None:
        make_view(self, *args, **kw)
        self._aggregation_cardinality_limit = aggregation_cardinality_limit

    def reader(
        self: Any,
        preferred_temporality: Any = None,
        preferred_aggregation: Any = None,
        cardinality_limits: Mapping[Any, int] | None = None,
    ) -> None:
        make_reader(self, preferred_temporality, preferred_aggregation)
        limit_reader(self, cardinality_limits)

    View.__init__ = view  # type: ignore[method-assign]
    InMemoryMetricReader.__init__ = reader  # type: ignore[method-assign]
