"""configure() and shutdown(): one runtime a process, clear errors, nothing left behind."""

from __future__ import annotations

import inspect
import pydoc
import socket
import threading
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import pytest
from opentelemetry import metrics as otel
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.exporters.push import PushMetricReader
from butterfly_otel.runtime.configure import Arguments
from butterfly_otel.settings.config import SETTINGS
from tests.unit.exporters.test_push import Recorder

Start = Callable[..., Any]
NODE: dict[str, Any] = {
    "node_id": "coordinator-1",
    "node_role": "coordinator",
    "handle_signals": False,
}


def scrape(url: str) -> str:
    """Return what the endpoint serves."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def test_pull_serves_the_contract_and_closes_its_port() -> None:
    """The endpoint serves exact names while configured and refuses connections afterwards."""
    runtime = butterfly_otel.configure(**NODE, prometheus_port=0, registry=CollectorRegistry())
    url = runtime.prometheus_url
    assert url is not None
    metrics.network_bytes_sent.add(10, to_node="b", protocol="quic")
    line = (
        'butterfly_network_bytes_sent{from_node="coordinator-1",protocol="quic",to_node="b"} 10.0'
    )
    assert line in scrape(url).splitlines()
    assert butterfly_otel.shutdown()
    with pytest.raises(URLError):
        scrape(url)
    assert runtime.prometheus_url is None


def test_equal_settings_return_the_same_runtime() -> None:
    """configure() twice with equal settings is harmless, from whatever source they come."""
    first = butterfly_otel.configure(**NODE, exporter="none")
    assert butterfly_otel.configure(**NODE, exporter="none") is first


def test_a_runtime_shows_whose_it_is_and_where_it_is_served() -> None:
    """What an interactive session prints after configure() is of use."""
    runtime = butterfly_otel.configure(**NODE, prometheus_port=0, registry=CollectorRegistry())
    assert repr(runtime) == f"<Runtime of coordinator 'coordinator-1': {runtime.prometheus_url}>"
    butterfly_otel.shutdown()
    assert repr(runtime) == "<Runtime of coordinator 'coordinator-1': ended>"
    runtime = butterfly_otel.configure(**NODE, exporter="none")
    assert repr(runtime) == "<Runtime of coordinator 'coordinator-1': not served>"


def test_different_settings_are_a_clear_error() -> None:
    """configure() again with other settings names what differs."""
    butterfly_otel.configure(**NODE, exporter="none")
    with pytest.raises(ConfigurationError, match="another node_id and strict"):
        butterfly_otel.configure(**{**NODE, "node_id": "x"}, exporter="none", strict=True)
    with pytest.raises(ConfigurationError, match="metric_readers"):
        butterfly_otel.configure(**NODE, exporter="none", metric_readers=[InMemoryMetricReader()])


def test_a_port_in_use_is_a_clear_error_and_leaves_nothing_behind() -> None:
    """The error names address and settings, and the next configure() works."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}.*in use.*port"):
            butterfly_otel.configure(**NODE, prometheus_host="127.0.0.1", prometheus_port=port)
    assert metrics.requests_total._sink is None
    runtime = butterfly_otel.configure(**NODE, prometheus_host="127.0.0.1", prometheus_port=port)
    assert runtime.prometheus_url == f"http://127.0.0.1:{port}/metrics"


def test_a_second_shutdown_is_harmless_and_nothing_is_exported_after_it(start: Start) -> None:
    """shutdown() may come any number of times; measurements after it go nowhere."""
    measured = start()
    assert butterfly_otel.shutdown()
    assert butterfly_otel.shutdown()
    assert measured.runtime.shutdown()
    metrics.requests_total.add(1, method="inference", status="success")
    assert measured.reader.get_metrics_data() is None


def test_the_resource_names_service_and_node(start: Start) -> None:
    """Namespace, name, instance id and version are on every export; others are kept."""
    measured = start(
        service_version="1.2", resource_attributes={"region": "eu", "service.namespace": "x"}
    )
    metrics.batch_size.set(1)
    data = measured.reader.get_metrics_data()
    attributes = data.resource_metrics[0].resource.attributes
    assert attributes["service.namespace"] == "butterfly"
    assert attributes["service.name"] == "butterfly-coordinator"
    assert attributes["service.instance.id"] == "coordinator-1"
    assert attributes["service.version"] == "1.2"
    assert attributes["region"] == "eu"


def test_known_series_start_at_zero(start: Start) -> None:
    """Counters with known labels exist before they are first measured; others don't."""
    measured = start(zero_init=True)
    requests = measured.values("butterfly_requests_total")
    assert set(requests.values()) == {0}
    assert len(requests) == 6
    assert measured.values("butterfly_consensus_leader_changes_total") == {(): 0}
    assert len(measured.points("butterfly_tasks_completed_total")) == 3
    assert measured.points("butterfly_tokens_processed_total") == []
    assert measured.points("butterfly_request_errors_total") == []
    assert measured.points("butterfly_byzantine_faults_detected_total") == []
    assert measured.points("butterfly_otel_label_violations_total") == []


def test_an_observer_starts_no_series_its_role_may_not_have(start: Start) -> None:
    """requests_in_flight knows no observers, so an observer starts none of it."""
    measured = start(zero_init=True, node_id="o", node_role="observer")
    assert measured.points("butterfly_requests_in_flight") == []
    assert len(measured.points("butterfly_requests_total")) == 6


def test_a_disabled_sdk_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true: no port, no series, no error, and handles are no-ops."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    runtime = butterfly_otel.configure()
    assert runtime.prometheus_url is None
    assert runtime.meter_provider is None
    metrics.requests_total.add(1, method="inference", status="success")
    assert butterfly_otel.force_flush()
    assert butterfly_otel.shutdown()


