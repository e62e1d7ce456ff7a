"""The engine's oracle: the SDK, in releases before 1.45.2 with what stands in for its limits."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import _internal as internal

from butterfly_otel.engine.sdk_internals import StockMeterProvider as StockProvider

__all__ = ["MeterConfig", "StockProvider"]

#: None before 1.41, where no meter can be disabled.
MeterConfig: Any = getattr(internal, "_MeterConfig", None)
