"""OTEL_CONFIG_FILE: what there is of metrics is read, or refused with file and key."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import ConfigurationError, metrics
from butterfly_otel.engine.sdk_internals import exporter_preferences, provider_resource
from butterfly_otel.exporters.otlp import build_otlp_exporter
from butterfly_otel.settings.config import Config, load_config
from butterfly_otel.views.overlays import Overlaid, overlay_with, shipped
from butterfly_otel.views.streams import default_streams

NODE: dict[str, Any] = {"node_id": "n1", "node_role": "compute"}
WHOLE = """\
file_format: "1.0"
log_level: info
propagator: {composite: [{tracecontext: {}}]}
tracer_provider: {processors: [{simple: {exporter: {console: {}}}}]}
resource:
  attributes:
    - name: service.name
      value: node-in-${REGION:-eu}
    - {name: rack, value: 3}
    - {name: spare, value: true}
    - {name: unset, value: null}
  attributes_list: "zone=b,rack=9"
meter_provider:
  exemplar_filter: always_off
  readers:
    - pull:
        exporter:
          prometheus/development:
            host: 127.0.0.1
            port: ${PORT:-9470}
            scope_info_enabled: true
            target_info_enabled/development: false
            translation_strategy: no_translation/development
    - periodic:
        interval: 5000
        timeout: 2000
        max_export_batch_size/development: 700
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}/v1/metrics
            headers:
              - name: Api-Key
                value: "${TOKEN}"
              - {name: x, value: one}
            headers_list: "x=two,y=three"
            compression: gzip
            timeout: 1500
            temporality_preference: low_memory
            default_histogram_aggregation: base2_exponential_bucket_histogram
  views:
    - selector: {instrument_name: butterfly_request_duration_seconds}
      stream:
        aggregation: {explicit_bucket_histogram: {boundaries: [1, 2]}}
    - selector: {instrument_name: http.x}
      stream: {name: "${NAME:-y}"}
"""
ENVIRON = {"COLLECTOR": "http://collector:4318", "TOKEN": "4711"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a file with all that is read."""
    path = tmp_path / "otel.yaml"
    path.write_text(WHOLE)
    return path


def of(path: Path, environ: dict[str, str] | None = None, **arguments: Any) -> Config:
    """Return the settings under a file."""
    variables = {**(environ or {}), "OTEL_CONFIG_FILE": str(path)}
    return load_config({**NODE, **arguments}, variables)


def written(folder: Path, metrics_part: str, head: str = "") -> Path:
    """Write a file with one part of the meter provider."""
    path = folder / "otel.yaml"
    path.write_text(f"file_format: '1.0'\n{head}meter_provider:\n{metrics_part}")
    return path


def test_all_that_applies_is_read(file: Path) -> None:
    """Readers, exporters, resource and filter are the settings that ask for the same."""
    config = of(file, ENVIRON)
    assert config.exporters == ("prometheus", "otlp")
    assert config.service_name == "node-in-eu"
    assert dict(config.resource_attributes) == {
        "service.name": "node-in-eu",
        "rack": "3",
        "spare": "true",
        "zone": "b",
    }
    pull, push = config.prometheus, config.otlp
    assert (pull.host, pull.port) == ("127.0.0.1", 9470)
    assert (pull.scope_labels, pull.target_info) == (True, False)
    assert pull.translation_strategy == "NoTranslation"
    assert (config.export_interval, config.export_timeout) == (5, 2)
    assert (push.protocol, push.endpoint) == (
        "http/protobuf",
        "http://collector:4318/v1/metrics",
    )
    assert dict(push.headers) == {"api-key": "4711", "x": "one", "y": "three"}
    assert (push.compression, push.timeout, push.batch_size) == ("gzip", 1.5, 700)
    assert (push.temporality, push.histograms) == (
        "lowmemory",
        "base2_exponential_bucket_histogram",
    )
    assert config.exemplar_filter == "always_off"
    assert not config.disabled


