"""Endpoints that speak TLS: whom we trust, what we show, and what is said where that fails."""

from __future__ import annotations

import os
import shutil
import ssl
import warnings
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from butterfly_otel.lint.expositions.fetch import Access, Client, TargetError, read_target
from tests.unit.lint.fetch.endpoints import TEXT, Certificates, endpoint

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def refusal(target: str, access: Access | None = None) -> str:
    """Return the sentence on a target that can't be read."""
    with pytest.raises(TargetError) as error:
        read_target(target, "auto", 30, access)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


def test_an_authority_of_ones_own_is_trusted(certificates: Certificates) -> None:
    """By its file; without it, nobody has signed the certificate whom this system knows."""
    with endpoint(certificates.context("server")) as server:
        answer = read_target(server.url(), "auto", 30, Access(ca=certificates["ours.ca"]))
        assert answer.text == TEXT.decode()
        assert refusal(server.url()) == (
            f"the certificate of {server.url()} is signed by an authority that this system does"
            " not trust; give that authority's file by --ca"
        )


def test_a_target_without_a_scheme_is_https_where_tls_is_asked_for(
    certificates: Certificates,
) -> None:
    """Any of the options that mean nothing without TLS tells."""
    with endpoint(certificates.context("server")) as server:
        for access in (Access(ca=certificates["ours.ca"]), Access(insecure=True)):
            for target in (f"localhost:{server.port}", f":{server.port}"):
                assert read_target(target, "auto", 30, access).text == TEXT.decode()


@pytest.mark.parametrize(
    ("name", "host", "said"),
    [
        ("expired", "localhost", "has expired; renew it"),
        ("early", "localhost", "is not valid yet; correct the clock"),
        ("other-host", "localhost", "is for another host; use a name that is in it"),
        ("server", "127.0.0.1", "is for another host; use a name that is in it"),
    ],
)
def test_a_wrong_certificate_is_refused(
    certificates: Certificates, name: str, host: str, said: str
) -> None:
    """A sentence says what is wrong with it; who wants to may accept it all the same."""
    with endpoint(certificates.context(name)) as server:
        url = server.url(host)
        sentence = refusal(url, Access(ca=certificates["ours.ca"]))
        assert sentence.startswith(f"the certificate of {url} {said}")
        assert read_target(url, "auto", 30, Access(insecure=True)).text == TEXT.decode()


def test_another_authority_is_named(certificates: Certificates) -> None:
    """A sentence names the file that has the wrong one."""
    with endpoint(certificates.context("server")) as server:
        ca = certificates["other.ca"]
        assert f"is not signed by an authority in {ca}; give" in refusal(
            server.url(), Access(ca=ca)
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_ours_is_shown(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    """Mutual TLS, with certificate and key in one file or in two."""
    context = certificates.context("server", client=True)
    context.minimum_version = context.maximum_version = version
    ca = certificates["ours.ca"]
    with endpoint(context) as server:
        for access in (
            Access(ca=ca, cert=certificates["client.cert"], key=certificates["client.key"]),
            Access(ca=ca, cert=certificates["client.both"]),
        ):
            assert read_target(server.url(), "auto", 30, access).text == TEXT.decode()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("client", "said"),
    [
        (None, ("give --cert and --key",)),
        ("stranger", ("does not accept the certificate", "stranger.both")),
        ("old-client", ("does not accept the certificate", "old-client.both")),
    ],
)
def test_a_certificate_of_ours_is_refused(
    certificates: Certificates,
    version: ssl.TLSVersion,
    client: str | None,
    said: tuple[str, ...],
) -> None:
    """None, one that a stranger has signed, and one that has expired: each is told."""
    context = certificates.context("server", client=True)
    context.minimum_version = context.maximum_version = version
    cert = certificates[f"{client}.both"] if client else None
    with endpoint(context) as server:
        sentence = refusal(server.url(), Access(ca=certificates["ours.ca"], cert=cert))
    assert all(each in sentence for each in said), sentence


def test_tls_is_not_spoken_to_who_has_none(certificates: Certificates) -> None:
    """Both ways round, the sentence names the scheme to use."""
    with endpoint() as server:
        url = server.url().replace("http:", "https:")
        assert refusal(url) == f"{url} does not speak TLS; use http://"
    with endpoint(certificates.context("server")) as server:
        url = server.url().replace("https:", "http:")
        assert "use https://" in refusal(url)


def test_a_server_that_says_that_it_speaks_tls(certificates: Certificates) -> None:
    """As servers in Go do, by a plain answer on the port of TLS."""
    assert certificates
    with endpoint() as server:
        server.status, server.body = 400, b"Client sent an HTTP request to an HTTPS server.\n"
        assert refusal(server.url()).endswith("it speaks TLS; use https://")


def test_old_versions_are_not_spoken(certificates: Certificates) -> None:
    """What speaks TLS 1.1 at most is not spoken to, and the sentence says so."""
    context = certificates.context("server")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # It is as old as that.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with endpoint(context) as server:
        assert "TLS" in refusal(server.url(), Access(insecure=True))


def test_a_file_is_read_again_when_it_changes(certificates: Certificates, tmp_path: Path) -> None:
    """Who watches for days sees certificates renewed."""
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates["other.ca"], ca)
    client = Client(Access(ca=ca))
    with endpoint(certificates.context("server")) as server:
        with pytest.raises(TargetError, match="not signed"):
            client.read(server.url(), "auto", 30)
        shutil.copy(certificates["ours.ca"], ca)
        # Should the clock of the file system not have moved meanwhile.
        os.utime(ca, (1, 1))
        assert client.read(server.url(), "auto", 30).text == TEXT.decode()


def test_files_that_are_no_use_are_named(certificates: Certificates, tmp_path: Path) -> None:
    """Which option, which file, and what is wrong with it; no password is asked for."""
    garbage, none = tmp_path / "garbage.pem", tmp_path / "none.pem"
    garbage.write_text("no PEM")
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(
        (tmp_path / certificates["client.key"]).read_bytes(), None
    )
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    cert, other = certificates["client.cert"], certificates["stranger.key"]
    url = "https://localhost:1/metrics"
    for access, said in (
        (Access(ca=garbage), f"--ca {garbage} has no certificates; give a file in PEM"),
        (Access(ca=none), f"--ca {none} cannot be read: No such file"),
        (Access(cert=none), f"--cert {none} cannot be read: No such file"),
        (Access(cert=cert, key=none), f"--key {none} cannot be read: No such file"),
        (Access(cert=garbage), f"--cert {garbage} have no certificate with its key"),
        (Access(cert=cert), f"--cert {cert} have no certificate with its key"),
        (Access(cert=cert, key=other), f"--key {other} is not the key of --cert {cert}"),
        (Access(cert=cert, key=locked), f"the key of --cert {cert} is encrypted"),
    ):
        assert refusal(url, access).startswith(said)
