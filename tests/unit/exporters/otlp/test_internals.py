"""The private names of the official exporters that we rely on, and life without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as OfficialGrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as OfficialHttpExporter,
)

from butterfly_otel.exporters.otlp import build_otlp_exporter
from butterfly_otel.exporters.otlp import internals as otlp_internals
from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from butterfly_otel.settings.config import load_config

#: The official class, ours, the names, and the protocol as it is configured.
BOTH: list[tuple[Any, Any, otlp_internals.Internals, str]] = [
    (OfficialHttpExporter, HttpExporter, otlp_internals.HTTP, "http/protobuf"),
    (OfficialGrpcExporter, GrpcExporter, otlp_internals.GRPC, "grpc"),
]
METHODS = [(each[0], each[2], name) for each in BOTH for name in each[2].methods]
ATTRIBUTES = [(each[2], name) for each in BOTH for name in each[2].attributes]


class Later:
    """An official exporter of a later release; what it is made with doesn't matter."""

    def __init__(self, **_arguments: Any) -> None:
        self.stopped = 0

    def shutdown(self) -> None:
        """Count how often this is called."""
        self.stopped += 1


@pytest.fixture(autouse=True)
def _unreported() -> Iterator[None]:
    """Let every test see what is reported once."""
    otlp_internals._report.cache_clear()
    yield
    otlp_internals._report.cache_clear()


@pytest.mark.parametrize(("official", "_ours", "internals", "_protocol"), BOTH)
def test_the_private_names_are_there(
    official: Any, _ours: Any, internals: otlp_internals.Internals, _protocol: str
) -> None:
    """Each private name that otlp_internals documents exists in the installed exporters."""
    exporter = official(endpoint="http://localhost:1")
    exporter.shutdown()
    assert internals.missing(official) == []
    assert internals.missing(exporter) == []


@pytest.mark.parametrize(("_official", "ours", "_internals", "protocol"), BOTH)
def test_our_encoder_is_the_default(
    _official: Any, ours: Any, _internals: Any, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By either protocol configure() exports by our encoder, without a word about it."""
    settings = {"node_id": "n", "node_role": "compute", "otlp_protocol": protocol}
    exporter = build_otlp_exporter(load_config(settings).otlp)
    exporter.shutdown()
    assert type(exporter) is ours
    assert caplog.messages == []


@pytest.mark.parametrize("change", ["gone", "other parameters"])
@pytest.mark.parametrize(("official", "internals", "name"), METHODS)
def test_a_release_with_other_methods_exports_by_itself(
    official: Any,
    internals: otlp_internals.Internals,
    name: str,
    change: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where a method is gone or takes something else the official exporter is used; said once."""
    methods = {each: getattr(official, each) for each in internals.methods}
    methods[name] = None if change == "gone" else lambda self, what, more: None  # noqa: ARG005
    later: Any = type("Later", (Later,), methods)

    def ours() -> Any:
        raise AssertionError("ours does not fit")

    for _ in range(2):
        assert type(otlp_internals.build(later, internals, ours, {"endpoint": "e"})) is later
    [message] = caplog.messages
    assert f"has changed ({name}), so OTLP exports use the official encoder" in message


@pytest.mark.parametrize(("internals", "name"), ATTRIBUTES)
def test_a_release_without_an_attribute_exports_by_itself(
    internals: otlp_internals.Internals, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where ours turns out to lack an attribute, it is shut down and the official one is used."""
    only = internals._replace(methods={})
    made: list[Any] = []

    class Ours(Later):
        """As ours would be, derived from a later release."""

        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.__dict__.update(dict.fromkeys(set(only.attributes) - {name}))
            made.append(self)

    later, ours = cast("Any", Later), cast("Any", Ours)
    assert type(otlp_internals.build(later, only, lambda: ours, {})) is Later
    assert [each.stopped for each in made] == [1]
    assert f"({name})" in caplog.text