def test_grpc_with_tls(tmp_path: Path) -> None:
    """An exporter by gRPC is read with its files and what makes it insecure."""
    pem = tmp_path / "ca.pem"
    pem.write_text("x")
    path = written(
        tmp_path,
        "  readers:\n    - periodic:\n        exporter:\n          otlp_grpc:\n"
        "            endpoint: collector:4317\n"
        f"            tls: {{ca_file: {pem}, insecure: true}}\n",
    )
    otlp = of(path).otlp
    assert (otlp.protocol, otlp.endpoint) == ("grpc", "http://collector:4317")
    assert otlp.certificate == pem


def test_variables_of_opentelemetry_are_replaced(file: Path) -> None:
    """No variable of OpenTelemetry decides anything beside a file, also where it is silent."""
    others = {
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_EXPORTER_PROMETHEUS_PORT": "1",
        "OTEL_EXPORTER_OTLP_HEADERS": "z=9",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/no/file",
        "OTEL_RESOURCE_ATTRIBUTES": "region=x",
        "OTEL_SERVICE_NAME": "other",
        "OTEL_METRIC_EXPORT_INTERVAL": "1",
        "OTEL_METRICS_EXEMPLAR_FILTER": "always_on",
    }
    assert of(file, {**ENVIRON, **others}) == of(file, ENVIRON)


def test_arguments_and_our_variables_decide(file: Path) -> None:
    """Arguments beat our variables, and those beat the file."""
    ours = {"BUTTERFLY_OTEL_SCOPE_LABELS": "false", "BUTTERFLY_OTEL_TRANSLATION_STRATEGY": "x"}
    config = of(
        file,
        {**ENVIRON, **ours},
        prometheus_port=9999,
        translation_strategy="NoUTF8EscapingWithSuffixes",
        resource_attributes={"zone": "c"},
    )
    assert config.prometheus.port == 9999
    assert not config.prometheus.scope_labels
    assert config.prometheus.translation_strategy == "NoUTF8EscapingWithSuffixes"
    attributes = dict(config.resource_attributes)
    assert (attributes["zone"], attributes["rack"]) == ("c", "3")


def test_the_older_variable_and_the_argument(file: Path) -> None:
    """The variable of older releases names a file as well, and so does an argument."""
    older = load_config(NODE, {**ENVIRON, "OTEL_EXPERIMENTAL_CONFIG_FILE": str(file)})
    given = load_config({**NODE, "config_file": file}, ENVIRON)
    assert older == given == of(file, ENVIRON)


def test_references_to_variables(tmp_path: Path) -> None:
    """A reference that stands alone has the variable's type; in quotes and in text it is text."""
    path = written(
        tmp_path,
        "  readers:\n    - pull:\n        exporter:\n          prometheus/development:\n"
        "            port: ${env:PORT}\n            host: a${HOST:-}b$$c\n",
        'resource:\n  attributes:\n    - {name: "${KEY}", value: "${PORT}"}\n'
        "    - name: zone\n      value: ${UNSET}\n",
    )
    config = of(path, {"PORT": "9471", "KEY": "k"})
    assert (config.prometheus.port, config.prometheus.host) == (9471, "ab$c")
    assert dict(config.resource_attributes) == {"k": "9471"}


def test_keys_are_not_replaced(tmp_path: Path) -> None:
    """A key that looks like a reference is a key, which the schema does not know."""
    path = tmp_path / "otel.yaml"
    path.write_text("file_format: '1.0'\nmeter_provider:\n  ${KEY}: []\n  readers: []\n")
    with pytest.raises(ConfigurationError, match=r"\$\{KEY\}"):
        of(path, {"KEY": "views"})


