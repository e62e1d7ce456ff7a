"""``butterfly-otel check --otlp`` with real exporters on loopback."""

from __future__ import annotations

import argparse
import builtins
import gzip
import http.client
import io
import json
import re
import socket
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToJson
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpExporter,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource

from butterfly_otel.cli import check
from butterfly_otel.exporters.otlp import build_otlp_exporter
from butterfly_otel.settings.config import load_config
from tests.unit.lint.otlp_fixture import full_request, metric, request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import MetricExporter

PROTOBUF = "application/x-protobuf"
DEADLINE = 30.0


def run(
    *arguments: str, stdout: io.StringIO | None = None, stderr: io.StringIO | None = None
) -> int:
    """Run the command and give its exit code."""
    parser = argparse.ArgumentParser(prog="butterfly-otel")
    check.add_parser(parser.add_subparsers())
    args = parser.parse_args(["check", *arguments])
    return check.run(args, stdout or io.StringIO(), stderr or io.StringIO())


class Listening:
    """The command, in a thread, listening on free ports of loopback."""

    def __init__(self, *arguments: str, otlp: tuple[str, ...] = ("127.0.0.1:0",)) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.code = -1
        given = [part for each in otlp for part in ("--otlp", each)]
        self._thread = threading.Thread(target=self._run, args=(*given, *arguments), daemon=True)
        self._thread.start()
        end = time.monotonic() + DEADLINE
        while "Ctrl-C" not in self.err.getvalue():
            assert time.monotonic() < end, self.err.getvalue()
            assert self._thread.is_alive(), self.err.getvalue()
            time.sleep(0.01)
        self.places: list[str] = re.findall(r"(?:http://)?\S+:\d+", self.err.getvalue())

    def _run(self, *arguments: str) -> None:
        self.code = run(*arguments, stdout=self.out, stderr=self.err)

    def ended(self) -> str:
        """Wait for the end and give what was printed."""
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        return self.out.getvalue()

    def post(
        self,
        body: bytes,
        content_type: str = PROTOBUF,
        *,
        at: int = 0,
        path: str = "/v1/metrics",
        headers: Mapping[str, str] | None = None,
        chunked: bool = False,
    ) -> tuple[int, bytes]:
        """Send a request by HTTP and give the answer."""
        connection = http.client.HTTPConnection(
            self.places[at].removeprefix("http://"), timeout=DEADLINE
        )
        try:
            sent: Any = iter([body[:7], body[7:]]) if chunked else body
            connection.request(
                "POST",
                path,
                sent,
                {"Content-Type": content_type, **(headers or {})},
                encode_chunked=chunked,
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def push(exporter: MetricExporter) -> bool:
    """Push a counter of the contract by the stock SDK and a label that is wrong."""
    reader = InMemoryMetricReader()
    resource = Resource({"service.name": "rust", "service.instance.id": "n1"})
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    counter = provider.get_meter("rust").create_counter(
        "butterfly_requests_total", "{request}", "Requests."
    )
    counter.add(1, {"node_role": "compute", "method": "inference", "status": "sucess"})
    data = reader.get_metrics_data()
    assert data is not None
    try:
        return exporter.export(data) is MetricExportResult.SUCCESS
    finally:
        exporter.shutdown()
        provider.shutdown()


def _ours(**arguments: Any) -> MetricExporter:
    config = load_config({"node_id": "n", "node_role": "compute", **arguments}, {})
    return build_otlp_exporter(config.otlp)


def _our_http(place: str) -> MetricExporter:
    return _ours(otlp_endpoint=f"{place}/v1/metrics", otlp_compression="deflate")


def _our_grpc(place: str) -> MetricExporter:
    return _ours(otlp_protocol="grpc", otlp_endpoint=f"http://{place}", otlp_compression="gzip")


def _stock_http(place: str) -> MetricExporter:
    return HttpExporter(f"{place}/v1/metrics", compression=Compression.Gzip)


def _stock_grpc(place: str) -> MetricExporter:
    return GrpcExporter(place, insecure=True)


@pytest.mark.parametrize(
    ("address", "exporter"),
    [
        ("127.0.0.1:0", _our_grpc),
        ("127.0.0.1:0", _stock_grpc),
        ("http://127.0.0.1:0", _our_http),
        ("http://127.0.0.1:0", _stock_http),
    ],
)
def test_exporters(address: str, exporter: Callable[[str], MetricExporter]) -> None:
    """What our exporters and the official ones push is held against the contract."""
    listening = Listening("--json", "--for", "30s", "--count", "1", otlp=(address,))
    assert push(exporter(listening.places[0]))
    (target,) = json.loads(listening.ended())["targets"]
    assert listening.code == 1
    assert (target["target"], target["format"], target["ok"]) == ("rust/n1", "otlp", False)
    assert "label-value" in [each["rule"] for each in target["findings"]]


def test_grpc_and_http_at_once() -> None:
    """One command listens by both, and reports of all that pushed."""
    listening = Listening("--count", "2", otlp=("127.0.0.1:0", "http://127.0.0.1:0"))
    first = full_request(service_name="one").SerializeToString()
    assert listening.post(first, at=1) == (200, b"")
    assert push(_stock_grpc(listening.places[0]))
    said = listening.ended()
    assert listening.code == 1
    assert "one (otlp): true to the contract" in said
    assert "rust/n1 (otlp): not true to the contract" in said


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
@pytest.mark.parametrize("kind", [PROTOBUF, "application/json"])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(kind: str, encoding: str, chunked: bool) -> None:  # noqa: FBT001 - a parameter
    """Protobuf and JSON, packed or not, whole or in chunks, are read."""
    listening = Listening("--all", "--count", "1", otlp=("http://127.0.0.1:0",))
    made = full_request(service_name="node")
    body = made.SerializeToString() if kind == PROTOBUF else MessageToJson(made).encode()
    packed = {"": lambda: body, "gzip": lambda: gzip.compress(body)}.get(
        encoding, lambda: zlib.compress(body)
    )()
    headers = {"Content-Encoding": encoding} if encoding else {}
    status, answer = listening.post(packed, kind, headers=headers, chunked=chunked)
    assert (status, answer) == (200, b"" if kind == PROTOBUF else b"{}")
    assert "1 true to the contract" in listening.ended()
    assert listening.code == 0


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        ({"path": "/v1/traces"}, 404, b"/v1/metrics"),
        ({"content_type": "text/plain"}, 415, b"application/json"),
        ({"body": b"\xff\xff"}, 400, b"not an ExportMetricsServiceRequest"),
        ({"body": b"{", "content_type": "application/json"}, 400, b"not an Export"),
        ({"headers": {"Content-Encoding": "gzip"}}, 400, b"is not gzip"),
        ({"headers": {"Content-Encoding": "zstd"}}, 400, b"zstd"),
        (
            {"body": gzip.compress(b"x" * 99)[:-9], "headers": {"Content-Encoding": "gzip"}},
            400,
            b"middle",
        ),
        ({"headers": {"Content-Length": str(1 << 40)}}, 413, b"64 MiB"),
        (
            {"body": gzip.compress(bytes(65 << 20)), "headers": {"Content-Encoding": "gzip"}},
            400,
            b"64 MiB",
        ),
    ],
)
def test_requests_that_are_refused(sent: dict[str, Any], status: int, says: bytes) -> None:
    """What can't be taken is answered with a reason."""
    listening = Listening("--count", "2", otlp=("http://127.0.0.1:0",))
    body = sent.pop("body", full_request().SerializeToString())
    got, answer = listening.post(body, sent.pop("content_type", PROTOBUF), **sent)
    assert got == status
    assert says in answer
    # What could not be read has arrived as well.
    for _ in range(1 if status == 400 else 2):
        assert listening.post(full_request().SerializeToString()) == (200, b"")
    listening.ended()


