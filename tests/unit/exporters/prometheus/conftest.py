"""Fixtures: a provider with our reader in a registry of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from butterfly_otel.engine.sdk_internals import StockMeterProvider as MeterProvider
from butterfly_otel.exporters.prometheus import PrometheusMetricReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.metrics import Meter


@dataclass
class Setup:
    """A reader, its provider and a meter of a scope that is not verbatim."""

    registry: CollectorRegistry
    reader: PrometheusMetricReader
    provider: MeterProvider
    meter: Meter

    def text(self) -> str:
        """Scrape in text format."""
        return self.reader.render()[1].decode()


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    """Return a function that makes a provider; readers are shut down in the end."""
    made: list[Setup] = []

    def make(
        *,
        resource: dict[str, Any] | None = None,
        provider: dict[str, Any] | None = None,
        **options: Any,
    ) -> Setup:
        registry = options.pop("registry", None) or CollectorRegistry()
        options.setdefault("scope_info_enabled", False)
        reader = PrometheusMetricReader(registry=registry, **options)
        meter_provider = MeterProvider(
            metric_readers=[reader],
            resource=Resource(resource or {}),
            shutdown_on_exit=False,
            **(provider or {}),
        )
        done = Setup(registry, reader, meter_provider, meter_provider.get_meter("scope"))
        made.append(done)
        return done

    yield make
    for each in made:
        each.reader.shutdown()
