"""What we use of the official exporters that may move, and life without it."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

import butterfly_otel
from butterfly_otel.exporters.otlp import build, build_otlp_exporter, internals, official
from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from butterfly_otel.exporters.otlp.official import OfficialExporter
from butterfly_otel.settings.config import load_config
from butterfly_otel.settings.exporters import OtlpSettings
from tests.unit.exporters.otlp.receivers import raw
from tests.unit.exporters.prometheus.support import collected, counter, number

SECRET = "s3cr3t-t0ken"  # noqa: S105 - of nobody
BOTH = [(HttpExporter, "http/protobuf"), (GrpcExporter, "grpc")]
OFFICIAL_LOGGER = "opentelemetry.exporter.otlp.common.http"


@pytest.fixture(autouse=True)
def _unreported() -> Iterator[None]:
    """Let every test see what is reported once."""
    for each in (build._report, internals._report):
        each.cache_clear()
    yield
    for each in (build._report, internals._report):
        each.cache_clear()


def settings(**given: Any) -> OtlpSettings:
    """Return the settings that configure() would have."""
    return load_config({"node_id": "n", "node_role": "compute", **given}).otlp


@pytest.mark.parametrize(("ours", "protocol"), BOTH)
def test_ours_is_the_default(ours: Any, protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    """By either protocol configure() exports by our exporter, without a word about it."""
    exporter = build_otlp_exporter(settings(otlp_protocol=protocol))
    exporter.shutdown()
    assert type(exporter) is ours
    # Not what the thread of an export that another test gave up may still say.
    here = threading.get_ident()
    assert [each.getMessage() for each in caplog.records if each.thread == here] == []


@pytest.mark.parametrize(("_ours", "protocol"), BOTH)
def test_a_release_that_lacks_something_exports_by_itself(
    _ours: Any, protocol: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where ours can't be imported any more, the official exporter is used; that is said once."""
    for name in ("http_exporter", "grpc_exporter"):
        monkeypatch.setitem(sys.modules, f"butterfly_otel.exporters.otlp.{name}", None)
    for _ in range(2):
        exporter = build_otlp_exporter(settings(otlp_protocol=protocol))
        exporter.shutdown()
        assert type(exporter) is OfficialExporter
    [message] = caplog.messages
    assert "so OTLP exports use the official exporter" in message


def test_a_credential_provider_is_given_the_official_exporter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A provider's session, which is made for the official exporter, is used by that."""
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER", "mine")
    made: list[OtlpSettings] = []
    monkeypatch.setattr(build, "official_exporter", lambda given, *_preferences: made.append(given))
    build_otlp_exporter(settings())
    build_otlp_exporter(settings(otlp_protocol="grpc")).shutdown()
    assert [each.protocol for each in made] == ["http/protobuf"]


def test_private_names_that_are_gone_are_told_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without them the exporters' own metrics are missing, which is said once, and no more."""
    name = "opentelemetry.exporter.otlp.common._exporter_metrics"
    monkeypatch.setitem(sys.modules, name, None)
    HttpExporter(endpoint="http://localhost:1").shutdown()
    assert caplog.messages == []
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    for _ in range(2):
        HttpExporter(endpoint="http://localhost:1").shutdown()
    [message] = caplog.messages
    assert "has its metrics elsewhere" in message


def test_private_names_are_in_one_module() -> None:
    """Nothing else that exports by OTLP imports a private name of the official exporters."""
    folder = Path(butterfly_otel.__file__).parent / "exporters" / "otlp"
    private = [
        path.name
        for path in folder.rglob("*.py")
        if "opentelemetry.exporter" in path.read_text()
        and any(
            "opentelemetry.exporter" in line and "._" in line
            for line in path.read_text().splitlines()
        )
    ]
    assert private == ["internals.py"]


class Refusing(MetricExporter):
    """An official exporter whose every second part is refused, with logs like the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[int] = []

    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> MetricExportResult:
        """Log as the official exporters do, then refuse."""
        del timeout_millis
        self.parts.append(len(metrics_data.resource_metrics))
        logging.getLogger(OFFICIAL_LOGGER).warning("retrying http://u:%s@h", SECRET)
        logging.getLogger(OFFICIAL_LOGGER).error("failed, key=%s", SECRET)
        odd = len(self.parts) % 2
        return MetricExportResult.SUCCESS if odd else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 0) -> bool:
        """There is nothing to flush."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """There is nothing to end."""


def test_the_official_exporter_is_quiet_for_us_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Its logs are the reason of one line, without secrets; others keep theirs."""
    given = settings(otlp_headers={"api-key": SECRET}, otlp_batch_size=1)
    exporter = OfficialExporter(Refusing(), given, None)
    points = (number({"k": each}, 1) for each in "abcd")
    delivery = exporter.deliver(collected(counter("c", *points)))
    assert delivery.reason == "failed, key=***"
    assert delivery.undelivered is not None
    assert len(delivery.undelivered.resource_metrics) == 2
    assert caplog.messages == []
    logging.getLogger(OFFICIAL_LOGGER).warning("of somebody else")
    assert caplog.messages == ["of somebody else"]


@pytest.mark.parametrize(("_ours", "protocol"), BOTH)
def test_the_official_exporters_are_made_with_every_setting(_ours: Any, protocol: str) -> None:
    """They take what we pass, so that the fallback works where it is needed."""
    given = settings(otlp_protocol=protocol, otlp_compression="gzip", otlp_headers={"a": "b"})
    exporter = official.official_exporter(given, {})
    assert exporter.force_flush()
    exporter.shutdown()


def test_the_official_exporter_exports() -> None:
    """What it is given arrives, one batch after the other."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with raw(lambda: [head]) as receiver:
        given = settings(otlp_endpoint=receiver.endpoint, otlp_batch_size=1)
        exporter = official.official_exporter(given, {})
        points = (number({"k": each}, 1) for each in "ab")
        assert exporter.export(collected(counter("c", *points))) is MetricExportResult.SUCCESS
        exporter.shutdown()
    assert len(receiver.requests) == 2
