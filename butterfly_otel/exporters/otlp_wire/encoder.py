"""A whole collection in bytes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from opentelemetry.sdk.metrics.export import ExponentialHistogram, Gauge, Histogram, Sum

from butterfly_otel.exporters.extremes import without_unset
from butterfly_otel.exporters.otlp_wire import official
from butterfly_otel.exporters.otlp_wire.attributes import encode_attributes
from butterfly_otel.exporters.otlp_wire.exponential import encode_exponential_histograms
from butterfly_otel.exporters.otlp_wire.histograms import encode_histograms
from butterfly_otel.exporters.otlp_wire.numbers import encode_gauges, encode_sums
from butterfly_otel.exporters.otlp_wire.summaries import encode_summaries
from butterfly_otel.exporters.parts import points_of, split
from butterfly_otel.exporters.producing.model import PrometheusMetric, Summary
from butterfly_otel.exporters.wire import delimited, message, text, varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import (
        Metric,
        MetricsData,
        ResourceMetrics,
        ScopeMetrics,
    )

    from butterfly_otel.exporters.otlp_wire.series import Kept

    EncodePoints = Callable[[Any, Kept | None], tuple[bytes, Kept | None]]

_logger = logging.getLogger("butterfly_otel")

_RESOURCE_METRICS = b"\x0a"
_RESOURCE = b"\x0a"
_SCOPE_METRICS = b"\x12"
_SCOPE = b"\x0a"
_METRIC = b"\x12"
_SCHEMA_URL = b"\x1a"
_NAME = b"\x0a"
_DESCRIPTION = b"\x12"
_UNIT = b"\x1a"
_TEMPORALITY = b"\x10"
_MONOTONIC = b"\x18\x01"
_METADATA = b"\x62"

#: Of each kind of metric the tag, and what encodes its points. Exactly these types.
_KINDS: dict[type, tuple[bytes, EncodePoints]] = {
    Gauge: (b"\x2a", encode_gauges),
    Sum: (b"\x3a", encode_sums),
    Histogram: (b"\x4a", encode_histograms),
    ExponentialHistogram: (b"\x52", encode_exponential_histograms),
    Summary: (b"\x5a", encode_summaries),
}


class Batch(NamedTuple):
    """An ``ExportMetricsServiceRequest``.

    Attributes:
        body: Its bytes.
        points: How many points it has.
        data: What it was made of.
    """

    body: bytes
    points: int
    data: MetricsData


class MetricsEncoder:
    """Encodes collections one after the other, each with what was kept of the one before.

    The bytes decode to the same message as the official encoder's, wherever that has one.
    That one raises for a whole collection when it can't encode one metric of it; here such a
    metric is left out, which is logged once, and the rest is exported. Attributes that it logs
    and leaves out are left out here as well.

    What is kept has the size of the last collection: 180 bytes for a series of three labels.
    Thread-safe, and safe to fork at any time, because there is no lock: what is kept is never
    changed, only replaced, and collections that are encoded at once only profit less from each
    other.

    Attributes objects must not change while they are exported, as the SDK has it as well.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def encode(self, data: MetricsData) -> bytes:
        """Return the bytes of an ``ExportMetricsServiceRequest``."""
        return self.batches(data)[0].body

    def batches(self, data: MetricsData, most: int | None = None) -> list[Batch]:
        """Return one request or several, of at most ``most`` points each, None for any number."""
        points = points_of(data)
        # What needs no splitting is left as it is.
        parts = [data] if most is None or points <= most else [*split(data, most)]
        collection = _Collection(self._kept)
        batches = [Batch(collection.request(part), points_of(part), part) for part in parts]
        self._kept = collection.kept
        return batches


class _Collection:
    """A collection that is being encoded.

    Args:
        before: What was kept of the one before.

    Attributes:
        kept: What is to be kept of this one.
    """

    def __init__(self, before: dict[Any, Any]) -> None:
        self._before = before
        self.kept: dict[Any, Any] = {}

    def request(self, data: MetricsData) -> bytes:
        """Return a request of all or a part of the collection."""
        return b"".join(part for each in data.resource_metrics for part in self._resource(each))

    def _resource(self, each: ResourceMetrics) -> list[bytes]:
        described = self._described(each.resource, official.encode_resource)
        scopes = [part for scope in each.scope_metrics for part in self._scope(scope)]
        schema = text(_SCHEMA_URL, described.schema_url)
        content = [delimited(_RESOURCE, described.content), *scopes, schema]
        return message(_RESOURCE_METRICS, content)

    def _scope(self, each: ScopeMetrics) -> list[bytes]:
        described = self._described(each.scope, official.encode_scope)
        metrics = [part for metric in each.metrics for part in self._metric(metric, each.scope)]
        schema = text(_SCHEMA_URL, described.schema_url)
        content = [delimited(_SCOPE, described.content), *metrics, schema]
        return message(_SCOPE_METRICS, content)

    def _described(
        self,
        subject: Any,  # noqa: ANN401
        encode: Callable[[Any], official.Described],
    ) -> official.Described:
        """Return a resource or a scope, neither of which ever changes."""
        kept = self._before.get(id(subject))
        # It is held there, so that no other object can have its identity.
        self.kept[id(subject)] = kept = kept or (subject, encode(subject))
        return cast("official.Described", kept[1])

    def _metric(self, metric: Metric, scope: object) -> list[bytes]:
        key = (id(scope), metric.name, type(metric.data))
        while key in self.kept:  # instruments in conflict, and a metric's part in the next batch
            key = (*key, None)  # type: ignore[assignment]
        try:
            return message(_METRIC, self._fields(metric, key))
        except Exception:  # noqa: BLE001 - what is unusual may be so in any way
            return self._unusual_metric(metric, key)

    def _fields(self, metric: Metric, key: Any) -> list[bytes]:  # noqa: ANN401
        names = (
            text(_NAME, metric.name)
            + text(_DESCRIPTION, metric.description)
            + text(_UNIT, metric.unit)
        )
        if isinstance(metric, PrometheusMetric):
            metadata = {"prometheus.type": metric.prometheus_type}
            names += encode_attributes(metadata, _METADATA)[0]
        data: Any = metric.data
        tag, encode_points = _KINDS[type(data)]
        if not data.data_points:  # and then the official encoder says nothing of the kind either
            return [names]
        points, self.kept[key] = encode_points(data.data_points, self._before.get(key))
        content = [points]
        if not isinstance(data, (Gauge, Summary)):
            content += [_TEMPORALITY, varint(data.aggregation_temporality)]
        if isinstance(data, Sum) and data.is_monotonic:
            content.append(_MONOTONIC)
        return [names, *message(tag, content)]

    def _unusual_metric(self, metric: Metric, key: Any) -> list[bytes]:  # noqa: ANN401
        """Return a metric as the official encoder has it; nothing when it has nothing."""
        try:
            return [delimited(_METRIC, official.encode_metric(without_unset(metric)))]
        except Exception as error:  # noqa: BLE001 - one metric may not cost all the others
            self.kept["left out", key] = True
            if ("left out", key) not in self._before:
                _logger.warning(
                    "the metric %s can't be encoded for OTLP and is left out of exports: %s",
                    metric.name,
                    # Its text begins with the whole metric, all points of it.
                    str(error).rpartition("\n")[2],
                )
            return []