def test_request_that_is_broken() -> None:
    """A request that can't be read is in the report, under where it has arrived."""
    listening = Listening("--json", "--count", "1", otlp=("http://127.0.0.1:0",))
    listening.post(b"\xff\xff")
    (target,) = json.loads(listening.ended())["targets"]
    assert target["target"] == listening.places[0]
    assert [each["rule"] for each in target["findings"]] == ["otlp-message"]
    assert listening.code == 1


def test_nothing_arrives() -> None:
    """Where nothing is pushed, that is one sentence and the exit code of what can't be read."""
    out, err = io.StringIO(), io.StringIO()
    assert run("--otlp", "127.0.0.1:0", "--for", "20ms", stdout=out, stderr=err) == 2
    assert out.getvalue() == ""
    assert "no metrics have arrived on 127.0.0.1:" in err.getvalue()


def test_warnings_and_strict() -> None:
    """With --strict a warning fails, and --ignore leaves out a rule that only OTLP has."""
    made = metric("butterfly_requests_total")
    made.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    body = request([made], service_name="node").SerializeToString()
    codes: list[int] = []
    for more in ([], ["--strict"], ["--strict", "--ignore", "temporality"]):
        listening = Listening("--count", "1", *more, otlp=("http://127.0.0.1:0",))
        listening.post(body)
        listening.ended()
        codes.append(listening.code)
    assert codes == [0, 1, 0]


