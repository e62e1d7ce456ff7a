"""Fixtures for every test: a configured SDK that is read in memory and always shut down."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel.runtime.lifecycle import Runtime
from butterfly_otel.testing.isolation import restored
from tests import older
from tests.collected import points

older.teach()
collect_ignore = older.ignored()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the installed OpenTelemetry lacks."""
    older.skip_what_others_lack(items)


# `HYPOTHESIS_PROFILE=thorough` runs the property tests fifty times as long. None is timed.
_EVERYDAY = 250
settings.register_profile("everyday", max_examples=_EVERYDAY, deadline=None)
settings.register_profile("thorough", max_examples=50 * _EVERYDAY, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

Points = dict[tuple[tuple[str, Any], ...], Any]


class Measured:
    """A configured SDK and what it has measured so far."""

    def __init__(self, runtime: Runtime, reader: InMemoryMetricReader) -> None:
        self.runtime = runtime
        self.reader = reader

    def points(self, name: str) -> list[Any]:
        """Return the data points of one metric, as the SDK's MetricsData has them now."""
        return points(self.reader, name)

    def values(self, name: str) -> dict[tuple[tuple[str, Any], ...], float]:
        """Return the values of one metric by its sorted attributes."""
        return {tuple(sorted(p.attributes.items())): p.value for p in self.points(name)}

    def value(self, name: str, **labels: object) -> float | None:
        """Return the value of one series, None where there is no such series."""
        return self.values(name).get(tuple(sorted(labels.items())))


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    """Run every test without settings from outside, and leave nothing configured."""
    # Else this machine's hardware would be in every test's metrics, and threads with it.
    wanted = {"BUTTERFLY_OTEL_COLLECTORS": "none"}
    if required := os.environ.get("BUTTERFLY_OTEL_REQUIRE_SERVERS"):
        wanted["BUTTERFLY_OTEL_REQUIRE_SERVERS"] = required
    with restored(wanted):
        yield


@pytest.fixture
def start() -> Callable[..., Measured]:
    """Return a function that configures the SDK with an in-memory reader."""

    def configured(**settings: Any) -> Measured:
        reader = InMemoryMetricReader()
        defaults: dict[str, Any] = {
            "node_id": "coordinator-1",
            "node_role": "coordinator",
            "exporter": "none",
            "registry": CollectorRegistry(),
            "zero_init": False,
            "handle_signals": False,
        }
        runtime = butterfly_otel.configure(**{**defaults, **settings}, metric_readers=[reader])
        return Measured(runtime, reader)

    return configured
