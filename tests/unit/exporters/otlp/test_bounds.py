"""An answer is bounded: none is read for ever, and none fills the memory."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import grpc
import pytest

from butterfly_otel.exporters.otlp import answers, http_client
from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from tests.unit.exporters.otlp.receivers import raw
from tests.unit.exporters.prometheus.support import collected, counter

DATA = collected(counter("c"))
OK = b"HTTP/1.1 200 OK\r\n"
#: Far more than any test here may take, and far less than an answer without a bound.
LONG = 20.0


def slowly(piece: bytes, *begin: bytes) -> Iterator[bytes]:
    """Yield the beginning at once, then a piece every twentieth of a second for long."""
    yield from begin
    for _ in range(int(LONG * 20)):
        yield piece
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param([OK, b"X: "], b"x", id="a header that drips"),
        pytest.param([OK], b"X: 1\r\n", id="headers that drip"),
        pytest.param([], b"H", id="a status line that drips"),
        pytest.param([OK, b"Content-Length: 9999\r\n\r\n"], b"x", id="a body that drips"),
        pytest.param([OK, b"Transfer-Encoding: chunked\r\n\r\n"], b"1\r\nx\r\n", id="chunks"),
        pytest.param([OK, b"\r\n"], b"x", id="a body until the connection ends"),
        pytest.param([], b"HTTP/1.1 100 Continue\r\n\r\n", id="asks to continue for ever"),
        pytest.param([b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n"], b"x", id="a failure"),
    ],
)
def test_a_dripping_answer_ends_with_the_timeout(begin: list[bytes], piece: bytes) -> None:
    """However slowly an answer comes, the whole exchange takes no longer than the timeout."""
    with raw(lambda: slowly(piece, *begin)) as receiver:
        exporter = HttpExporter(endpoint=receiver.endpoint, timeout=0.5)
        began = time.monotonic()
        delivery = exporter.deliver(DATA)
        took = time.monotonic() - began
        exporter.shutdown()
    assert delivery.undelivered is not None
    assert took < LONG / 4


@pytest.mark.parametrize("status", [200, 400])
def test_an_endless_answer_is_read_to_a_limit(status: int) -> None:
    """A body without end costs the limit and no more; the export has failed, with a reason."""
    head = f"HTTP/1.1 {status} So\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    def script() -> Iterator[bytes]:
        yield head
        yield from repeat(chunk)

    with raw(script) as receiver:
        exporter = HttpExporter(endpoint=receiver.endpoint, timeout=LONG)
        delivery = exporter.deliver(DATA)
        exporter.shutdown()
        # What is on its way in the sockets' buffers comes on top.
        assert receiver.sent < 16 * answers.MOST_BYTES
    assert delivery.undelivered is not None
    assert f"{status}" in delivery.reason
    assert len(delivery.reason) < 400


def test_a_packed_bomb_is_unpacked_to_a_limit() -> None:
    """A body that grows a thousandfold when it is unpacked is not an answer."""
    bomb = gzip.compress(bytes(64 << 20))
    head = OK + b"Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n"
    head += f"Content-Length: {len(bomb)}\r\n\r\n".encode()
    with raw(lambda: [head, bomb]) as receiver:
        exporter = HttpExporter(endpoint=receiver.endpoint, timeout=LONG)
        delivery = exporter.deliver(DATA)
        exporter.shutdown()
    assert "too long" in delivery.reason
    assert len(answers.unpacked("gzip", bomb) or b"") == answers.MOST_BYTES + 1


def test_a_name_that_is_never_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the resolver hangs, an export ends with its timeout all the same."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(LONG / 4))
    exporter = HttpExporter(endpoint="http://collector.example/v1/metrics", timeout=0.3)
    began = time.monotonic()
    assert "timed out" in exporter.deliver(DATA).reason
    assert time.monotonic() - began < LONG / 5
    exporter.shutdown()


def test_shutting_down_ends_an_export() -> None:
    """An export that waits for an answer is over as soon as another thread shuts down."""
    with raw(lambda: slowly(b"x", OK, b"\r\n")) as receiver, ThreadPoolExecutor(1) as pool:
        exporter = HttpExporter(endpoint=receiver.endpoint, timeout=LONG)
        running = pool.submit(exporter.deliver, DATA)
        deadline = time.monotonic() + LONG
        while not receiver.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        exporter.shutdown()
        assert running.result(LONG / 2).undelivered is not None


@pytest.mark.parametrize(
    ("answer", "reason", "compression"),
    [
        (bytes(answers.MOST_BYTES + 1), "larger than max", None),
        # Below the limit on its way, and sixty times as long as that without its compression.
        (bytes(64 << 20), "not one of OTLP", grpc.Compression.Gzip),
        (gzip.compress(bytes(64 << 20)), "not one of OTLP", None),
        (b"<html>", "not one of OTLP", None),
        (b"<html>", "not one of OTLP", grpc.Compression.Gzip),
    ],
)
def test_an_answer_by_grpc_has_a_limit_too(answer: bytes, reason: str, compression: Any) -> None:
    """What is too long, unpacks to too much or is no answer has failed the export."""

    class Handler(grpc.GenericRpcHandler):
        """Answers every call the same."""

        def service(self, _details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)

    pool = ThreadPoolExecutor(1)
    server = grpc.server(pool, compression=compression)
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    exporter = GrpcExporter(endpoint=f"http://127.0.0.1:{port}", timeout=2)
    delivery = exporter.deliver(DATA)
    exporter.shutdown()
    server.stop(None).wait()
    pool.shutdown()
    assert delivery.undelivered is not None
    assert reason in delivery.reason


def test_what_retry_after_says() -> None:
    """Seconds and dates are understood; anything else leaves it to us."""
    assert http_client.retry_after("7") == 7
    assert http_client.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert http_client.retry_after("soon") is http_client.retry_after(None) is None
