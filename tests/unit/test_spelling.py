"""Names that are nearly those of settings: told for variables, refused for arguments."""

from __future__ import annotations

import logging
from typing import Any

import opentelemetry.environment_variables
import opentelemetry.sdk.environment_variables
import pytest

import butterfly_otel
from butterfly_otel.integrations.starlette import butterfly_lifespan
from butterfly_otel.settings.config import SETTINGS, load_config
from butterfly_otel.settings.spelling import misspelt
from butterfly_otel.testing.isolation import restored

NODE: dict[str, Any] = {"node_id": "n1", "node_role": "compute", "exporter": "none"}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("BUTTERFLY_OTEL_STRCT", "BUTTERFLY_OTEL_STRICT"),
        ("BUTTERFLY_OTEL_STIRCT", "BUTTERFLY_OTEL_STRICT"),
        ("BUTTERFLY_OTEL_STRIKT", "BUTTERFLY_OTEL_STRICT"),
        ("BUTTERFLYOTEL_STRICT", "BUTTERFLY_OTEL_STRICT"),
        ("BUTERFLY_OTEL_STRICT", "BUTTERFLY_OTEL_STRICT"),
        ("butterfly_otel_strict", "BUTTERFLY_OTEL_STRICT"),
        ("BUTTERFLY-OTEL-STRICT", "BUTTERFLY_OTEL_STRICT"),
        ("BUTTERFLY_OTEL_VIEW", "BUTTERFLY_OTEL_VIEWS"),
        ("BUTTERFLY_OTEL_COLLECTOR", "BUTTERFLY_OTEL_COLLECTORS"),
        ("BUTTERFLY_OTEL_CHECKPOINT_DIRS", "BUTTERFLY_OTEL_CHECKPOINT_DIR"),
        ("BUTTERFLY_NODEID", "BUTTERFLY_NODE_ID"),
        ("BUTTERFLY_NODE_DI", "BUTTERFLY_NODE_ID"),
        ("BUTTERFLY_NODE_ROLES", "BUTTERFLY_NODE_ROLE"),
        # With our prefix, though the setting is the node's or OpenTelemetry's.
        ("BUTTERFLY_OTEL_NODE_ID", "BUTTERFLY_NODE_ID"),
        ("BUTTERFLY_OTEL_PROMETHEUS_PORT", "OTEL_EXPORTER_PROMETHEUS_PORT"),
        ("BUTTERFLY_OTEL_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("BUTTERFLY_OTEL_METRICS_EXPORTER", "OTEL_METRICS_EXPORTER"),
        ("OTEL_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER"),
        ("OTEL_METRICS_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_INTERVAL"),
        ("OTEL_EXPORTER_OTLP_ENDPONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_SDK_DISABLE", "OTEL_SDK_DISABLED"),
    ],
)
def test_a_variable_with_a_slip_in_its_name_is_found(name: str, right: str) -> None:
    """A letter too many, too few or elsewhere, a hyphen, a prefix: the right name is told."""
    assert misspelt({name: "1"}, SETTINGS) == {name: right}


@pytest.mark.parametrize(
    "name",
    [
        "BUTTERFLY_NODE_IP",
        "BUTTERFLY_NODES",
        "BUTTERFLY_NODE_NAME",
        "BUTTERFLY_HOME",
        "BUTTERFLY_ENGINE",
        "BUTTERFLY_CHECKPOINT_DIR",
        "BUTTERFLY_OTEL_DEBUG",
        "BUTTERFLY_OTEL",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_LOGS_EXPORTER",
        "OTHER",
        "PATH",
        "STRICT",
    ],
)
def test_other_variables_are_left_alone(name: str) -> None:
    """What has another name, of the application or of OpenTelemetry, is not ours to judge."""
    assert misspelt({name: "1"}, SETTINGS) == {}


def test_no_variable_of_opentelemetry_is_taken_for_a_slip() -> None:
    """Each variable that the API and the SDK know means what it says."""
    modules = (opentelemetry.environment_variables, opentelemetry.sdk.environment_variables)
    names = [name for each in modules for name in vars(each) if name.startswith("OTEL_")]
    assert len(names) > 60
    assert misspelt(dict.fromkeys(names, "1"), SETTINGS) == {}


