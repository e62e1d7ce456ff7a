"""What :func:`butterfly_otel.configure` takes, as types for what passes settings on to it.

A test holds them against its signature, where each is described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from opentelemetry.sdk.metrics.export import MetricReader
    from prometheus_client import CollectorRegistry

    from butterfly_otel.collectors import Source
    from butterfly_otel.settings.config import Engine, ExporterName, GpuId, NodeRole
    from butterfly_otel.settings.exporters import (
        Compression,
        OtlpProtocol,
        Temporality,
        TranslationStrategy,
    )


class MoreArguments(TypedDict, total=False):
    """What the test kit takes as it is, beside what it has defaults of its own for."""

    exporter: ExporterName | Sequence[ExporterName] | None
    service_name: str | None
    service_version: str | None
    resource_attributes: Mapping[str, str] | None
    prometheus_server: bool | None
    prometheus_host: str | None
    prometheus_port: int | None
    translation_strategy: TranslationStrategy | None
    scope_labels: bool | None
    target_info: bool | None
    registry: CollectorRegistry | None
    otlp_protocol: OtlpProtocol | None
    otlp_endpoint: str | None
    otlp_headers: Mapping[str, str] | None
    otlp_timeout: float | None
    otlp_compression: Compression | None
    otlp_certificate: str | PathLike[str] | None
    otlp_client_key: str | PathLike[str] | None
    otlp_client_certificate: str | PathLike[str] | None
    otlp_temporality: Temporality | None
    otlp_batch_size: int | None
    export_interval: float | None
    export_timeout: float | None
    views: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    zero_init: bool | None
    handle_signals: bool | None
    set_global: bool | None
    engine: Engine | None
    collectors: str | Sequence[str | Source] | None
    sampling_interval: float | None
    cpu_per_core: bool | None
    gpu_id: GpuId | None
    hardware_metrics: bool | None
    checkpoint_dir: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    time_to_live: Mapping[str, float] | None
    metric_readers: Sequence[MetricReader]


class Arguments(MoreArguments, total=False):
    """All of them."""

    node_id: str | None
    node_role: NodeRole | None
    strict: bool | None
