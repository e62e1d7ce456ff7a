"""What counts as a delivered export, and what a failed one says."""

from __future__ import annotations

import gzip
import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from butterfly_otel.exporters.otlp.answers import Answer, of_http, unpacked
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from tests.unit.exporters.otlp.receivers import raw
from tests.unit.exporters.prometheus.support import collected, counter

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PARTIAL = ExportMetricsServiceResponse(
    partial_success=ExportMetricsPartialSuccess(rejected_data_points=17, error_message="no")
)
WARNING = ExportMetricsServiceResponse(
    partial_success=ExportMetricsPartialSuccess(error_message="soon over")
)


def told(body: bytes, kind: str = PROTOBUF, status: int = 200) -> Answer:
    """Return what an answer means."""
    return of_http(status, "", kind, body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ""),
        (b"", "text/html"),
        (b"{}", JSON),
        (b"{}", "application/json; charset=utf-8"),
        (b'{"partialSuccess": null}', JSON),
        (b'{"partialSuccess": {"rejectedDataPoints": "x"}}', JSON),
        (b"{}", ""),
        (b"OK", "text/plain"),
        (b"ok\n", ""),
        (ExportMetricsServiceResponse().SerializeToString(), PROTOBUF),
    ],
)
def test_an_answer_of_a_receiver_is_a_delivery(body: bytes, kind: str) -> None:
    """Receivers answer with a message, with JSON, with a word, or with nothing at all."""
    assert told(body, kind) == Answer(delivered=True)
    assert told(body, kind, 202).delivered


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body>Log in</body></html>", "text/html; charset=utf-8"),
        (b"Log in", "text/html"),
        (b"<!DOCTYPE html><title>x", ""),
        (b"\n\n  <html>", ""),
        (b"\xef\xbb\xbf<html>", "text/plain"),
        (b"<?xml version='1.0'?><a/>", "application/xml"),
        (b"please <a href=x>log in</a>", "text/plain"),
        (b"<html>", PROTOBUF),
        (b"<html>", JSON),
        (b"<html>", "application/octet-stream"),
        (b"[]", JSON),
        (b"OK", JSON),
        (b"OK", PROTOBUF),
        (b"\x00\xff\xfe", ""),
    ],
)
def test_a_page_is_not_a_delivery(body: bytes, kind: str) -> None:
    """What a portal, a proxy or a web server answers with 200 has delivered nothing."""
    answer = told(body, kind)
    assert not answer.delivered
    assert not answer.retry
    assert "not an answer to OTLP" in answer.reason


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_not_a_delivery(status: int) -> None:
    """No redirect is followed, none has delivered anything, and the reason says where it points."""
    answer = of_http(status, "Moved", "", b"", to="http://there/x")
    assert not answer.delivered
    assert f"{status} Moved towards http://there/x" in answer.reason


def test_a_redirect_over_the_wire() -> None:
    """The request is not sent where a redirect points, and secrets of that place are not shown."""
    head = b"HTTP/1.1 307 Away\r\nLocation: http://u:p4ss@127.0.0.1:1/a?key=k3yk3y\r\n"
    with raw(lambda: [head, b"Content-Length: 0\r\n\r\n"]) as receiver:
        exporter = HttpExporter(endpoint=receiver.endpoint, timeout=5)
        delivery = exporter.deliver(collected(counter("c")))
        exporter.shutdown()
    assert len(receiver.requests) == 1
    assert "307 Away towards http://127.0.0.1:1/a," in delivery.reason


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PARTIAL.SerializeToString(), PROTOBUF),
        (PARTIAL.SerializeToString(), ""),
        (
            json.dumps(
                {"partialSuccess": {"rejectedDataPoints": "17", "errorMessage": "no"}}
            ).encode(),
            JSON,
        ),
        (
            json.dumps(
                {"partialSuccess": {"rejectedDataPoints": 17, "errorMessage": "no"}}
            ).encode(),
            "",
        ),
    ],
)
def test_points_that_are_rejected(body: bytes, kind: str) -> None:
    """A partial success says how many points were rejected and why."""
    assert told(body, kind) == Answer(delivered=True, reason="no", rejected=17)


def test_a_warning_rejects_nothing() -> None:
    """A partial success with a text and without points is a warning."""
    assert told(WARNING.SerializeToString()) == Answer(delivered=True, reason="soon over")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_help_to_send_again(status: int) -> None:
    """The four statuses of the specification are sent again, after the time that is asked for."""
    answer = of_http(status, "Busy", "", b"", 3.0)
    assert (answer.delivered, answer.retry, answer.wait) == (False, True, 3.0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 500, 501, 505])
def test_what_does_not_help_to_send_again(status: int) -> None:
    """No other failure is sent again at once, and the reason has what the receiver says."""
    answer = of_http(status, "No", "text/plain", b"label value\ntoo long")
    assert (answer.delivered, answer.retry) == (False, False)
    assert answer.reason == f"the receiver answered {status} No: label value\ntoo long"
    assert answer.refused == (status in {400, 413})


def test_a_failure_in_a_message() -> None:
    """By OTLP a failure's body is a Status, whose message is shown."""
    body = Status(code=3, message="out of bounds").SerializeToString()
    assert of_http(400, "Bad Request", PROTOBUF, body).reason.endswith(
        "400 Bad Request: out of bounds"
    )


def test_content_encodings() -> None:
    """A body is unpacked where the encoding is known."""
    assert unpacked("", b"x") == unpacked("gzip", gzip.compress(b"x")) == b"x"
    assert [unpacked(each, b"x") for each in ("br", "gzip")] == [None, None]
