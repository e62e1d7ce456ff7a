"""Prometheus' web configuration file: what is taken, and what is said of anything else."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butterfly_otel import ConfigurationError
from butterfly_otel.exporters.prometheus.securing.files import Files
from butterfly_otel.exporters.prometheus.securing.security import State, read_state
from butterfly_otel.exporters.prometheus.securing.webfile import WebFile, read_webfile
from butterfly_otel.settings.exporters import PrometheusSettings
from tests.certificates import HASHED, Certificates


def read(text: str | dict[str, Any]) -> WebFile:
    """Read a file's text, or what it says."""
    data = text if isinstance(text, str) else json.dumps(text)
    return read_webfile(data.encode(), "web_config is 'w'", Path("/etc/w"))


PAIR = {"cert_file": "server.crt", "key_file": "server.key"}


def test_the_sample_of_the_exporter_toolkit_is_read() -> None:
    """The file that the toolkit's documentation shows says here what it says there."""
    found = read(
        """
# TLS and basic authentication configuration example.
tls_server_config:
  cert_file: server.crt
  key_file: server.key
basic_auth_users:
  alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze
  bob: $2y$10$hLqFl9jSjoAAy95Z/zw8Ye8wkdMBM8c5Bn1ptYqP/AXyV0.oy0S8m
rate_limit:
  interval: "1s" # time interval between two requests, set to 0 to disable rate limiter
  burst: 20 # and permits a burst of up to 20 requests.
"""
    )
    assert found.tls is not None
    assert found.tls.certificate.path == Path("/etc/w/server.crt")
    assert (found.tls.min_version, found.tls.max_version) == ("TLS12", "TLS13")
    assert set(found.users) == {b"alice", b"bob"}
    assert (found.interval, found.burst) == (1.0, 20)


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "tls_server_config:\n", "\ufeff"])
def test_an_empty_file_asks_for_nothing(text: str) -> None:
    """A file or a section without anything in it is one without effect, as for the toolkit."""
    assert read(text) == WebFile()


@pytest.mark.parametrize("user", ["007", "yes", "1.50", "2026-01-01", "a b", "ü"])
def test_a_user_is_called_as_it_is_written(user: str) -> None:
    """What looks like a number, a flag or a date in YAML is a user's name all the same."""
    assert set(read(f"basic_auth_users:\n  {user}: {HASHED}\n").users) == {user.encode()}


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1.0), ("1m30s", 90.0), ("250ms", 0.25), ("1.5h", 5400.0), ("0", 0.0), ("1us", 1e-6)],
)
def test_durations_are_those_of_go(interval: str, seconds: float) -> None:
    """A rate limit's interval is written as Go's durations are."""
    assert read({"rate_limit": {"interval": interval, "burst": 1}}).interval == seconds


@pytest.mark.parametrize(
    ("auth", "verifies", "requires"),
    [
        ("NoClientCert", False, False),
        ("RequestClientCert", False, False),
        ("VerifyClientCertIfGiven", True, False),
        ("RequireAndVerifyClientCert", True, True),
    ],
)
def test_client_authentication(auth: str, verifies: bool, requires: bool) -> None:  # noqa: FBT001
    """Each type of the toolkit that checks anything is had, and those that check nothing let in."""
    ca = {"client_ca_file": "ca.pem"} if verifies else {}
    tls = read({"tls_server_config": {**PAIR, **ca, "client_auth_type": auth}}).tls
    assert tls is not None
    assert (tls.verifies, tls.requires) == (verifies, requires)