def test_a_part_that_is_referred_to_again_is_replaced_once(tmp_path: Path) -> None:
    """What an alias stands for is not looked at again, so that ``$$`` stays what it is."""
    path = written(
        tmp_path,
        "  readers: [{periodic: {exporter: {console: {}}}}]\n",
        'resource:\n  attributes: [{name: a, value: &v "$${B}"}, {name: b, value: *v}]\n',
    )
    assert dict(of(path, {"B": "x"}).resource_attributes) == {"a": "${B}", "b": "${B}"}


def test_a_file_without_metrics(tmp_path: Path) -> None:
    """Where there is no meter provider, variables decide of metrics; the resource is the file's."""
    path = tmp_path / "otel.yaml"
    path.write_text("file_format: '1.0'\nresource: {attributes: [{name: a, value: b}]}\n")
    environ = {"OTEL_METRICS_EXPORTER": "console", "OTEL_RESOURCE_ATTRIBUTES": "x=y"}
    config = of(path, environ)
    assert config.exporters == ("console",)
    assert dict(config.resource_attributes) == {"a": "b"}


def test_disabled(tmp_path: Path) -> None:
    """A file switches everything off, and no name of a node is needed then."""
    path = tmp_path / "otel.yaml"
    path.write_text("file_format: '1.0'\ndisabled: true\n")
    environ = {"OTEL_CONFIG_FILE": str(path)}
    assert load_config({}, environ).disabled
    assert load_config({}, {**environ, "OTEL_SDK_DISABLED": "false"}).disabled
    path.write_text("file_format: '1.0'\ndisabled: false\n")
    assert load_config({}, {**environ, "OTEL_SDK_DISABLED": "true"}).disabled
    assert not of(path).disabled


def _reader(text: str) -> str:
    return f"  readers:\n    - {text}\n"


CONSOLE = "{periodic: {exporter: {console: {}}}}"
HTTP = "{periodic: {exporter: {otlp_http: %s}}}"
PULL = "{pull: {exporter: {prometheus/development: %s}}}"
WRONG = [
    (
        _reader(HTTP % "{}") + f"    - {HTTP % '{}'}\n",
        "readers.1.periodic.exporter.otlp_http",
        "second",
    ),
    (_reader(PULL % "{}") + f"    - {PULL % '{}'}\n", "readers.1.pull", "metric_readers"),
    (
        _reader("{periodic: {interval: 1000, exporter: {console: {}}}}") + f"    - {HTTP % '{}'}\n",
        "readers.1.periodic.interval",
        "differs from another reader's",
    ),
    (_reader("{periodic: {exporter: {zipkin: {}}}}"), "exporter.zipkin", "otlp_http"),
    (
        _reader("{periodic: {exporter: {otlp_file/development: {}}}}"),
        "exporter.otlp_file/development",
        "not known",
    ),
    (
        _reader("{periodic: {exporter: {console: {}}, producers: [{opencensus: {}}]}}"),
        "readers.0.periodic.producers",
        "can't be done",
    ),
    (
        _reader("{periodic: {exporter: {console: {}}, cardinality_limits: {default: 5}}}"),
        "readers.0.periodic.cardinality_limits",
        "aggregation_cardinality_limit",
    ),
    (
        _reader("{periodic: {exporter: {console: {temporality_preference: delta}}}}"),
        "console.temporality_preference",
        "cumulative",
    ),
    (_reader(HTTP % "{encoding: json}"), "otlp_http.encoding", "protobuf"),
    (_reader(HTTP % "{endpoint: 'nowhere'}"), "otlp_http.endpoint", "must be a URL"),
    (_reader(HTTP % "{timeout: 0}"), "otlp_http.timeout", "above 0"),
    (_reader(HTTP % "{compression: brotli}"), "otlp_http.compression", "none, gzip or deflate"),
    (_reader(HTTP % "{tls: {ca_file: /no/ca.pem}}"), "otlp_http.tls.ca_file", "can't be read"),
    (_reader(HTTP % "{headers_list: x}"), "otlp_http.headers_list", "key=value"),
    (
        _reader(PULL % "{resource_constant_labels: {included: [x]}}"),
        "prometheus/development.resource_constant_labels",
        "target_info",
    ),
    (_reader(PULL % "{port: 99999}"), "prometheus/development.port", "from 0 to 65535"),
    (
        _reader(CONSOLE) + "  meter_configurator/development: {default_config: {enabled: true}}\n",
        "meter_provider.meter_configurator/development",
        "can't be done",
    ),
]