def test_openteletry_finds_our_provider_also_after_a_second_configure(start: Start) -> None:
    """Raw OpenTelemetry calls reach whichever provider is configured now."""
    for _ in range(2):
        measured = start()
        otel.get_meter("butterfly_otel").create_counter(
            "butterfly_consensus_leader_changes_total"
        ).add(1)
        otel.get_meter("application").create_counter("own").add(1)
        assert measured.values("butterfly_consensus_leader_changes_total") == {(): 1}
        assert measured.values("own") == {(): 1}
        butterfly_otel.shutdown()


def test_set_global_false_leaves_opentelemetry_alone(start: Start) -> None:
    """Without set_global, raw calls on the global provider don't reach us."""
    measured = start(set_global=False)
    otel.get_meter("application").create_counter("own").add(1)
    assert measured.points("own") == []


def test_several_readers_see_the_same(start: Start) -> None:
    """Pull and a further reader collect the same measurements, each whole."""
    registry = CollectorRegistry()
    measured = start(exporter="prometheus", prometheus_port=0, registry=registry)
    metrics.consensus_leader_changes_total.inc()
    for _ in range(2):
        assert "butterfly_consensus_leader_changes_total 1.0" in scrape(
            measured.runtime.prometheus_url
        )
        assert measured.values("butterfly_consensus_leader_changes_total") == {(): 1}


def test_a_wrong_overlay_leaves_nothing_running(tmp_path: Any) -> None:
    """configure() fails before any port is opened when an overlay is wrong."""
    with pytest.raises(ConfigurationError, match="can't be read"):
        butterfly_otel.configure(**NODE, views=tmp_path / "none.yaml")
    assert butterfly_otel.configure(**NODE, exporter="none") is not None


def test_a_failure_half_way_leaves_nothing_registered(start: Start, tmp_path: Any) -> None:
    """When one of several exporters can't be made, the others are gone again."""
    key = tmp_path / "key.pem"
    key.write_text("not a key")
    registry = CollectorRegistry()
    with pytest.raises(ConfigurationError, match="otlp_client_certificate"):
        start(
            exporter=["prometheus", "otlp"],
            registry=registry,
            prometheus_port=0,
            otlp_client_key=key,
        )
    assert list(registry.collect()) == []
    used = InMemoryMetricReader()
    butterfly_otel.configure(**NODE, exporter="none", metric_readers=[used])
    butterfly_otel.shutdown()
    with pytest.raises(ValueError, match="registered"):
        butterfly_otel.configure(
            **NODE, prometheus_port=0, registry=registry, metric_readers=[used]
        )
    assert list(registry.collect()) == []


def _pushed() -> tuple[Recorder, PushMetricReader]:
    exporter = Recorder()
    return exporter, PushMetricReader(exporter, name="test", interval=3600, timeout=5)


@pytest.mark.parametrize("action", [butterfly_otel.force_flush, butterfly_otel.shutdown])
def test_exports_wait_for_no_other_reader(action: Callable[[float], bool]) -> None:
    """All begin at once: here the first is not through before the second one has begun."""
    (waiting, first), (working, second) = _pushed(), _pushed()
    begun = threading.Event()

    def wait() -> MetricExportResult:
        return MetricExportResult.SUCCESS if begun.wait(5) else MetricExportResult.FAILURE

    def work() -> MetricExportResult:
        begun.set()
        return MetricExportResult.SUCCESS

    waiting.behave, working.behave = wait, work
    butterfly_otel.configure(**NODE, exporter="none", metric_readers=[first, second])
    metrics.consensus_leader_changes_total.add(1)
    assert action(30)


def test_shutdown_says_whether_the_last_export_succeeded() -> None:
    """What could not be exported any more is lost; whoever ends the process may want to know."""
    exporter, reader = _pushed()
    exporter.behave = lambda: MetricExportResult.FAILURE
    butterfly_otel.configure(**NODE, exporter="none", metric_readers=[reader])
    metrics.consensus_leader_changes_total.add(1)
    assert not butterfly_otel.shutdown()
    assert len(exporter.exported) == 1


def test_whatever_passes_settings_on_has_their_types() -> None:
    """``Arguments`` has the parameters of ``configure()``, with the same types."""
    fields = Arguments.__annotations__.items()
    passed_on = {name: annotation.__forward_arg__ for name, annotation in fields}
    parameters = inspect.signature(butterfly_otel.configure).parameters.values()
    taken = {each.name: each.annotation for each in parameters}
    assert passed_on == taken


def test_help_shows_every_setting() -> None:
    """help() has each setting's name, type, variables and what it does."""
    shown = pydoc.render_doc(butterfly_otel.configure, renderer=pydoc.plaintext)
    # Up to 3.13 types are shown in quotation marks.
    words = " ".join(shown.replace("'", "").split())
    for setting in SETTINGS:
        if setting.name:
            tells = setting.tells.replace("'", "")
            assert f"{setting.name}: {setting.takes} | None = None" in words, setting.name
            assert f" {setting.name}: {tells}" in words
            assert all(variable in words for variable in setting.variables)


def test_collectors_that_are_wrong_are_told_with_the_rest() -> None:
    """One error has a line for a wrong setting, for an unknown collector and for a wrong source."""
    with pytest.raises(ConfigurationError) as caught:
        butterfly_otel.configure(**NODE, strict="x", collectors=["cpuu", 5])
    lines = str(caught.value).split("\n")
    assert [line[: line.index("'") + 2] for line in lines[:1]] == ["strict is 'x"]
    assert lines[1].startswith("collectors has 5, which is neither")
    assert lines[2].startswith("collectors names 'cpuu', which is unknown")
    assert len(lines) == 3