WRONG: list[tuple[Any, str]] = [
    ("a: [", "which is not YAML in line"),
    ("hWkNKCp3fvIx3jKnsaBI", "is not a mapping of keys to values"),
    ("- a\n", "is not a mapping of keys to values"),
    (f"basic_auth_users:\n  a: {HASHED}\n  a: {HASHED}\n", "'a' is there twice"),
    ({"tls_server_confg": {}}, "'tls_server_confg', which is unknown: use tls_server_config"),
    ({"tls_server_config": {**PAIR, "ca": "x"}}, "tls_server_config has the key 'ca'"),
    ({"http_server_config": {"http3": True}}, "http_server_config has the key 'http3'"),
    ({"http_server_config": {"http2": "maybe"}}, "http2 is 'maybe'.*true or false"),
    ({"rate_limit": {"rate": 1}}, "rate_limit has the key 'rate'"),
    ({"rate_limit": {"interval": "1"}}, "interval is '1'.*such as 1s"),
    ({"rate_limit": {"interval": "-1s"}}, "interval is '-1s'"),
    ({"rate_limit": {"interval": "1s"}}, "burst is 0.*set 1 or more"),
    ({"rate_limit": {"interval": "1s", "burst": "x"}}, "burst is 'x'"),
    ({"tls_server_config": 7}, "tls_server_config is not a mapping"),
    ({"tls_server_config": {"cert_file": "c"}}, "tls_server_config has no key_file"),
    ({"tls_server_config": {"key_file": "c"}}, "tls_server_config has no cert_file"),
    ({"tls_server_config": {"client_auth_type": "NoClientCert"}}, "has no cert_file"),
    ({"tls_server_config": {"min_version": "TLS13"}}, "min_version has no effect without"),
    ({"tls_server_config": {**PAIR, "cert": "c"}}, "cert is there beside cert_file"),
    ({"tls_server_config": {**PAIR, "min_version": "TLS10"}}, "TLS10, which is not safe"),
    ({"tls_server_config": {**PAIR, "max_version": "TLS11"}}, "TLS11, which is not safe"),
    ({"tls_server_config": {**PAIR, "min_version": "TLS111"}}, "one of TLS12, TLS13"),
    (
        {"tls_server_config": {**PAIR, "min_version": "TLS13", "max_version": "TLS12"}},
        "min_version is TLS13, above max_version",
    ),
    ({"tls_server_config": {**PAIR, "client_auth_type": "x"}}, "client_auth_type is 'x'"),
    (
        {"tls_server_config": {**PAIR, "client_auth_type": "RequireAnyClientCert"}},
        "accepts any certificate, verified or not",
    ),
    ({"tls_server_config": {**PAIR, "client_ca_file": "ca"}}, "leaves client_ca_file unused"),
    (
        {"tls_server_config": {**PAIR, "client_auth_type": "RequireAndVerifyClientCert"}},
        "any authority of this system.*set client_ca_file",
    ),
    (
        {"tls_server_config": {**PAIR, "client_allowed_sans": ["a"]}},
        "client_allowed_sans needs names, and client_auth_type",
    ),
    ({"tls_server_config": {**PAIR, "curve_preferences": ["P256"]}}, "names 'P256'.*CurveP256"),
    ({"tls_server_config": {**PAIR, "cipher_suites": {}}}, "cipher_suites is not a list"),
    ({"basic_auth_users": ["a"]}, "basic_auth_users is not a mapping"),
    ({"basic_auth_users": {"a": "plain"}}, "basic_auth_users.a is not a bcrypt hash.*htpasswd"),
    ({"basic_auth_users": {"a": None}}, "basic_auth_users.a is not a bcrypt hash"),
    ({"basic_auth_users": {"a": HASHED[:-1]}}, "is not a bcrypt hash"),
    ({"basic_auth_users": {"a": HASHED.replace("$04$", "$03$")}}, "is not a bcrypt hash"),
    ({"basic_auth_users": {"a": HASHED.replace("$2y$", "$5$")}}, "is not a bcrypt hash"),
    ({"basic_auth_users": {"a:b": HASHED}}, "a:b can't be sent: a name has no colon"),
    ({"http_server_config": {"headers": {"Server": "x"}}}, "headers.Server can't be set"),
    (
        {"http_server_config": {"headers": {"X-Frame-Options": "x"}}},
        "X-Frame-Options is 'x': it must be deny or sameorigin",
    ),
    (
        {"http_server_config": {"headers": {"Content-Security-Policy": "a\r\nB: c"}}},
        "characters that no header can have",
    ),
]


