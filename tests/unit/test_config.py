"""Settings from arguments and environment, and what is said about wrong ones."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.settings.config import SETTINGS, load_config

NODE: dict[str, object] = {"node_id": "n1", "node_role": "compute"}
ENV = {"BUTTERFLY_NODE_ID": "n1", "BUTTERFLY_NODE_ROLE": "compute"}


def test_defaults_are_those_of_the_specifications() -> None:
    """Pull on localhost:9464, push by HTTP to localhost:4318 each minute, cumulative."""
    config = load_config(dict(NODE), {})
    assert config.exporters == ("prometheus",)
    assert (config.prometheus.host, config.prometheus.port) == ("localhost", 9464)
    assert config.otlp.protocol == "http/protobuf"
    assert config.otlp.endpoint == "http://localhost:4318/v1/metrics"
    assert config.otlp.temporality == "cumulative"
    assert (config.export_interval, config.export_timeout) == (60, 30)
    assert config.service_name == "butterfly-compute"
    assert not config.strict


def test_everything_can_come_from_the_environment() -> None:
    """The standard variables and ours say the same as arguments would."""
    environ = {
        **ENV,
        "OTEL_METRICS_EXPORTER": "prometheus, otlp",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104 - only read back
        "OTEL_EXPORTER_PROMETHEUS_PORT": "9100",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%20b, x=y",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Delta",
        "BUTTERFLY_OTEL_OTLP_BATCH_SIZE": "700",
        "OTEL_METRIC_EXPORT_INTERVAL": "1500",
        "OTEL_METRIC_EXPORT_TIMEOUT": "700",
        "OTEL_SERVICE_NAME": "svc",
        "OTEL_RESOURCE_ATTRIBUTES": "region=eu,zone=b",
        "BUTTERFLY_OTEL_PROMETHEUS_SERVER": "false",
        "BUTTERFLY_OTEL_STRICT": "true",
        "BUTTERFLY_OTEL_ZERO_INIT": "off",
        "BUTTERFLY_OTEL_VIEWS": "low-cardinality",
        "BUTTERFLY_OTEL_TRANSLATION_STRATEGY": "NoTranslation",
        "BUTTERFLY_OTEL_GPU_ID": "index",
        "BUTTERFLY_OTEL_HARDWARE_METRICS": "1",
        "BUTTERFLY_OTEL_CHECKPOINT_DIR": f"/a{os.pathsep}/b",
        "BUTTERFLY_OTEL_TIME_TO_LIVE": "x=1.5,butterfly_connection_active=300",
        "BUTTERFLY_OTEL_ACROSS": "my_gauge=max",
    }
    config = load_config({}, environ)
    assert config == load_config(
        {
            **NODE,
            "exporter": ["prometheus", "otlp"],
            "prometheus_host": "0.0.0.0",  # noqa: S104 - only read back
            "prometheus_port": 9100,
            "prometheus_server": False,
            "otlp_protocol": "grpc",
            "otlp_endpoint": "http://collector:4317",
            "otlp_headers": {"Api-Key": "a b", "x": "y"},
            "otlp_timeout": 2.5,
            "otlp_compression": "gzip",
            "otlp_temporality": "delta",
            "otlp_batch_size": 700,
            "export_interval": 1.5,
            "export_timeout": 0.7,
            "service_name": "svc",
            "resource_attributes": {"region": "eu", "zone": "b"},
            "strict": True,
            "zero_init": False,
            "views": "low-cardinality",
            "translation_strategy": "NoTranslation",
            "gpu_id": "index",
            "hardware_metrics": True,
            "checkpoint_dir": ["/a", "/b"],
            "time_to_live": {"butterfly_connection_active": 300, "x": 1.5},
            "across": {"my_gauge": "max"},
        },
        {},
    )


def test_arguments_beat_environment() -> None:
    """What is passed stands, whatever the environment says, even if that is wrong."""
    environ = {**ENV, "OTEL_METRICS_EXPORTER": "zipkin", "OTEL_EXPORTER_PROMETHEUS_PORT": "x"}
    config = load_config({"exporter": "none", "prometheus_port": 0, "node_id": "n2"}, environ)
    assert config.exporters == ()
    assert config.prometheus.port == 0
    assert config.node_id == "n2"


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/x/"}, "http://c:4318/x/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/m"}, "http://c:4318/m"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a",
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://b/m",
            },
            "https://b/m",
        ),
    ],
)
def test_otlp_endpoints_are_built_as_specified(environ: dict[str, str], endpoint: str) -> None:
    """The shared endpoint gets the signal's path, the metrics endpoint is used as it is."""
    assert load_config(dict(NODE), environ).otlp.endpoint == endpoint


