"""Certificates, users and tokens that change while the endpoint is scraped."""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import bcrypt
import pytest

from butterfly_otel.exporters.prometheus.securing import files
from tests.certificates import HASHED, Certificates, basic, bearer

from .conftest import BODY, LONG, Endpoint

OTHER = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()


def replace(path: Path, text: str) -> None:
    """Put another file in a file's place at once, as careful tools do."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch(0o600)
    fresh.write_text(text)
    os.replace(fresh, path)  # noqa: PTH105 - the plainest


def serial(running: Endpoint, certificates: Certificates) -> str:
    """Return the serial number of the certificate that is shown."""
    with closing(running.connect(certificates.trusting())) as connection:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        shown = connection.sock.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"])


def test_a_new_certificate_is_shown_at_the_next_handshake(
    certificates: Certificates, endpoint: Callable[..., Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    """Certificate and key are read again, also where they were written in place, one by one."""
    caplog.set_level(logging.INFO)
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    shown = {serial(running, certificates)}
    with closing(running.connect(certificates.trusting())) as kept:
        for number in range(3):
            certificates.issue("server", "localhost")
            shown.add(serial(running, certificates))
            assert len(shown) == number + 2
            # A connection that is open goes on.
            kept.request("GET", "/metrics")
            assert kept.getresponse().read() == BODY
    assert caplog.text.count("has new certificates, users or tokens") == 3


def test_users_change(certificates: Certificates, endpoint: Callable[..., Endpoint]) -> None:
    """A new user passes at once, also on an open connection, and one who is gone does not."""
    path = certificates.web(basic_auth_users={"alice": HASHED})
    running = endpoint(web_config=path)
    context = certificates.trusting()
    with closing(running.connect(context)) as kept:

        def status(headers: dict[str, str]) -> int:
            kept.request("GET", "/metrics", headers=headers)
            answer = kept.getresponse()
            answer.read()
            return answer.status

        assert status(basic("alice")) == 200
        certificates.web(basic_auth_users={"bob": OTHER})
        assert status(basic("alice")) == 401
        assert status(basic("bob", "other")) == 200
        certificates.web(basic_auth_users={"alice": OTHER})
        assert status(basic("alice")) == 401
        assert status(basic("alice", "other")) == 200


def test_tokens_change(tmp_path: Path, endpoint: Callable[..., Endpoint]) -> None:
    """A token file is read again; with the old and the new one in it, no scrape fails."""
    path = tmp_path / "token"
    path.write_text("old")
    running = endpoint(bearer_token_file=path)
    assert running.get(bearer("old"))[0] == 200
    replace(path, "old\nnew\n")
    assert [running.get(bearer(each))[0] for each in ("old", "new")] == [200, 200]
    replace(path, "new\n")
    assert [running.get(bearer(each))[0] for each in ("old", "new")] == [401, 200]


@pytest.mark.parametrize("age", [-3600.0, 3600.0])
def test_a_change_in_the_same_tick_is_seen(
    tmp_path: Path, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    """A file that was just written is read again though it looks the same; an old one is not."""
    path = tmp_path / "token"
    path.write_text("one")
    mark = (int((time.time() - age) * 1e9), 0, 3, 1, 1)
    monkeypatch.setattr(files, "_mark", lambda _: mark)
    running = endpoint(bearer_token_file=path)
    path.write_text("two")
    assert running.get(bearer("two"))[0] == (401 if age > 0 else 200)


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs links")
def test_a_secret_of_kubernetes_changes_by_a_link(
    tmp_path: Path, endpoint: Callable[..., Endpoint]
) -> None:
    """Where only the target of a link above the file changes, the file has changed."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "token").symlink_to("data/token")
    running = endpoint(bearer_token_file=tmp_path / "token")
    assert running.get(bearer("one"))[0] == 200
    (tmp_path / "data.new").symlink_to("two")
    os.replace(tmp_path / "data.new", tmp_path / "data")  # noqa: PTH105 - as above
    assert running.get(bearer("one"))[0] == 401
    assert running.get(bearer("two"))[0] == 200


