"""The group that times collecting and encoding for OTLP."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, UnequalWorkError, require_equal, timings
from benchmarks.rows import OUR_ENCODER
from benchmarks.scrapes import Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricsData

    Encode = Callable[[MetricsData], bytes]


def official_encode(data: MetricsData) -> bytes:
    """Return the bytes of an export request, as the official exporters make them."""
    request: bytes = encode_metrics(data).SerializeToString()
    return request


def our_encoder() -> Encode:
    """Return the encoder that our engine's collections go through."""
    module, _, name = OUR_ENCODER.partition(":")
    encode: Encode = getattr(import_module(module), name)().encode
    return encode


def otlp(settings: Settings) -> dict[str, list[float]]:
    """Time collecting and encoding 11,000 points, by us and by the stock SDK."""
    series = Series(settings.size(10_000), settings.size(1_000))
    exporters = [
        _export("ours_otlp", series, our_encoder(), ours=True),
        _export("sdk_otlp", series, official_encode, ours=False),
    ]
    requests = {
        each.key: _points(each.names["encode"](each.names["fetch"]())) for each in exporters
    }
    for key, points in requests.items():
        if len(points) != len(series.counters) + len(series.histograms):
            raise UnequalWorkError(f"{key} has {len(points)} points")
    require_equal("OTLP messages", {**requests})
    return timings(exporters, settings)


def _export(key: str, series: Series, encode: Encode, *, ours: bool) -> Subject:
    reader = make.Collecting()
    counter, histogram = make.instruments(make.provider([reader], ours=ours))
    count = partial(counter.add, 1)
    series.fill(count, histogram.record)
    touch = partial(series.touch, count, histogram.record)
    return Subject(key, "encode(fetch())", {"encode": encode, "fetch": reader.fetch}, prepare=touch)


def _points(message: bytes) -> list[Any]:
    """Return what is the same in equal messages: all but times and the order of points."""
    request = ExportMetricsServiceRequest.FromString(message)
    found: list[Any] = []
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data") or ""
                for point in getattr(metric, kind).data_points:
                    point.ClearField("time_unix_nano")
                    point.ClearField("start_time_unix_nano")
                    attributes = sorted(
                        (each.key, each.value.string_value) for each in point.attributes
                    )
                    point.ClearField("attributes")
                    content = point.SerializeToString(deterministic=True)
                    head = (
                        str(resource.resource),
                        str(scope.scope),
                        metric.name,
                        metric.unit,
                        kind,
                    )
                    found.append((head, attributes, content))
    return sorted(found)
