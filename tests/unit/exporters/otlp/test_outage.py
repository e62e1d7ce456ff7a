"""A Collector that is away, comes back, or takes only a part: what is said, counted and sent."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.exporters.otlp import grpc_exporter
from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from tests.conftest import Measured
from tests.unit.engine.test_fork import in_child
from tests.unit.exporters.otlp.messages import parsed
from tests.unit.exporters.otlp.test_transport import (
    PARTIAL,
    GrpcReceiver,
    HttpReceiver,
    http,
    rpc,
)
from tests.unit.exporters.prometheus.support import collected, counter

__all__ = ["http", "rpc"]

DATA = collected(counter("c"))
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@pytest.fixture
def pushing(start: Callable[..., Measured]) -> Iterator[Callable[..., Measured]]:
    """Return a function that configures pushing to an endpoint, until the test is over."""

    def configured(endpoint: str, protocol: str = "http/protobuf", **settings: Any) -> Measured:
        measured = start(
            exporter="otlp",
            otlp_endpoint=endpoint,
            otlp_protocol=protocol,
            otlp_timeout=2,
            export_interval=3600,
            **settings,
        )
        metrics.tokens_processed_total.add(1, model="first")
        return measured

    yield configured
    butterfly_otel.shutdown(5)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_outage_is_one_line(
    protocol: str, pushing: Callable[..., Measured], caplog: pytest.LogCaptureFixture
) -> None:
    """However often an export is tried while nobody is there, one line says so, in all loggers."""
    caplog.set_level(logging.INFO)
    runtime = pushing(f"http://127.0.0.1:{free_port()}", protocol).runtime
    for _ in range(3):
        assert not runtime.force_flush(5)
    assert not runtime.shutdown(5)
    [message] = caplog.messages
    assert "failed: " in message


def test_it_says_when_exports_work_again(
    http: HttpReceiver, pushing: Callable[..., Measured], caplog: pytest.LogCaptureFixture
) -> None:
    """The answer of the receiver is in the line about the outage, and one line ends it."""
    runtime = pushing(http.endpoint).runtime
    http.answers = [(400, {}, b"label value\n" + b"too long " * 1000)] * 2
    assert [runtime.force_flush(5) for _ in range(3)] == [False, False, True]
    failed, again = caplog.messages
    assert "400 Bad Request: label value too long" in failed
    assert len(failed) < 500
    assert "\n" not in failed
    assert again.endswith("works again")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_rejected_points_are_counted(
    protocol: str,
    http: HttpReceiver,
    rpc: GrpcReceiver,
    pushing: Callable[..., Measured],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A partial success is not sent again, makes a flush False, is counted, and logged once."""
    endpoint = http.endpoint if protocol != "grpc" else rpc.endpoint
    measured = pushing(endpoint, protocol)
    http.answers = [(200, {}, PARTIAL.SerializeToString())] * 2
    rpc.answer = PARTIAL
    assert [measured.runtime.force_flush(5) for _ in range(2)] == [False, False]
    name = "butterfly_otel_rejected_points_total"
    assert measured.value(name, exporter="otlp", reason="partial_success") == 2
    exports = "butterfly_otel_exports_total"
    assert measured.value(exports, exporter="otlp", status="error") == 2
    assert len(http.requests) + len(rpc.requests) == 2
    [message] = caplog.messages
    assert "rejected 1 points: no;" in message


@pytest.mark.parametrize("status", [301, 304])
def test_a_redirect_makes_a_flush_false(
    status: int, http: HttpReceiver, pushing: Callable[..., Measured]
) -> None:
    """It is not a delivered export."""
    http.answers = [(status, {"Location": "/elsewhere"}, b"")]
    assert not pushing(http.endpoint).runtime.force_flush(5)


def test_deltas_of_an_outage_arrive_after_it(
    http: HttpReceiver, pushing: Callable[..., Measured]
) -> None:
    """By our own encoder, in batches of which one fails, every token arrives exactly once."""
    pushing(http.endpoint, otlp_temporality="delta", otlp_batch_size=2)
    for turn in range(3):
        for model in "abcde":
            metrics.tokens_processed_total.add(1, model=model)
        # The first of the batches fails, then all of them do.
        fail = (503, {"Retry-After": "60"}, b"")
        http.answers = [[fail], [fail] * 50, []][turn]
        butterfly_otel.force_flush(5)
    taken: dict[str, float] = {}
    for body in http.taken:
        for resource in parsed(body).resource_metrics:
            for metric in resource.scope_metrics[0].metrics:
                if metric.name != "butterfly_tokens_processed_total":
                    continue
                for point in metric.sum.data_points:
                    labels = {each.key: each.value.string_value for each in point.attributes}
                    taken.setdefault(labels["model"], 0)
                    taken[labels["model"]] += point.as_int + point.as_double
    assert taken == {"first": 1, **dict.fromkeys("abcde", 3)}


