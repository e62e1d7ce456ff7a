"""Renders ``views/default.yaml``: the contract's Views as OTel declarative configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.catalog.model import Metric

_HEADER = """\
# Rendered from the catalogue by `butterfly-otel render`: edit the catalogue, not this.
#
# The Views of the Butterfly contract in OpenTelemetry's declarative configuration schema,
# for SDKs in any language: one View a metric, with its label allowlist, bucket boundaries
# and cardinality limit. butterfly_otel compiles the same Views from its catalogue and adds
# the one the schema cannot express: whatever else is measured on the meter is dropped.
#
# As a file for OTEL_CONFIG_FILE it is complete; replace the reader by your own.
file_format: "1.0"
meter_provider:
  readers:
    - pull:
        exporter:
          prometheus/development:
            host: localhost
            port: 9464
            scope_info_enabled: false
            translation_strategy: underscore_escaping_without_suffixes/development
  views:
"""


def render_views() -> str:
    """Return the text of ``views/default.yaml``."""
    lines = [line for metric in catalog.ALL for line in _view(metric)]
    return _HEADER + "\n".join(lines) + "\n"


def _view(metric: Metric) -> Iterator[str]:
    yield "    - selector:"
    yield f"        meter_name: {catalog.METER_NAME}"
    yield f"        instrument_name: {metric.name}"
    yield f"        instrument_type: {metric.instrument}"
    yield "      stream:"
    yield f"        aggregation_cardinality_limit: {metric.stream_limit}"
    if metric.buckets:
        yield "        aggregation:"
        yield "          explicit_bucket_histogram:"
        yield f"            boundaries: [{', '.join(map(_number, metric.buckets))}]"
    yield "        attribute_keys:"
    if metric.labels:
        yield "          included:"
        yield from (f"            - {key}" for key in metric.label_keys)
    else:
        # The schema wants at least one pattern: with every key excluded none is left.
        yield "          excluded:"
        yield '            - "*"'


def _number(value: float) -> str:
    # YAML 1.1 readers take 1e+06 for a string: digits and a point are read alike by all.
    return f"{value:.12f}".rstrip("0").removesuffix(".") + (".0" if value == int(value) else "")
