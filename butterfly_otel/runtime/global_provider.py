"""OpenTelemetry's global meter provider, which can be set only once a process.

What we set there delegates to the provider that is configured now, so that configuring anew
after a shutdown also reaches code that asks OpenTelemetry for its meter.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import Meter, MeterProvider, NoOpMeterProvider

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

_logger = logging.getLogger("butterfly_otel")


class DelegatingMeterProvider(MeterProvider):
    """Gives out the meters of whichever provider is current."""

    def __init__(self) -> None:
        self.current: MeterProvider = NoOpMeterProvider()

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Meter:
        """Return a meter of the current provider."""
        return self.current.get_meter(name, version, schema_url, attributes)


_delegate = DelegatingMeterProvider()


def install(provider: MeterProvider) -> None:
    """Make ``provider`` OpenTelemetry's global one, unless another library has set its own."""
    _delegate.current = provider
    if metrics.get_meter_provider() is _delegate:
        return
    metrics.set_meter_provider(_delegate)
    if metrics.get_meter_provider() is not _delegate:
        _logger.warning(
            "OpenTelemetry's global meter provider is already set to %r: measurements through"
            " the OpenTelemetry API go there, not to butterfly-otel. Call configure() before"
            " anything else sets it, or pass set_global=False to silence this.",
            metrics.get_meter_provider(),
        )


def uninstall(provider: MeterProvider) -> None:
    """Stop handing out meters of ``provider``."""
    if _delegate.current is provider:
        _delegate.current = NoOpMeterProvider()