@pytest.mark.parametrize(("text", "key", "says"), WRONG, ids=[each[1] for each in WRONG])
def test_what_cant_be_done_is_refused(tmp_path: Path, text: str, key: str, says: str) -> None:
    """Each is one sentence with the file, the key and the way out."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=re.escape(key)) as caught:
        of(path)
    said = str(caught.value)
    assert str(path) in said
    assert says in said
    assert "\n" not in said


TOP = [
    ("file_format: '0.4'\n", "file_format", "only 1.x"),
    ("file_format: '1.0'\nmeter_provider: {}\n", "meter_provider", "readers"),
    (
        "file_format: '1.0'\nresource: {detection/development: {detectors: [{host: {}}]}}\n",
        "resource.detection/development",
        "one by one",
    ),
    (
        "file_format: '1.0'\nresource: {schema_url: http://x}\n",
        "resource.schema_url",
        "leave it out",
    ),
    (
        "file_format: '1.0'\nresource: {attributes: [{name: a, value: [b, c]}]}\n",
        "resource.attributes.0",
        "a list",
    ),
    ("file_format: '1.0'\ndisabled: ${X:?}\n", "is not YAML", "is not a variable"),
    ("file_format: '1.0'\ndisabled: perhaps\n", "disabled", "boolean"),
    ("- 1\n", "is not a mapping", "otel.yaml"),
]


@pytest.mark.parametrize(("text", "key", "says"), TOP, ids=[each[1] for each in TOP])
def test_what_is_wrong_outside_the_meter_provider(
    tmp_path: Path, text: str, key: str, says: str
) -> None:
    """Each is one sentence with the file and the key."""
    path = tmp_path / "otel.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(key)) as caught:
        of(path)
    said = str(caught.value)
    assert str(path) in said
    assert says in said
    assert "\n" not in said


def test_no_secret_is_shown(file: Path, tmp_path: Path) -> None:
    """Neither the settings nor an error show what a variable brought in."""
    assert "hunter2" not in repr(of(file, {**ENVIRON, "TOKEN": "hunter2"}))
    path = written(
        tmp_path,
        "  readers:\n    - periodic:\n        exporter:\n          otlp_http:\n"
        "            headers:\n              - name: key\n                value: ${TOKEN}\n",
    )
    with pytest.raises(ConfigurationError, match=r"headers\.0\.value") as caught:
        of(path, {"TOKEN": "271828"})
    assert "271828" not in str(caught.value)
    assert "in quotes" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "meter_provider: {readers: [{periodic: {exporter: {otlp_http: {x: hunter2: y}}}}]}",
        (
            "meter_provider:\n  readers:\n    - periodic: {exporter: {console: {}, x: hunter2}}\n"
            "      pull: {exporter: {prometheus/development: {}}}"
        ),
        "resource: {attributes: [{name: hunter2, value: {x: hunter2}}]}",
        "disabled: hunter2",
    ],
)
def test_no_secret_of_a_file_is_in_an_error(tmp_path: Path, text: str) -> None:
    """What breaks YAML or the schema is named by its place, and not repeated."""
    path = tmp_path / "otel.yaml"
    path.write_text(f"file_format: '1.0'\n{text}\n")
    with pytest.raises(ConfigurationError) as caught:
        of(path)
    assert "hunter2" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_views_that_ship_are_a_whole_file() -> None:
    """``views/default.yaml`` says what it can be used for: its exact names, and its Views."""
    config = of(shipped("default"))
    assert config.exporters == ("prometheus",)
    assert config.prometheus.translation_strategy == "UnderscoreEscapingWithoutSuffixes"
    file = config.config_file
    assert file is not None
    overlaid = overlay_with(Overlaid(default_streams()), file.views, file.path)
    assert overlaid == Overlaid(default_streams())


def test_what_is_not_ours_is_said_at_debug(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Traces, propagators and levels are left to others, which the debug log has."""
    with caplog.at_level(logging.DEBUG, "butterfly_otel"):
        of(file, ENVIRON)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "log_level, propagator, tracer_provider" in record.getMessage()