@pytest.mark.parametrize(
    ("endpoint", "clear"),
    [
        ("http://h:1", True),
        ("HTTP://h:1", True),
        ("https://h:1", False),
        ("h:1", False),
        ("h", False),
        ("localhost:4317", False),
        ("dns:///h:1", False),
    ],
)
def test_only_http_is_sent_in_clear(
    endpoint: str,
    clear: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An endpoint that doesn't say http:// is TLS, whatever the environment says."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
    made: list[str] = []

    def channel(kind: str) -> Callable[..., Any]:
        def make(*_: Any, **__: Any) -> Any:
            made.append(kind)
            raise ValueError("no further")

        return make

    monkeypatch.setattr(grpc, "insecure_channel", channel("clear"))
    monkeypatch.setattr(grpc, "secure_channel", channel("tls"))
    exporter = GrpcExporter(endpoint=endpoint)
    with pytest.raises(ValueError, match="no further"):
        exporter.deliver(DATA)
    exporter.shutdown()
    assert made == ["clear" if clear else "tls"]


def test_tls_is_spoken() -> None:
    """The first bytes to an endpoint without a scheme are those of TLS."""
    first: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            peer, _ = listener.accept()
            with peer:
                first.append(peer.recv(3))

        accepting = threading.Thread(target=accept)
        accepting.start()
        port = listener.getsockname()[1]
        exporter = GrpcExporter(endpoint=f"127.0.0.1:{port}", timeout=1)
        assert exporter.deliver(DATA).undelivered is not None
        exporter.shutdown()
        accepting.join(5)
    assert first == [b"\x16\x03\x01"]


@pytest.fixture
def busy(rpc: GrpcReceiver) -> Iterator[GrpcExporter]:
    """Return an exporter that another thread exports by without end."""
    exporter = GrpcExporter(endpoint=rpc.endpoint, timeout=5)
    over = threading.Event()

    def export() -> None:
        while not over.is_set():
            exporter.deliver(DATA)

    exporting = threading.Thread(target=export)
    exporting.start()
    yield exporter
    over.set()
    exporting.join(10)
    exporter.shutdown()


@needs_fork
def test_children_forked_during_exports_by_grpc_push(busy: GrpcExporter) -> None:
    """Each child exports by a channel of its own, whatever its parent was doing at the fork."""
    for _ in range(20):
        assert in_child(lambda: busy.deliver(DATA).complete)


@needs_fork
def test_a_fork_does_not_wait_for_a_receiver_that_hangs(rpc: GrpcReceiver) -> None:
    """An export that goes on for longer is ended for the fork, and made again afterwards."""
    hang, entered = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        entered.release()
        hang.wait(10)

    rpc.first = wait
    exporter = GrpcExporter(endpoint=rpc.endpoint, timeout=20)
    found: list[bool] = []
    exporting = threading.Thread(target=lambda: found.append(exporter.deliver(DATA).complete))
    exporting.start()
    assert entered.acquire(timeout=10)
    assert in_child(lambda: True)
    assert entered.acquire(timeout=10)
    hang.set()
    exporting.join(15)
    exporter.shutdown()
    assert found == [True]


@needs_fork
def test_a_child_in_which_grpc_never_comes_back_says_so(
    monkeypatch: pytest.MonkeyPatch, rpc: GrpcReceiver
) -> None:
    """An export in a child ends in any case, with what is wrong and how to mend it."""
    monkeypatch.setattr(grpc_exporter, "_GRACE", 0.1)
    exporter = GrpcExporter(endpoint=rpc.endpoint, timeout=0.2)

    def child() -> list[str]:
        exporter._sender._send = lambda *_: threading.Event().wait()  # type: ignore[attr-defined]
        return [exporter.deliver(DATA).reason for _ in range(2)]

    assert in_child(child) == [grpc_exporter._BROKEN] * 2
    exporter.shutdown()


@needs_fork
def test_a_child_leaves_the_parents_descriptor_alone(http: HttpReceiver) -> None:
    """The number of the parent's connection is free in a child at once, and nobody closes it."""
    exporter = HttpExporter(endpoint=http.endpoint)
    assert exporter.deliver(DATA).complete
    number = exporter._sender._client._stream._socket.fileno()  # type: ignore[attr-defined]

    def child() -> int:
        mine = os.open(os.devnull, os.O_RDONLY)
        os.dup2(mine, number)
        exporter.shutdown()
        return os.fstat(number).st_mode

    in_child(child)
    assert exporter.deliver(DATA).complete
    exporter.shutdown()
    assert len(set(http.clients)) == 1
