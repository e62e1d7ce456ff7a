"""The meter provider: the SDK's own, with a gate before one of its meters."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.util.types import Attributes


class MeterProvider(SdkMeterProvider):
    """A drop-in for the SDK's MeterProvider that can put a gate before a meter.

    Whoever asks for the meter ``gated`` (any version, schema URL or attributes) gets the
    one meter that ``gate`` makes, so nothing measured on it can go past the gate.
    Thread-safe.

    Args:
        metric_readers: As in the SDK.
        resource: As in the SDK.
        views: As in the SDK.
        shutdown_on_exit: As in the SDK.
    """

    def __init__(
        self,
        metric_readers: Sequence[MetricReader] = (),
        resource: Resource | None = None,
        views: Sequence[View] = (),
        *,
        shutdown_on_exit: bool = True,
    ) -> None:
        super().__init__(
            metric_readers=metric_readers,
            resource=resource,
            views=views,
            shutdown_on_exit=shutdown_on_exit,
        )
        self._gates: dict[str, Meter] = {}
        self._gates_lock = Lock()

    def gate(self, name: str, make: Callable[[Meter], Meter], version: str | None = None) -> None:
        """From now on give ``make(meter)`` to whoever asks for the meter ``name``."""
        with self._gates_lock:
            self._gates[name] = make(super().get_meter(name, version))

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Meter:
        """Return a meter; the gated one where there is a gate of that name."""
        gated = self._gates.get(name)
        if gated is not None:
            return gated
        return super().get_meter(name, version, schema_url, attributes)
