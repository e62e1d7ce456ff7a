"""Aggregation behind the OpenTelemetry API: the provider, and what we need of the SDK's inside."""

from __future__ import annotations

from butterfly_otel.engine.provider import GatedMeterProvider, MeterProvider

__all__ = ["GatedMeterProvider", "MeterProvider"]