def test_a_file_that_becomes_wrong_is_told_once_and_the_old_one_stays(
    certificates: Certificates, endpoint: Callable[..., Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    """Each mistake is one line, scrapes go on as before, and the next right file is taken."""
    path = certificates.web(basic_auth_users={"alice": HASHED})
    running = endpoint(web_config=path)
    context, good = certificates.trusting(), path.read_text()
    assert running.get(basic("alice"), context) == (200, BODY)
    key = certificates.key.read_bytes()
    _, other = certificates.issue("other", "localhost")

    def mistakes() -> list[tuple[Callable[[], object], str]]:
        return [
            (lambda: replace(path, "a: ["), "is not YAML"),
            (lambda: replace(path, good.replace("key_file", "kye_file")), "'kye_file'"),
            (lambda: replace(path, good.replace("server.key", "none.key")), "can't be read"),
            (lambda: replace(path, good.replace("$2y$", "$9y$")), "not a bcrypt hash"),
            (path.unlink, "can't be read"),
            (lambda: certificates.key.write_bytes(other.read_bytes()), "not the key of"),
            (lambda: certificates.key.write_bytes(b""), "holds no private key"),
            (certificates.key.unlink, "can't be read"),
        ]

    for break_it, message in mistakes():
        caplog.clear()
        break_it()
        for _ in range(3):
            assert running.get(basic("alice"), context) == (200, BODY)
            assert running.get({}, context)[0] == 401
        told = [each.getMessage() for each in caplog.records if "goes on with" in each.message]
        assert len(told) == 1, (message, told)
        assert message in told[0]
        replace(path, good)
        certificates.key.touch(0o600)
        certificates.key.write_bytes(key)
        assert running.get(basic("alice"), context) == (200, BODY)
    replace(path, good.replace(HASHED, OTHER))
    assert running.get(basic("alice", "other"), context) == (200, BODY)


@pytest.mark.skipif(os.name != "posix", reason="this system has no modes of files")
def test_a_key_that_others_may_read_is_not_taken_later_either(
    certificates: Certificates, endpoint: Callable[..., Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    """A new key with a mode that lets others read it is told, and the old one stays."""
    running = endpoint(certificate=certificates.certificate, key=certificates.key)
    before = serial(running, certificates)
    certificates.issue("server", "localhost")
    certificates.key.chmod(0o644)
    assert serial(running, certificates) == before
    assert caplog.text.count("its mode is 0644") == 1
    certificates.key.chmod(0o600)
    assert serial(running, certificates) != before


def test_nothing_opens_by_a_file_that_is_half_written(
    certificates: Certificates, endpoint: Callable[..., Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    """A file that lacks a defence it had, down to an empty one, lets nobody in."""
    mutual = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
    sans = {"client_allowed_sans": ["scraper.example"]}
    users = {"basic_auth_users": {"alice": HASHED}}
    path = certificates.web(tls_server_config={**mutual, **sans}, **users)
    running = endpoint(web_config=path)
    known = certificates.trusting(known=True)
    good = path.read_text()

    def nobody_gets_in() -> None:
        assert running.get(basic("alice"), known) == (200, BODY)
        assert running.get({}, known)[0] == 401
        with pytest.raises(OSError):  # noqa: PT011 - refused by TLS
            running.get(basic("alice"), certificates.trusting())

    for text in (
        "",
        "{}",
        certificates.web("less.yml").read_text(),
        certificates.web("less.yml", **users).read_text(),
        certificates.web("less.yml", tls_server_config=mutual, **users).read_text(),
        certificates.web("less.yml", tls_server_config={**mutual, **sans}).read_text(),
    ):
        caplog.clear()
        path.write_text(text)
        nobody_gets_in()
        assert "takes away" in caplog.text
        assert "start the process again" in caplog.text
        path.write_text(good)
        nobody_gets_in()


def test_reload_under_load_fails_no_scrape(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """While certificates and users change again and again, every scrape of a known user passes."""
    path = certificates.web(basic_auth_users={"alice": HASHED})
    running = endpoint(web_config=path)
    stop, failed, done = threading.Event(), [], []

    def scrape() -> None:
        kept = running.connect(certificates.trusting())
        with closing(kept):
            while not stop.is_set():
                try:
                    fresh = running.get(basic("alice"), certificates.trusting())
                    kept.request("GET", "/metrics", headers=basic("alice"))
                    again = kept.getresponse()
                    assert fresh == (again.status, again.read()) == (200, BODY)
                except BaseException as error:  # noqa: BLE001 - told below
                    failed.append(error)
                    return
                done.append(1)

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for each in threads:
        each.start()
    for number in range(30):
        before = len(done)
        if number % 2:
            # One after the other, so that in between they do not fit.
            certificates.issue("server", "localhost")
        else:
            users = {"alice": HASHED, f"user-{number}": OTHER}
            replace(path, certificates.web("next.yml", basic_auth_users=users).read_text())
        waited = threading.Event()
        for _ in range(3_000):
            if failed or len(done) > before + 3:
                break
            waited.wait(0.01)
    stop.set()
    for each in threads:
        each.join(LONG)
    assert failed == []
    assert len(done) > 90
    assert running.refused == {}