def test_empty_variables_are_unset() -> None:
    """An empty environment variable means its default, as OpenTelemetry says."""
    environ = {**ENV, "OTEL_METRICS_EXPORTER": "", "OTEL_EXPORTER_PROMETHEUS_PORT": ""}
    assert load_config({}, environ).exporters == ("prometheus",)


def test_blank_variables_are_unset() -> None:
    """A variable of nothing but spaces means its default, and hides no other."""
    environ = {
        **ENV,
        "OTEL_EXPORTER_PROMETHEUS_PORT": " ",
        "OTEL_METRIC_EXPORT_INTERVAL": " ",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": " ",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    config = load_config({}, environ)
    assert (config.prometheus.port, config.export_interval) == (9464, 60)
    assert config.otlp.protocol == "grpc"


class _Role(str, Enum):
    COMPUTE = "compute"


def test_arguments_may_be_mappings_and_enumerations_of_texts() -> None:
    """Whatever fits the signature is taken, a read-only mapping and a member of an Enum too."""
    pairs = MappingProxyType({"a": "b"})
    config = load_config(
        {
            "node_id": "n1",
            "node_role": _Role.COMPUTE,
            "resource_attributes": pairs,
            "otlp_headers": pairs,
            "time_to_live": MappingProxyType({"x": 1.5}),
        },
        {},
    )
    assert config.node_role == "compute"
    assert config.resource_attributes == config.otlp.headers == (("a", "b"),)
    assert config.time_to_live == (("x", 1.5),)


def test_an_error_shows_no_secret() -> None:
    """A header's value may be a token, and messages go into logs."""
    with pytest.raises(ConfigurationError) as caught:
        load_config({**NODE, "otlp_headers": {"authorization": "tok\nen"}}, {})
    assert "tok" not in str(caught.value)


def test_a_disabled_sdk_needs_no_node() -> None:
    """OTEL_SDK_DISABLED switches everything off, so nothing else need be set."""
    assert load_config({}, {"OTEL_SDK_DISABLED": "TRUE"}).disabled


WRONG: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"node_role": "compute"}, {}, "node_id is not set.*BUTTERFLY_NODE_ID"),
    ({"node_id": "n"}, {}, "node_role is not set.*coordinator, compute or observer"),
    ({"node_id": "", "node_role": "compute"}, {}, "node_id is ''"),
    ({**NODE, "node_role": "leader"}, {}, "node_role is 'leader'.*coordinator, compute"),
    ({"node_id": "n"}, {"BUTTERFLY_NODE_ROLE": "x"}, "BUTTERFLY_NODE_ROLE is 'x'"),
    ({**NODE, "exporter": "zipkin"}, {}, "exporter is 'zipkin'.*prometheus, otlp"),
    (NODE, {"OTEL_METRICS_EXPORTER": "a,b"}, "OTEL_METRICS_EXPORTER is 'a'"),
    ({**NODE, "exporter": ["none", "otlp"]}, {}, "'none' and something else"),
    ({**NODE, "push_registry": "yes"}, {}, "push_registry is 'yes'"),
    (NODE, {"BUTTERFLY_OTEL_PUSH_REGISTRY": "all"}, "BUTTERFLY_OTEL_PUSH_REGISTRY is 'all'"),
    ({**NODE, "exporter": 7}, {}, "exporter is 7"),
    ({**NODE, "processes": "all"}, {}, "processes is 'all'.*separate or shared"),
    ({**NODE, "process_group": 1}, {}, "process_group is 1"),
    ({**NODE, "processes_directory": 1}, {}, "processes_directory is 1"),
    ({**NODE, "otlp_processes": "leader"}, {}, "otlp_processes is 'leader'.*node or process"),
    (
        {**NODE, "processes": "shared", "exporter": "otlp", "otlp_temporality": "delta"},
        {},
        "otlp_temporality is 'delta'.*otlp_processes to 'process'",
    ),
    ({**NODE, "gpu_id": "name"}, {}, "gpu_id is 'name'.*uuid, index or pci"),
    ({**NODE, "checkpoint_dir": 3}, {}, "checkpoint_dir is 3"),
    ({**NODE, "collectors": ["disk"]}, {}, "'disk'.*BUTTERFLY_OTEL_CHECKPOINT_DIR"),
    ({**NODE, "time_to_live": 3}, {}, "time_to_live is 3"),
    ({**NODE, "time_to_live": {"x": 0}}, {}, "time_to_live has '0' for x.*above 0"),
    (NODE, {"BUTTERFLY_OTEL_TIME_TO_LIVE": "x=soon"}, "TIME_TO_LIVE has 'soon' for x"),
    ({**NODE, "time_to_live": {"x": 1}, "engine": "sdk"}, {}, "time_to_live needs engine"),
    ({**NODE, "across": "max"}, {}, "across is 'max'; pass a dict"),
    ({**NODE, "across": {"x": "most"}}, {}, "across has 'most' for x.*one of sum, max"),
    (NODE, {"BUTTERFLY_OTEL_ACROSS": "x=all"}, "BUTTERFLY_OTEL_ACROSS has 'all' for x"),
    ({**NODE, "catalogs": [3]}, {}, "catalogs has 3, which is neither a Catalog"),
    (
        NODE,
        {"BUTTERFLY_OTEL_CATALOGS": "no.such:THING"},
        "BUTTERFLY_OTEL_CATALOGS: the contract no.such:THING",
    ),
    ({**NODE, "exporter": []}, {}, r"exporter is \[\]"),
    ({**NODE, "prometheus_server": 0}, {}, "prometheus_server is 0; pass True or False"),
    (NODE, {"BUTTERFLY_OTEL_PROMETHEUS_SERVER": "x"}, "BUTTERFLY_OTEL_PROMETHEUS_SERVER is 'x'"),
    (
        {**NODE, "prometheus_health_public": "no"},
        {},
        "prometheus_health_public is 'no'; pass True or False",
    ),
    ({**NODE, "prometheus_page": "no"}, {}, "prometheus_page is 'no'; pass True or False"),
    (NODE, {"BUTTERFLY_OTEL_PROMETHEUS_PAGE": "x"}, "BUTTERFLY_OTEL_PROMETHEUS_PAGE is 'x'"),
    ({**NODE, "prometheus_port": 70000}, {}, "prometheus_port is 70000.*0 to 65535"),
    (NODE, {"OTEL_EXPORTER_PROMETHEUS_PORT": "x"}, "OTEL_EXPORTER_PROMETHEUS_PORT is 'x'"),
    ({**NODE, "prometheus_web_config": "/no/web.yml"}, {}, "prometheus_web_config.*can't be read"),
    ({**NODE, "prometheus_certificate": __file__}, {}, "prometheus_key is not: TLS needs a cert"),
    ({**NODE, "prometheus_key": __file__}, {}, "prometheus_key is set and .*certificate is not"),
    ({**NODE, "prometheus_client_ca": __file__}, {}, "client_ca is set and .*certificate is not"),
    (
        NODE,
        {"BUTTERFLY_OTEL_PROMETHEUS_BEARER_TOKEN_FILE": "/no/token"},
        "BEARER_TOKEN_FILE is '/no/token', which can't be read",
    ),
    (
        dict.fromkeys(
            ("prometheus_web_config", "prometheus_certificate", "prometheus_key"), __file__
        )
        | NODE,
        {},
        "prometheus_web_config and prometheus_certificate are both set",
    ),
    ({**NODE, "otlp_protocol": "http/json"}, {}, "otlp_protocol is 'http/json'"),
    (NODE, {"OTEL_EXPORTER_OTLP_ENDPOINT": "nowhere"}, "OTLP_ENDPOINT is 'nowhere'.*URL"),
    (NODE, {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, "as http://collector:4318$"),
    ({**NODE, "otlp_endpoint": "http://h:x"}, {}, "otlp_endpoint is 'http://h:x'"),
    ({**NODE, "otlp_endpoint": "c:4318"}, {}, "such as http://collector:4318/v1/metrics$"),
    (
        {**NODE, "otlp_endpoint": "ftp://c", "otlp_protocol": "grpc"},
        {},
        "such as http://collector:4317$",
    ),
    ({**NODE, "otlp_timeout": 0}, {}, "otlp_timeout is 0.*seconds above 0"),
    (NODE, {"OTEL_METRIC_EXPORT_INTERVAL": "1s"}, "INTERVAL is '1s'.*milliseconds"),
    ({**NODE, "otlp_certificate": "/no/ca.pem"}, {}, "otlp_certificate is '/no/ca.pem'.*No such"),
    (
        NODE,
        {"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": "/no/ca.pem"},
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE is '/no/ca.pem'",
    ),
    ({**NODE, "otlp_protocol": "grpc", "otlp_compression": "deflate"}, {}, "none or gzip"),
    ({**NODE, "otlp_headers": "a=b"}, {}, "otlp_headers is of type str; pass a dict"),
    (NODE, {"OTEL_EXPORTER_OTLP_HEADERS": "novalue"}, "HEADERS has no key and value in part 1"),
    (NODE, {"OTEL_RESOURCE_ATTRIBUTES": "a=b,,=x"}, "ATTRIBUTES has no key and value in part 3"),
    ({**NODE, "resource_attributes": "a=b"}, {}, "resource_attributes is 'a=b'"),
    ({**NODE, "strict": "yes"}, {}, "strict is 'yes'; pass True or False"),
    (NODE, {"BUTTERFLY_OTEL_STRICT": "maybe"}, "BUTTERFLY_OTEL_STRICT is 'maybe'"),
    ({**NODE, "views": 3}, {}, "views is 3"),
    ({**NODE, "translation_strategy": "None"}, {}, "translation_strategy is 'None'"),
    ({**NODE, "engine": "fast"}, {}, "engine is 'fast'; it must be butterfly or sdk"),
    ({**NODE, "collectors": ["none", "cpu"]}, {}, "collectors is 'none' and something else"),
    (NODE, {"BUTTERFLY_OTEL_COLLECTORS": "none,cpu"}, "OTEL_COLLECTORS is 'none' and"),
    ({**NODE, "collectors": 5}, {}, "collectors is 5"),
    ({**NODE, "collectors": []}, {}, r"collectors is \[\]"),
    ({**NODE, "sampling_interval": 0}, {}, "sampling_interval is 0; .*seconds above 0"),
    (NODE, {"BUTTERFLY_OTEL_SAMPLING_INTERVAL": "inf"}, "INTERVAL is 'inf'.*milliseconds above 0"),
    ({**NODE, "cpu_per_core": 2}, {}, "cpu_per_core is 2; pass True or False"),
    ({**NODE, "otlp_batch_size": 0}, {}, "otlp_batch_size is 0; it must be a whole number above 0"),
    (NODE, {"BUTTERFLY_OTEL_OTLP_BATCH_SIZE": "1.5"}, "BUTTERFLY_OTEL_OTLP_BATCH_SIZE is '1.5'"),
    ({**NODE, "otlp_temporality": "best"}, {}, "cumulative, delta or lowmemory"),
    ({**NODE, "otlp_histograms": "fine"}, {}, "otlp_histograms is 'fine'.*base2_exponential"),
    ({**NODE, "exemplar_filter": "some"}, {}, "exemplar_filter is 'some'.*always_on or always_off"),
    (NODE, {"OTEL_CONFIG_FILE": "/no/otel.yaml"}, "file /no/otel.yaml (can't be|needs the)"),
    ({**NODE, "node_id": "n" * 129}, {}, "node_id is 'nnn.*at most 128 characters"),
    (
        {"node_role": "compute"},
        {"BUTTERFLY_NODE_ID": "n\udc80"},
        "BUTTERFLY_NODE_ID is .*valid text",
    ),
    ({**NODE, "export_interval": 1e10}, {}, "export_interval is 1.*above 0, at most 2147483$"),
    (NODE, {"OTEL_METRIC_EXPORT_TIMEOUT": "1e300"}, "milliseconds above 0, at most 2147483000"),
    ({**NODE, "views": ["a", 1]}, {}, r"views is \['a', 1\]; pass a path"),
    (
        {**NODE, "resource_attributes": {"zone": None}},
        {},
        "resource_attributes has None for 'zone'",
    ),
    ({**NODE, "otlp_headers": {"a b": "x"}}, {}, "otlp_headers has 'a b', which can't be sent"),
    (NODE, {"OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a=x%0Ay"}, "OTLP_METRICS_HEADERS has 'a'"),
    ({**NODE, "service_name": " "}, {}, "service_name is ' '; pass a text that is not empty"),
    ({**NODE, "service_version": 3}, {}, "service_version is 3; pass a text"),
    ({**NODE, "prometheus_host": ""}, {}, "prometheus_host is ''; pass a text"),
    ({**NODE, "scope_labels": 1}, {}, "scope_labels is 1; pass True or False"),
    (NODE, {"BUTTERFLY_OTEL_TARGET_INFO": "no!"}, "BUTTERFLY_OTEL_TARGET_INFO is 'no!'"),
    ({**NODE, "zero_init": "off"}, {}, "zero_init is 'off'; pass True or False"),
    ({**NODE, "handle_signals": 0}, {}, "handle_signals is 0; pass True or False"),
    (NODE, {"BUTTERFLY_OTEL_SET_GLOBAL": "2"}, "BUTTERFLY_OTEL_SET_GLOBAL is '2'; set it to true"),
    (NODE, {"BUTTERFLY_OTEL_HARDWARE_METRICS": "all"}, "HARDWARE_METRICS is 'all'; set it to"),
    ({**NODE, "otlp_insecure": "no"}, {}, "otlp_insecure is 'no'; pass True or False"),
    (NODE, {"OTEL_EXPORTER_OTLP_INSECURE": "no TLS"}, "OTLP_INSECURE is 'no TLS'; set it to true"),
    ({**NODE, "otlp_client_key": "/no/key"}, {}, "otlp_client_key is '/no/key', which can't be"),
    ({**NODE, "otlp_certificate": "a\0b"}, {}, "otlp_certificate is .*, which can't be read"),
    (
        NODE,
        {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/no/cert"},
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is '/no/cert', which can't be read",
    ),
    ({**NODE, "registry": 7}, {}, "registry is 7; pass a CollectorRegistry"),
    ({**NODE, "metric_readers": 7}, {}, "metric_readers is 7; pass a list"),
    (NODE, {"OTEL_SDK_DISABLED": "off course"}, "OTEL_SDK_DISABLED is 'off course'; set it to"),
]


@pytest.mark.parametrize(("arguments", "environ", "message"), WRONG)
def test_a_wrong_setting_is_one_sentence(
    arguments: dict[str, Any], environ: dict[str, str], message: str
) -> None:
    """Each wrong setting is one error that names the setting, its value and the way out."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_config(arguments, environ)
    assert "\n" not in str(caught.value)


def test_every_setting_has_a_wrong_value() -> None:
    """Who adds a setting shows above what is said where it is wrong."""
    assert len({each.key for each in SETTINGS}) == len(SETTINGS)
    shown = {name for arguments, _, _ in WRONG if arguments is not NODE for name in arguments}
    shown.update(name for _, environ, _ in WRONG for name in environ)
    without = [each.key for each in SETTINGS if not shown & {each.name, *each.variables}]
    assert without == [], f"WRONG has no row for {', '.join(without)}"


def test_all_wrong_settings_are_told_at_once() -> None:
    """Several wrong settings are one error with a line each, whatever sets them."""
    arguments = {"node_role": "leader", "strict": "yes", "views": ["a", 1], "gpu_id": "a\nb"}
    environ = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1s", "BUTTERFLY_OTEL_TIME_TO_LIVE": "x=soon"}
    with pytest.raises(ConfigurationError) as caught:
        load_config(arguments, environ)
    assert [line.split(" is ")[0].split(" has ")[0] for line in str(caught.value).split("\n")] == [
        "node_id",
        "node_role",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "views",
        "strict",
        "gpu_id",
        "BUTTERFLY_OTEL_TIME_TO_LIVE",
    ]


def test_a_wrong_setting_is_one_line_whatever_is_in_it() -> None:
    """A name with a line break in it makes no second line."""
    with pytest.raises(ConfigurationError, match=r"time_to_live has '0' for a b; .* above 0$"):
        load_config({**NODE, "time_to_live": {"a\nb": 0}}, {})


def test_what_does_not_fit_together_is_told_with_the_rest() -> None:
    """A rule between settings is one of the lines, and so are rules of who loads them."""

    def never(_: object) -> None:
        raise ConfigurationError("collectors names 'x', which is unknown")

    arguments = {**NODE, "collectors": "disk", "strict": 1}
    with pytest.raises(ConfigurationError) as caught:
        load_config(arguments, {}, rules=(never,))
    lines = str(caught.value).split("\n")
    assert [line.split()[0] for line in lines] == ["strict", "collectors", "collectors"]


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        # Whether deflate is possible, what endpoint fits: the protocol says.
        ({"otlp_protocol": "udp", "otlp_compression": "deflate", "otlp_endpoint": "c:1"}, {}),
        # Without a role there is no default of the service's name.
        ({"node_role": "leader"}, {}),
        # Whether a name is needed at all.
        ({"node_id": None, "node_role": None}, {"OTEL_SDK_DISABLED": "perhaps"}),
        ({"otlp_protocol": "grpc", "otlp_endpoint": "c:1", "otlp_insecure": "x"}, {}),
        ({"engine": "fast", "time_to_live": {"x": 1}}, {}),
    ],
)
def test_what_depends_on_a_wrong_setting_is_not_judged(
    arguments: dict[str, Any], environ: dict[str, str]
) -> None:
    """One mistake is one line: what can't be known because of it is not called wrong, too."""
    with pytest.raises(ConfigurationError) as caught:
        load_config({**NODE, **arguments}, environ)
    assert "\n" not in str(caught.value)


GRPC = {**NODE, "otlp_protocol": "grpc"}
METRICS_INSECURE = "OTEL_EXPORTER_OTLP_METRICS_INSECURE"
INSECURE = "OTEL_EXPORTER_OTLP_INSECURE"


@pytest.mark.parametrize(
    ("arguments", "environ", "endpoint"),
    [
        ({}, {}, "http://localhost:4317"),
        ({}, {INSECURE: "false"}, "http://localhost:4317"),
        ({"otlp_endpoint": "c:4317"}, {}, "https://c:4317"),
        ({"otlp_endpoint": "c:4317", "otlp_insecure": True}, {}, "http://c:4317"),
        ({"otlp_endpoint": "c:4317"}, {INSECURE: "TRUE"}, "http://c:4317"),
        (
            {"otlp_endpoint": "c:4317"},
            {INSECURE: "true", METRICS_INSECURE: "false"},
            "https://c:4317",
        ),
        ({"otlp_endpoint": "c:4317", "otlp_insecure": False}, {INSECURE: "true"}, "https://c:4317"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317", METRICS_INSECURE: "true"}, "http://c:4317"),
        ({}, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "[::1]:4317"}, "https://[::1]:4317"),
        ({"otlp_endpoint": "c"}, {}, "https://c"),
        ({"otlp_endpoint": "http://c:4317", "otlp_insecure": False}, {}, "http://c:4317"),
        ({"otlp_endpoint": "https://c:4317", "otlp_insecure": True}, {}, "https://c:4317"),
        ({"otlp_endpoint": "HTTP://C:4317"}, {}, "http://C:4317"),
        ({"otlp_endpoint": "HTTPS://c:4317", "otlp_insecure": True}, {}, "https://c:4317"),
    ],
)
def test_grpc_without_a_scheme_means_tls(
    arguments: dict[str, Any], environ: dict[str, str], endpoint: str
) -> None:
    """As the OTLP specification has it: a scheme decides, else INSECURE, else TLS."""
    assert load_config({**GRPC, **arguments}, environ).otlp.endpoint == endpoint


def test_insecure_decides_nothing_by_http() -> None:
    """An HTTP endpoint has a scheme, and one without is as wrong as ever."""
    with pytest.raises(ConfigurationError, match="otlp_endpoint is 'c:4318'"):
        load_config({**NODE, "otlp_endpoint": "c:4318", "otlp_insecure": True}, {})


def test_settings_that_do_the_same_compare_equal() -> None:
    """A scheme that is written and one that INSECURE has decided on are the same endpoint."""
    written = load_config({**GRPC, "otlp_endpoint": "http://c:4317"}, {})
    assert load_config({**GRPC, "otlp_endpoint": "c:4317", "otlp_insecure": True}, {}) == written


@pytest.mark.parametrize("user", ["me:hunter2@", "me@", ":hunter2@"])
@pytest.mark.parametrize("scheme", ["http://", "https://", ""])
def test_grpc_refuses_a_user_in_the_url(scheme: str, user: str) -> None:
    """No name like this one resolves; the error says so and does not quote it."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}{user}c:4317"}
    with pytest.raises(ConfigurationError, match=r"OTLP_ENDPOINT has .*otlp_headers") as caught:
        load_config(dict(GRPC), environ)
    assert "hunter2" not in str(caught.value)
    assert "me@" not in str(caught.value)


def test_a_shared_endpoint_keeps_its_query() -> None:
    """The path of metrics is added to the path, not to the end of the query."""
    config = load_config(dict(NODE), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/x/?key=1"})
    assert config.otlp.endpoint == "http://c:4318/x/v1/metrics?key=1"


@pytest.mark.parametrize(
    "settings",
    [
        {"otlp_endpoint": "https://me:hunter2@c:4318/v1/metrics"},
        {"otlp_endpoint": "https://hunter2@c:4318/v1/metrics"},
        {"otlp_endpoint": "https://c:4318/v1/metrics?key=hunter2"},
        {"otlp_endpoint": "https://c:4318/v1/metrics?key=a@hunter2"},
        {"otlp_endpoint": "https://c:4318/v1/metrics#hunter2"},
        {"otlp_headers": {"authorization": "Bearer hunter2", "x-key": "hunter2"}},
        {"otlp_protocol": "grpc", "otlp_headers": {"api-key": "hunter2"}},
    ],
)
def test_a_config_shows_no_secret(settings: dict[str, Any]) -> None:
    """repr() goes into logs: it shows which headers there are and where a push goes, no more."""
    config = load_config({**NODE, **settings}, {})
    for shown in (repr(config), str(config), repr(config.otlp), f"{config}"):
        assert "hunter2" not in shown
        assert "***" in shown
    assert repr(config).startswith("Config(node_id='n1', node_role='compute', ")
    # What is used is the whole of it.
    assert "hunter2" in config.otlp.endpoint + str(config.otlp.headers)


@pytest.mark.parametrize(
    "settings",
    [
        {"otlp_endpoint": "ftp://me:hunter2@c"},
        {"otlp_endpoint": "http://me:hunter2@c:x"},
        {"otlp_endpoint": "http://me:hun/ter2@c:x"},
        {"otlp_endpoint": "http://me:hunter2?@c:x"},
        {"otlp_endpoint": "http://c:x/?key=hunter2"},
        {"otlp_endpoint": "http://c:x/?key=a@hunter2"},
        {"otlp_endpoint": "http://c:x/#hunter2"},
        {"otlp_endpoint": "me:hunter2@c:4318"},
        {"otlp_endpoint": "me:hunter2@http://c"},
        {"otlp_endpoint": "http://me:hunter2@"},
        {"otlp_endpoint": b"http://me:hunter2@c"},
        {"otlp_endpoint": "unix://me:hunter2@c", "otlp_protocol": "grpc"},
        {"otlp_headers": "authorization=hunter2"},
        {"otlp_headers": ["authorization", "hunter2"]},
        {"otlp_headers": {"authorization": "hunter2\n"}},
        {"otlp_headers": {"a b": "hunter2"}},
        {"otlp_headers": {"authorization: hunter2": ""}},
        {"otlp_headers": {"authorization": "hunter2", "b": None}},
    ],
)
def test_an_error_about_a_wrong_url_or_header_shows_no_secret(settings: dict[str, Any]) -> None:
    """Whatever is wrong with it, what may be a password or a key is left out of the message."""
    with pytest.raises(ConfigurationError, match=r"^otlp_") as caught:
        load_config({**NODE, **settings}, {})
    assert "hunter2" not in str(caught.value)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["authorization:hunter2", "=hunter2", "a=b,hunter2", "a%20b=hunter2"]
)
def test_an_error_about_a_variable_of_headers_shows_no_secret(text: str) -> None:
    """A part that is not key and value may be a token, and so may be any value."""
    with pytest.raises(ConfigurationError, match=r"^OTEL_EXPORTER_OTLP_HEADERS") as caught:
        load_config(dict(NODE), {"OTEL_EXPORTER_OTLP_HEADERS": text})
    assert "hunter2" not in str(caught.value)


def test_relative_paths_of_certificates_are_kept(tmp_path: Path) -> None:
    """A readable certificate file is accepted as it was given."""
    file = tmp_path / "ca.pem"
    file.write_text("x")
    assert load_config({**NODE, "otlp_certificate": file}, {}).otlp.certificate == file


class _Path:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_paths_may_be_of_any_kind_that_says_so(tmp_path: Path) -> None:
    """What fits the signature's PathLike is taken, from whatever library."""
    file = tmp_path / "ca.pem"
    file.write_text("x")
    config = load_config({**NODE, "otlp_certificate": _Path(file), "views": _Path(file)}, {})
    assert config.otlp.certificate == file
    assert config.views == (file,)


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("https://me:secret@collector:4318/v1/metrics?key=b", "https://collector:4318/v1/metrics"),
        ("http://[::1]:4318", "http://[::1]:4318"),
    ],
)
def test_an_address_for_logs_has_no_secret(endpoint: str, shown: str) -> None:
    """What a failing push is logged with tells where it goes and nothing else."""
    assert load_config({**NODE, "otlp_endpoint": endpoint}, {}).otlp.address == shown