def test_ctrl_c_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends listening, and what has arrived until then is reported."""
    from butterfly_otel.lint.expositions.receive import Receiver  # noqa: PLC0415 - as patched

    taken = Receiver.next

    def next_one(receiver: Receiver, timeout: float) -> Any:
        found = taken(receiver, timeout)
        if found is None and arrived:
            raise KeyboardInterrupt
        if found is not None:
            arrived.append(found)
        return found

    arrived: list[Any] = []
    monkeypatch.setattr(Receiver, "next", next_one)
    listening = Listening(otlp=("http://127.0.0.1:0",))
    listening.post(full_request(service_name="node").SerializeToString())
    listening.ended()
    assert "node (otlp): true to the contract" in listening.out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--otlp", "https://127.0.0.1:4318"], "TLS is not spoken here"),
        (["--otlp", "nowhere"], "it must be host:port"),
        (["--otlp", "127.0.0.1:99999"], "it must be host:port"),
        (["--otlp", "http://127.0.0.1:4318/v2"], "it must be host:port"),
        (["--otlp", "udp://127.0.0.1:4318"], "it must be host:port"),
        (["--otlp", ":0", "http://localhost:9464"], "run the command twice"),
        (["--otlp", ":0", "--file-sd", "targets.yml"], "run the command twice"),
        (["--count", "1", "localhost:1"], "pass --otlp with an address"),
        (["--for", "1s", "localhost:1"], "pass --otlp with an address"),
        (["--otlp", ":0", "--ignore", "temporalty"], "did you mean temporality?"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str) -> None:
    """Arguments that are wrong, or contradict each other, are one sentence."""
    err = io.StringIO()
    assert run(*arguments, stderr=err) == 2
    assert says in err.getvalue()
    assert err.getvalue().count("\n") == 1


@pytest.mark.parametrize("arguments", [["--for", "x"], ["--for", "0s"], ["--count", "0"]])
def test_how_long_is_no_number(arguments: list[str]) -> None:
    """How long to listen is a duration or a number above 0."""
    with pytest.raises(SystemExit):
        run("--otlp", ":0", *arguments)


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_port_is_taken(scheme: str) -> None:
    """A port that another process has is one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        err = io.StringIO()
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
        assert run("--otlp", address, "--for", "10ms", stderr=err) == 2
    assert f"--otlp {address}: it can't be listened on" in err.getvalue()


@pytest.mark.parametrize("address", [":0", "0", "grpc://localhost:0", "[::1]:0", "http://[::1]:0"])
def test_addresses(address: str) -> None:
    """Addresses without a host are this machine's alone; IPv6 has brackets."""
    if "::1" in address and not _has_ipv6():
        pytest.skip("no IPv6 here")
    err = io.StringIO()
    assert run("--otlp", address, "--for", "10ms", stderr=err) == 2
    assert re.search(r"(127\.0\.0\.1|localhost|\[::1\]):[1-9]\d*;", err.getvalue())


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_without_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without grpcio, that is said, with what to install; HTTP does without."""
    real = builtins.__import__

    def no_grpc(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "grpc":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_grpc)
    err = io.StringIO()
    assert run("--otlp", ":0", "--for", "10ms", stderr=err) == 2
    assert "pip install 'butterfly-otel[grpc]'" in err.getvalue()
    assert run("--otlp", "http://:0", "--for", "10ms", stderr=io.StringIO()) == 2