@pytest.mark.parametrize(("says", "message"), WRONG)
def test_what_is_wrong_is_one_sentence(says: str | dict[str, Any], message: str) -> None:
    """Each mistake is one line that names the file, the key and the way out."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        read(says)
    assert str(caught.value).startswith("web_config is 'w', ")
    assert "\n" not in str(caught.value)


def test_no_error_shows_a_secret() -> None:
    """Neither a password in place of its hash, nor a key, nor a broken line is in an error."""
    for text in (
        "basic_auth_users:\n  a: hunter2\n",
        "basic_auth_users:\n  a: [hunter2]\n",
        "basic_auth_users: {a: hunter2\n",
        "basic_auth_users:\n  a: 'hunter2\n",
        "tls_server_config:\n  cert: c\n  key: [hunter2]\n",
    ):
        with pytest.raises(ConfigurationError) as caught:
            read(text)
        assert "hunter2" not in str(caught.value)
    assert HASHED not in repr(read({"basic_auth_users": {"a": HASHED}}))


@given(st.binary(max_size=400) | st.text(alphabet="ab:{}[]-&*!<\n 0'\"%@|>?", max_size=120))
def test_whatever_a_file_holds_it_is_read_or_a_sentence(data: bytes | str) -> None:
    """Any bytes at all end in a configuration or in a ConfigurationError of one line."""
    raw = data if isinstance(data, bytes) else data.encode()
    try:
        read_webfile(raw, "web_config is 'w'", Path("/etc/w"))
    except ConfigurationError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - most do not raise


def state(path: Path, **settings: Any) -> State:
    """Read a file and those that it names."""
    return read_state(PrometheusSettings(web_config=path, **settings), Files())


def test_files_are_found_beside_the_one_that_names_them(certificates: Certificates) -> None:
    """A path that is not absolute begins where the web configuration file is."""
    found = state(certificates.web(basic_auth_users={"alice": HASHED}))
    assert found.context is not None
    assert found.web.users == {b"alice": HASHED.encode()}


def test_certificates_can_stand_in_the_file_itself(certificates: Certificates) -> None:
    """``cert``, ``key`` and ``client_ca`` are texts, in a file that nobody else may read."""
    pem = {
        "cert": certificates.certificate.read_text(),
        "key": certificates.key.read_text(),
        "client_ca": certificates.ca.read_text(),
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    path = certificates.folder / "inline.yml"
    path.write_text(json.dumps({"tls_server_config": pem}))
    path.chmod(0o644)
    if os.name == "posix":
        with pytest.raises(ConfigurationError, match=r"its mode is 0644.*chmod 600"):
            state(path)
    path.chmod(0o600)
    assert state(path).context is not None


@pytest.mark.skipif(os.name != "posix", reason="this system has no modes of files")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_others_may_read_is_refused(certificates: Certificates, mode: int) -> None:
    """A key is for its owner alone, and what is said names the file, its mode and chmod."""
    certificates.key.chmod(mode)
    with pytest.raises(
        ConfigurationError, match=rf"server\.key'.*mode is {mode:04o}.*chmod 600"
    ) as caught:
        state(certificates.web())
    assert str(caught.value).count("where tls_server_config") == 1


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_a_key_of_roots_may_be_read_by_a_group(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not root may read root's key by its group, as Kubernetes and Debian give it."""
    certificates.key.chmod(0o640)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state(certificates.web()).context is not None
    certificates.key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0644"):
        state(certificates.web())


def test_what_files_hold_is_looked_at(certificates: Certificates) -> None:
    """Missing, empty, swapped, foreign and encrypted files are one sentence each."""
    folder = certificates.folder
    (folder / "empty").touch(0o600)
    _, other = certificates.issue("other", "localhost")
    locked = folder / "locked.key"
    locked.touch(0o600)
    locked.write_bytes(_encrypted(certificates.key.read_bytes()))
    for changes, message in (
        ({"cert_file": "none.pem"}, r"cert_file is '.*none\.pem', which can't be read: No such"),
        ({"key_file": "none.key"}, r"key_file is '.*none\.key', which can't be read: No such"),
        ({"cert_file": "empty"}, "which holds no certificate in PEM"),
        ({"key_file": "empty"}, "which holds no private key in PEM"),
        ({"key_file": other.name}, "which is not the key of the certificate in"),
        ({"key_file": "locked.key"}, "which is encrypted.*openssl pkey"),
        ({"cipher_suites": ["TLS_RSA_WITH_RC4_128_SHA"]}, "RC4_128_SHA', which is unknown or not"),
        (
            {"client_ca_file": "empty", "client_auth_type": "RequireAndVerifyClientCert"},
            "client_ca_file is '.*empty', which holds no certificate",
        ),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            state(certificates.web(tls_server_config=changes))
        assert "\n" not in str(caught.value)
        # One sentence, not one within another.
        assert str(caught.value).count("where tls_server_config") == 1
        assert "PRIVATE" not in str(caught.value)


def _encrypted(key: bytes) -> bytes:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    loaded = serialization.load_pem_private_key(key, None)
    encoded: bytes = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    return encoded


@pytest.mark.parametrize("package", ["yaml", "bcrypt"])
def test_a_missing_package_is_named_with_its_extra(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Without PyYAML or bcrypt, what is said names the extra; TLS by itself needs neither."""
    monkeypatch.setitem(sys.modules, package, None)
    path = certificates.web(basic_auth_users={"alice": HASHED})
    with pytest.raises(ConfigurationError, match=r"pip install 'butterfly-otel\[secure\]'"):
        state(path)
    short = PrometheusSettings(certificate=certificates.certificate, key=certificates.key)
    assert read_state(short, Files()).context is not None


def test_what_is_read_leaves_nothing_behind(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory can't be a file, a key stands in one of ours for a moment, and is gone."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    modes: list[int] = []
    unlink = os.unlink

    def note(path: str) -> None:
        modes.append(stat.S_IMODE(Path(path).stat().st_mode))
        unlink(path)

    monkeypatch.setattr(os, "unlink", note)
    assert state(certificates.web()).context is not None
    assert list(folder.iterdir()) == []
    assert os.name != "posix" or modes == [0o600, 0o600]