def test_it_measures_as_the_file_says(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Views of the file narrow the contract and rename others, before those that are passed."""
    text = WHOLE[: WHOLE.index("    - periodic:")] + WHOLE[WHOLE.index("  views:") :]
    file.write_text(text)
    overlay = written(
        tmp_path,
        "  views:\n    - {selector: {instrument_name: butterfly_requests_total}, stream:"
        " {attribute_keys: {excluded: [method]}}}\n",
    ).rename(tmp_path / "overlay.yaml")
    file.write_text(text)
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(file))
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "region=x")
    reader = InMemoryMetricReader()
    runtime = butterfly_otel.configure(
        **NODE,
        prometheus_server=False,
        registry=CollectorRegistry(),
        views=overlay,
        metric_readers=[reader],
        zero_init=False,
    )
    provider = runtime.meter_provider
    assert provider is not None
    metrics.request_duration_seconds.record(1.5, method="inference")
    metrics.requests_total.add(1, method="inference", status="success")
    provider.get_meter("web").create_counter("http.x").add(1)
    data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
    found = {
        metric["name"]: metric["data"]["data_points"][0]
        for scope in data["resource_metrics"][0]["scope_metrics"]
        for metric in scope["metrics"]
    }
    assert found["butterfly_request_duration_seconds"]["explicit_bounds"] == [1, 2]
    assert "method" not in found["butterfly_requests_total"]["attributes"]
    assert "y" in found
    assert "http.x" not in found
    resource = provider_resource(provider)
    assert resource is not None
    assert "region" not in resource.attributes
    assert resource.attributes["telemetry.sdk.name"] == "opentelemetry"
    assert resource.attributes["zone"] == "b"
    assert runtime.prometheus_reader is not None


def test_a_view_of_the_file_that_changes_the_contract(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A View beyond narrowing is one sentence that names the file."""
    file.write_text(
        WHOLE.replace("instrument_name: http.x", "instrument_name: butterfly_quorum_size")
    )
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(file))
    monkeypatch.setenv("COLLECTOR", "http://127.0.0.1:9")
    with pytest.raises(
        ConfigurationError, match="changes the name of butterfly_quorum_size"
    ) as caught:
        butterfly_otel.configure(**NODE, registry=CollectorRegistry())
    assert str(file) in str(caught.value)


def test_exponential_histograms_by_otlp() -> None:
    """What histograms are by default reaches the reader that pushes, by any protocol."""
    for protocol in ("http/protobuf", "grpc"):
        for name, kind in (
            ("base2_exponential_bucket_histogram", ExponentialBucketHistogramAggregation),
            ("explicit_bucket_histogram", type(None)),
        ):
            config = load_config({**NODE, "otlp_histograms": name, "otlp_protocol": protocol}, {})
            exporter = build_otlp_exporter(config.otlp)
            _, aggregation = exporter_preferences(exporter)
            assert isinstance((aggregation or {}).get(Histogram), kind)
            exporter.shutdown()


def test_an_exemplar_filter_is_a_setting() -> None:
    """The filter that is asked for is the provider's."""
    runtime = butterfly_otel.configure(**NODE, exporter="none", exemplar_filter="always_on")
    provider: Any = runtime.meter_provider
    assert type(provider._sdk_config.exemplar_filter).__name__ == "AlwaysOnExemplarFilter"
