"""Aggregation behind the OpenTelemetry API: the provider, and what we need of the SDK's inside.

It knows streams, cells and OpenTelemetry, and nothing of the contract. Private names of the SDK
stand in :mod:`.sdk_internals` alone; the stock SDK is the oracle of every change. May import:
``process``, nothing else of ours.
"""

from __future__ import annotations

from butterfly_otel.engine.provider import GatedMeterProvider, MeterProvider

__all__ = ["GatedMeterProvider", "MeterProvider"]
