"""No log line has a secret in it, whoever puts it there."""

from __future__ import annotations

from base64 import b64encode

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.exporters.otlp.grpc_exporter import GrpcExporter
from butterfly_otel.exporters.otlp.http_exporter import HttpExporter
from butterfly_otel.exporters.otlp.secrets import Secrets, shown
from tests.unit.exporters.otlp.receivers import raw
from tests.unit.exporters.prometheus.support import collected, counter

DATA = collected(counter("c"))
PASSWORD, KEY, TOKEN = "p4ssw0rd!", "k3y%2Fk3y", "t0ken-0f-ours"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
HIDDEN = [PASSWORD, KEY, "k3y/k3y", TOKEN, "p4ssw0rd%21", b64encode(b"user:p4ssw0rd!").decode()]


def test_an_address_is_shown_without_them() -> None:
    """A user, a password, a query and a fragment are left out."""
    assert shown("https://u:p@h:1/a/b?key=k#f") == "https://h:1/a/b"


@pytest.mark.parametrize("each", HIDDEN)
def test_each_form_of_a_secret_is_hidden(each: str) -> None:
    """As it is, quoted, unquoted and as a header, wherever it is in a text."""
    secrets = Secrets(f"http://user:p4ssw0rd%21@h/v1?key={KEY}", HEADERS.items())
    assert secrets.hide(f"refused {each}, sorry") == "refused ***, sorry"


def test_what_is_said_is_one_line() -> None:
    """Line breaks and control characters become blanks, and what is long is cut."""
    hide = Secrets("http://h", ()).hide
    assert hide("a\r\n\x1b[31mb\x00\u2028c") == "a [31mb c"
    assert len(hide("x" * 10_000)) == 300


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 401 No\r\nContent-Length: 100\r\nConnection: close\r\n\r\n%b",
        b"HTTP/1.1 401 %b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 No\r\nLocation: /%b\r\nContent-Length: 0\r\n\r\n",
        b"%b\r\n\r\n",
    ],
)
def test_a_receiver_that_repeats_them(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever of the request a receiver sends back, no secret reaches the log."""
    told = f"{PASSWORD} {KEY} {TOKEN}".encode()
    with raw(lambda: [answer % told.ljust(100)]) as receiver:
        place = receiver.endpoint.removeprefix("http://")
        url = f"http://user:p4ssw0rd%21@{place}?key={KEY}"
        exporter = HttpExporter(endpoint=url, headers=HEADERS, timeout=1)
        exporter.export(DATA)
        exporter.shutdown()
    assert receiver.requests[0].startswith(f"POST /v1/metrics?key={KEY} ".encode())
    [message] = caplog.messages
    assert not [each for each in HIDDEN if each in message]


@pytest.mark.parametrize("name", ["x\ny", "x"])
def test_a_header_that_cannot_be_sent(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the library that quotes a header is shown without its value."""
    with raw(list) as receiver:
        headers = {name: f"{TOKEN}\r\nx: \u20ac"}
        exporter = HttpExporter(endpoint=receiver.endpoint, headers=headers, timeout=1)
        exporter.export(DATA)
        exporter.shutdown()
    assert "failed: " in caplog.text
    assert TOKEN not in caplog.text


def test_a_user_in_the_url_is_sent_as_a_header() -> None:
    """By HTTP it is basic authentication, unless a header says otherwise."""
    with raw(lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]) as receiver:
        url = receiver.endpoint.replace("://", "://user:p4ssw0rd%21@")
        for headers in ({}, HEADERS):
            exporter = HttpExporter(endpoint=url, headers=headers, timeout=1)
            exporter.export(DATA)
            exporter.shutdown()
    first, second = (head.decode().lower() for head in receiver.requests)
    assert f"authorization: basic {HIDDEN[-1]}".lower() in first
    assert f"authorization: bearer {TOKEN}" in second
    assert "user:" not in first


def test_grpc_takes_no_user_and_password() -> None:
    """It can't send them, which is said without quoting them."""
    with pytest.raises(ConfigurationError, match="otlp_headers") as caught:
        GrpcExporter(endpoint=f"http://user:{PASSWORD}@localhost:1")
    assert PASSWORD not in str(caught.value)
