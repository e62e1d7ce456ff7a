"""Units are told where translating back gives the very name."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from butterfly_otel.exporters.bridge import PrometheusMetricProducer, register_producer
from butterfly_otel.exporters.bridge.units import unit_of
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from tests.unit.exporters.bridge.bridged import Custom, family


@pytest.mark.parametrize(
    ("name", "told", "kind", "unit"),
    [
        ("x_seconds", "", "gauge", "s"),
        ("x_seconds_total", "", "counter", "s"),
        ("x_milliseconds", "", "histogram", "ms"),
        ("vllm:kv_bytes", "", "gauge", "By"),
        ("x_kilobytes", "", "gauge", "kBy"),
        ("x_seconds", "seconds", "gauge", "s"),
        ("hits_ratio", "", "gauge", "1"),
        ("x_requests_total", "requests", "counter", "requests"),
        # What would be added again, or is no unit.
        ("hits_ratio_total", "", "counter", ""),
        ("ratio_of_ratio", "", "gauge", ""),
        ("x_bytes_per_second", "", "gauge", ""),
        ("x_foo_bar", "foo_bar", "gauge", ""),
        ("seconds", "", "gauge", ""),
        ("vllm:seconds", "", "gauge", ""),
        ("seconds_since_start", "", "gauge", ""),
        ("x_total", "", "counter", ""),
        ("x_seconds_total", "", "gauge", ""),
        ("depth_m", "m", "gauge", ""),
        ("size_h", "", "gauge", ""),
    ],
)
def test_a_unit(name: str, told: str, kind: Any, unit: str) -> None:
    """Each by the name's last word or the family's UNIT, else none."""
    assert unit_of(name, told, kind) == unit


def test_our_own_endpoint_gives_the_names_back() -> None:
    """A producer's metrics may be scraped as well, of another registry: names are the same."""
    families: list[Metric] = [
        family("vllm:x_seconds", "gauge", ("", {}, 1)),
        family("a_bytes", "counter", ("_total", {}, 1), unit="bytes"),
        family("b_requests", "counter", ("_total", {}, 1), unit="requests"),
        family("c_total", "gauge", ("", {}, 1)),
        family("d_ratio", "gauge", ("", {}, 1)),
        family("e_total", "histogram", ("_bucket", {"le": "+Inf"}, 1), ("_sum", {}, 1)),
        family("f_seconds", "summary", ("_count", {}, 1), ("_sum", {}, 1)),
        family("g", "histogram", ("_bucket", {"le": "+Inf"}, 1)),
    ]
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    theirs.register(Custom(lambda: families))  # type: ignore[arg-type]
    reader = PrometheusMetricReader(registry=ours, scope_info_enabled=False)
    register_producer(reader, PrometheusMetricProducer(theirs))
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - only here

    provider = MeterProvider([reader], shutdown_on_exit=False)
    page = reader.render()[1].decode()
    provider.shutdown()
    names = {line.partition("{")[0].partition(" ")[0] for line in page.splitlines()} - {"#"}
    assert names - {"target_info"} == {
        *("vllm:x_seconds", "a_bytes_total", "b_requests_total", "c_total", "d_ratio"),
        *("e_total_bucket", "e_total_sum", "e_total_count"),
        *("f_seconds_bucket", "f_seconds_sum", "f_seconds_count"),
        *("g_bucket", "g_sum", "g_count"),
    }
