"""The contract through four pipelines into a real Prometheus, each of the 64 metrics exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import catalog
from tests.contract.drive import Expected, Series, drive, series

from .servers import OPENMETRICS, PROTOBUF, TEXT, Collector, Prometheus, Sample, Scrape, wait_until

pytestmark = pytest.mark.e2e

BYTES = ("butterfly_network_bytes_sent", "butterfly_network_bytes_received")
#: Labels that Prometheus adds: who was scraped, or who pushed.
ADDED = ("job", "instance", "__name__", "__type__", "__unit__")
OURS = '{__name__=~"butterfly_.*",__name__!~"butterfly_otel_.*"}'

Driven = Callable[..., Expected]


@pytest.fixture
def driven() -> Iterator[Driven]:
    """Return a function that configures the SDK and drives the whole contract."""
    with ExitStack() as stack:

        def configured(**settings: Any) -> Expected:
            butterfly_otel.configure(
                node_id="compute-node-1",
                node_role="compute",
                prometheus_host="127.0.0.1",
                prometheus_port=0,
                registry=CollectorRegistry(),
                export_interval=0.5,
                zero_init=False,
                strict=True,
                handle_signals=False,
                collectors="none",
                **settings,
            )
            return drive(stack)

        yield configured


def address() -> str:
    """Return the host:port of our endpoint."""
    runtime = butterfly_otel.runtime.lifecycle._current  # type: ignore[attr-defined]
    return str(runtime.prometheus_url).removeprefix("http://").removesuffix("/metrics")


def stored(prometheus: Prometheus, expected: Expected) -> dict[Series, float]:
    """Return what Prometheus has of the contract, once all of it has arrived."""

    def complete() -> list[Sample] | None:
        found = prometheus.query(OURS)
        return found if len(found) >= len(expected.samples) else None

    samples = wait_until(complete, 30, "every series of the contract")
    result: dict[Series, float] = {}
    for sample in samples:
        labels = {key: value for key, value in sample.labels.items() if key not in ADDED}
        identity = series(sample.labels["__name__"], labels)
        assert identity not in result, f"{identity} is there twice"
        result[identity] = sample.value
    return result


def assert_exact(found: dict[Series, float], expected: Expected) -> None:
    """Compare names, label sets, boundaries and values of all 64 metrics."""
    assert set(found) - set(expected.samples) == set()
    assert set(expected.samples) - set(found) == set()
    for identity, value in expected.samples.items():
        assert found[identity] == pytest.approx(value, rel=1e-12), identity


def assert_metadata(prometheus: Prometheus, *, openmetrics: bool = False) -> None:
    """Compare types and help of what was scraped with the catalogue's.

    In OpenMetrics a counter's family is named without ``_total``, and the two counters that
    lack it are of type unknown.
    """
    metadata = prometheus.metadata()
    for metric in catalog.CONTRACT:
        family, kind = metric.name, str(metric.type)
        if openmetrics and metric.name in BYTES:
            kind = "unknown"
        elif openmetrics and metric.type == "counter":
            family = metric.name.removesuffix("_total")
        [entry] = metadata[family]
        assert (family, entry["type"], entry["help"]) == (family, kind, metric.help)


@pytest.mark.parametrize("protocol", [TEXT, OPENMETRICS, PROTOBUF])
def test_scraped_by_prometheus_3(
    driven: Driven, prometheus3: Path, tmp_path: Path, protocol: str
) -> None:
    """Pipelines 1 and 2: a scrape in text 0.0.4, in OpenMetrics, and in protobuf."""
    expected = driven(exporter="prometheus")
    scrape = Scrape([address()], protocols=[protocol])
    with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
        assert_exact(stored(prometheus, expected), expected)
        assert_metadata(prometheus, openmetrics=protocol == OPENMETRICS)
        assert prometheus.query("up") == [
            Sample({"__name__": "up", "job": "butterfly", "instance": address()}, 1)
        ]
        [info] = prometheus.query("target_info")
    assert info.labels["service_namespace"] == "butterfly"
    assert info.labels["service_instance_id"] == "compute-node-1"


def test_scraped_by_prometheus_2(driven: Driven, prometheus2: Path, tmp_path: Path) -> None:
    """Debian's Prometheus 2.42, which chooses OpenMetrics by itself, stores the same."""
    expected = driven(exporter="prometheus")
    with Prometheus(prometheus2, tmp_path, scrapes=[Scrape([address()])]) as prometheus:
        assert_exact(stored(prometheus, expected), expected)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_pushed_through_the_collector(
    driven: Driven,
    otelcol: Path,
    prometheus3: Path,
    tmp_path: Path,
    protocol: str,
    compression: str,
) -> None:
    """Pipeline 3: OTLP into a Collector, whose Prometheus exporter is scraped."""
    with Collector(otelcol, tmp_path) as collector:
        grpc = protocol == "grpc"
        endpoint = collector.grpc_endpoint if grpc else collector.http_endpoint
        expected = driven(
            exporter="otlp",
            otlp_protocol=protocol,
            otlp_endpoint=endpoint,
            otlp_compression=compression,
        )
        assert butterfly_otel.force_flush()
        scrape = Scrape([collector.prometheus_target], protocols=[TEXT], honor_labels=True)
        with Prometheus(prometheus3, tmp_path, scrapes=[scrape]) as prometheus:
            assert_exact(stored(prometheus, expected), expected)
            assert_metadata(prometheus)
        butterfly_otel.shutdown()


def test_pushed_straight_into_prometheus_3(
    driven: Driven, prometheus3: Path, tmp_path: Path
) -> None:
    """Pipeline 4: OTLP into Prometheus' own receiver, which tells types by labels."""
    features = ["type-and-unit-labels"]
    with Prometheus(prometheus3, tmp_path, features=features) as prometheus:
        expected = driven(
            exporter="otlp",
            otlp_protocol="http/protobuf",
            otlp_endpoint=prometheus.otlp_endpoint,
        )
        assert butterfly_otel.force_flush()
        assert_exact(stored(prometheus, expected), expected)
        types = {
            one["__name__"].removesuffix("_bucket"): one["__type__"]
            for one in prometheus.series(OURS)
        }
        butterfly_otel.shutdown()
    assert {name: types[name] for name in expected.types} == expected.types


def test_pull_and_push_at_once(driven: Driven, prometheus3: Path, tmp_path: Path) -> None:
    """One process, both ways: each pipeline has the whole contract, and they agree."""
    with Prometheus(prometheus3, tmp_path) as prometheus:
        expected = driven(exporter=["prometheus", "otlp"], otlp_endpoint=prometheus.otlp_endpoint)
        assert butterfly_otel.force_flush()
        (tmp_path / "pull").mkdir()
        with Prometheus(prometheus3, tmp_path / "pull", scrapes=[Scrape([address()])]) as pulling:
            assert stored(pulling, expected) == stored(prometheus, expected)
        butterfly_otel.shutdown()
