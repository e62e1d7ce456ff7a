"""From what a user writes to a connection: addresses and proxies."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.lint.expositions.fetch import (
    Access,
    TargetError,
    is_endpoint,
    read_target,
    url_of,
)
from tests.unit.lint.fetch.endpoints import TEXT, endpoint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("node-1:9464", "http://node-1:9464"),
        ("node-1.example.:9464/m?a=b", "http://node-1.example.:9464/m?a=b"),
        ("10.0.0.1:9464", "http://10.0.0.1:9464"),
        (":9464", "http://localhost:9464"),
        (":9464/metrics", "http://localhost:9464/metrics"),
        ("[::1]:9464", "http://[::1]:9464"),
        ("[fe80::1%eth0]:9464", "http://[fe80::1%eth0]:9464"),
        ("HTTP://A:1", "http://A:1"),
        ("https://a/x?y", "https://a/x?y"),
    ],
)
def test_endpoints(target: str, url: str) -> None:
    """A host and a port will do, an IPv6 address in brackets; a URL is taken as it is."""
    assert is_endpoint(target)
    assert url_of(target) == url
    if "://" not in target:
        assert url_of(target, secure=True) == f"https{url[4:]}"


@pytest.mark.parametrize(
    "target",
    ["metrics.txt", "a/b:9", "C:\\metrics.txt", "-", "up 1", "a:b", "a:1 2", "", "x:999999"],
)
def test_what_is_no_endpoint_is_a_file(target: str) -> None:
    """Paths, of Windows too, and text."""
    assert not is_endpoint(target)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("::1", "write [address]:port"),
        ("fe80::1:9464", "write [address]:port"),
        ("node-1:99999", "is no URL: Port out of range"),
        ("ftp://a/", "is no URL that can be asked"),
        ("http://", "is no URL that can be asked"),
        ("http://[::1/", "is no URL: "),
    ],
)
def test_what_is_no_address_is_said(target: str, said: str) -> None:
    """A sentence that says how to write it."""
    with pytest.raises(TargetError) as error:
        url_of(target)
    assert said in str(error.value)


def test_a_file_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name looks like."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:1").write_text("up 1\n")
    assert read_target("a:1", "auto", 30).text == "up 1\n"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", ""])
def test_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Whatever the environment says: no proxy could reach it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with endpoint() as server:
        assert read_target(f"{host}:{server.port}", "auto", 30).text == TEXT.decode()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("variable", "scheme"),
    [("http_proxy", "http"), ("HTTPS_PROXY", "https"), ("https_proxy", "https")],
)
def test_a_proxy_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    """With the variable that names it, without its password, and with the way around it."""
    port = closed_port()
    monkeypatch.setenv(variable, f"http://mia:secret@127.0.0.1:{port}")
    with pytest.raises(TargetError) as error:
        read_target(f"{scheme}://node-1.example/metrics", "auto", 30)
    assert str(error.value) == (
        f"{scheme}://node-1.example/metrics cannot be reached through the proxy"
        f" http://127.0.0.1:{port} ({variable}): Connection refused;"
        " for a host that needs no proxy, add it to no_proxy"
    )


def test_a_proxys_answer_is_told_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it refuses is not blamed on the endpoint alone; what it passes on is read."""
    with endpoint() as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        url = "http://node-1.example:9464/metrics"
        access = Access(headers={"X-Key": "a"})
        assert read_target(url, "auto", 30, access).text == TEXT.decode()
        assert proxy.seen[-1][0] == url
        proxy.status = 502
        with pytest.raises(TargetError) as error:
            read_target(url, "auto", 30)
        assert str(error.value) == (
            f"{url} answers 502 Bad Gateway through the proxy http://127.0.0.1:{proxy.port}"
            " (http_proxy); for a host that needs no proxy, add it to no_proxy"
        )
        proxy.status = 407
        with pytest.raises(TargetError, match="wants a password; put it into the variable"):
            read_target(url, "auto", 30)


def _drip(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(1200):
            time.sleep(0.05)
            try:
                connection.sendall(b"y")
            except OSError:
                return


def test_a_head_in_drips_does_not_outlast_the_deadline() -> None:
    """An endpoint that always has another letter to send holds up nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=_drip, args=(listener,))
        dripping.start()
        with pytest.raises(TargetError, match=r"did not answer within 0\.3 s"):
            read_target(f":{listener.getsockname()[1]}", "auto", 0.3)
        dripping.join()


def test_no_proxy_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is named there is asked itself, and no proxy is blamed."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "192.0.2.1")
    # Documentation has this address, so nothing answers there, or the system says so at once.
    with pytest.raises(TargetError) as error:
        read_target("http://192.0.2.1:9/metrics", "auto", 0.2)
    assert "proxy" not in str(error.value)
