"""OpenTelemetry's global meter provider, which can be set only once a process.

What we set there delegates to the provider that is configured now, and so do the meters and
instruments that it hands out: what was made at import measures in every life of the SDK.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from butterfly_otel.process import forks
from butterfly_otel.runtime.delegates import Delegates, DelegatingMeter

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.metrics import Meter
    from opentelemetry.util.types import Attributes

_logger = logging.getLogger("butterfly_otel")


class DelegatingMeterProvider(MeterProvider):
    """Gives out meters that measure by whichever provider is current. Thread-safe."""

    def __init__(self) -> None:
        self.current: MeterProvider | None = None
        self._delegates = Delegates()
        self._lock = forks.rlock()

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Meter:
        """Return a meter of the current provider, and of those after it."""
        return DelegatingMeter(self._delegates, name, version, schema_url, attributes)

    def switch(self, provider: MeterProvider | None) -> None:
        """Measure by ``provider`` from now on; by nothing where that is None."""
        with self._lock:
            self.current = provider
            self._delegates.switch(provider)


_delegate = DelegatingMeterProvider()


def install(provider: MeterProvider) -> None:
    """Make ``provider`` OpenTelemetry's global one, unless another library has set its own."""
    _delegate.switch(provider)
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
    """Stop measuring by ``provider`` what was made through OpenTelemetry's API."""
    if _delegate.current is provider:
        _delegate.switch(None)


@contextmanager
def renewed() -> Generator[None, None, None]:
    """Let the block begin with no meters and instruments handed out, and forget its own."""
    global _delegate  # noqa: PLW0603 - OpenTelemetry has one global provider
    before, _delegate = _delegate, DelegatingMeterProvider()
    try:
        yield
    finally:
        _delegate.switch(None)
        _delegate = before