@pytest.mark.parametrize(
    "service",
    [
        "BUTTERFLY_OTEL",
        "BUTTERFLY",
        "BUTTERFLY_NODE",
        "BUTTERFLY_NODE_ID",
        "BUTTERFLY_OTEL_STRICT",
        "BUTTERFLY_OTEL_PROMETHEUS",
        "OTEL",
        "OTEL_EXPORTER_OTLP",
    ],
)
def test_what_kubernetes_makes_for_a_service_is_left_alone(service: str) -> None:
    """Every form of variable that a service of such a name brings to each pod in its namespace."""
    environ = {
        f"{service}_SERVICE_HOST": "10.0.0.11",
        f"{service}_SERVICE_PORT": "9464",
        f"{service}_SERVICE_PORT_METRICS": "9464",
        f"{service}_SERVICE_PORT_STRICT": "9464",
        f"{service}_PORT": "tcp://10.0.0.11:9464",
    }
    for protocol in ("TCP", "UDP", "SCTP"):
        port = f"{service}_PORT_9464_{protocol}"
        environ[port] = f"{protocol.lower()}://10.0.0.11:9464"
        environ[f"{port}_PROTO"] = protocol.lower()
        environ[f"{port}_PORT"] = "9464"
        environ[f"{port}_ADDR"] = "10.0.0.11"
    assert misspelt(environ, SETTINGS) == {}


def test_no_setting_is_so_near_that_kubernetes_is_warned_of() -> None:
    """Also where a setting should once be called nearly as such a variable is."""
    near = ("BUTTERFLY_OTEL_SERVICE_HOSTS", "BUTTERFLY_OTEL_PORT_9464_TCP_ADR")
    settings = [SETTINGS[0]._replace(variables=(each,)) for each in near]
    made = ("BUTTERFLY_OTEL_SERVICE_HOST", "BUTTERFLY_OTEL_PORT_9464_TCP_ADDR")
    assert misspelt(dict.fromkeys(made, "10.0.0.11"), settings) == {}


def test_a_blank_variable_is_unset_whatever_its_name() -> None:
    """Nobody has meant anything by it."""
    assert misspelt({"BUTTERFLY_OTEL_STRCT": " "}, SETTINGS) == {}


def test_a_slip_is_warned_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning in the life of the process, with the right name, however often it starts."""
    monkeypatch.setenv("BUTTERFLY_OTEL_STRCT", "true")
    for _ in range(2):
        butterfly_otel.configure(**NODE)
        butterfly_otel.configure(**NODE)
        butterfly_otel.shutdown()
    (record,) = (each for each in caplog.records if "STRCT" in each.message)
    assert (record.name, record.levelno) == ("butterfly_otel", logging.WARNING)
    assert record.message == (
        "the environment variable BUTTERFLY_OTEL_STRCT is not a setting and decides nothing; did"
        " you mean BUTTERFLY_OTEL_STRICT?"
    )


def test_a_slip_is_told_where_it_makes_a_setting_missing(caplog: pytest.LogCaptureFixture) -> None:
    """The error about the missing setting alone would not say what is wrong."""
    with pytest.raises(butterfly_otel.ConfigurationError, match="node_id is not set"):
        load_config({}, {"BUTTERFLY_NODEID": "n1", "BUTTERFLY_NODE_ROLE": "compute"})
    assert "BUTTERFLY_NODE_ID?" in caplog.text


def test_a_slip_is_told_again_in_the_next_test(caplog: pytest.LogCaptureFixture) -> None:
    """What one test has been warned of is news to the next, as all that a capture isolates."""
    for _ in range(2):
        with restored({"BUTTERFLY_OTEL_STRCT": "true"}):
            butterfly_otel.configure(**NODE)
    assert caplog.text.count("BUTTERFLY_OTEL_STRCT") == 2


def test_an_unknown_argument_is_refused_with_the_nearest_right_name() -> None:
    """In Python's own words, also where the arguments are a dict, and on every Python."""
    message = r"^configure\(\) got an unexpected keyword argument 'strct'. Did you mean 'strict'\?$"
    with pytest.raises(TypeError, match=message):
        butterfly_otel.configure(**NODE, strct=True)
    with pytest.raises(
        TypeError, match=r"^configure\(\) got an unexpected keyword argument 'qqq'$"
    ):
        butterfly_otel.configure(**NODE, qqq=True)
    with pytest.raises(TypeError, match="positional"):
        butterfly_otel.configure("n1")  # type: ignore[misc]


def test_what_passes_settings_on_refuses_unknown_ones(capture_metrics: Any) -> None:
    """The lifespan and the capture take what configure() takes, and say so of themselves."""
    unknown: dict[str, Any] = {"otlp_endpiont": "http://c"}
    with pytest.raises(TypeError, match=r"^butterfly_lifespan\(\) .*'otlp_endpoint'\?$"):
        butterfly_lifespan(**NODE, **unknown)
    with pytest.raises(TypeError, match=r"^capture_metrics\(\) .*'otlp_endpoint'\?$"):
        capture_metrics(**unknown)
