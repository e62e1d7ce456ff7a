"""Passwords, tokens and headers: who sees them, who doesn't, and what is said where they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from butterfly_otel.lint.expositions.fetch import Access, Client, TargetError, read_target
from tests.unit.lint.fetch.endpoints import TEXT, basic, endpoint

if TYPE_CHECKING:
    from pathlib import Path


def refusal(target: str, access: Access | None = None) -> str:
    """Return the sentence on a target that can't be read."""
    with pytest.raises(TargetError) as error:
        read_target(target, "auto", 30, access)
    return str(error.value)


def test_a_user_with_a_password(tmp_path: Path) -> None:
    """From a file or as it is; letters of any alphabet, blanks and a colon are part of it."""
    file = tmp_path / "password"
    word = "pâss: wörd "
    file.write_text(f"{word}\n", "utf-8")
    with endpoint() as server:
        server.wants = basic("mia", word)
        for access in (
            Access(user="mia", password_file=file),
            Access(user="mia", password=word),
        ):
            assert read_target(server.url(), "auto", 30, access).text == TEXT.decode()
        wrong = refusal(server.url(), Access(user="mia", password=word.strip()))
        assert wrong == (
            f"{server.url()} answers 401 Unauthorized: it does not know the user 'mia' with that"
            " password; correct them"
        )
        assert refusal(server.url()).endswith(
            "asks for a password; give --user and --password-file"
        )


def test_a_token_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """From a file, at each scrape."""
    file = tmp_path / "token"
    file.write_text(" old\n")
    client = Client(Access(bearer_file=file))
    with endpoint() as server:
        server.wants, server.scheme = "Bearer new", "Bearer"
        with pytest.raises(TargetError, match=r"does not know the token in .*token; put the right"):
            client.read(server.url(), "auto", 30)
        file.write_text("new")
        assert client.read(server.url(), "auto", 30).text == TEXT.decode()
        assert refusal(server.url()).endswith("it asks for a token; give --bearer-file")


def test_either_is_named_where_both_would_do() -> None:
    """Who is asked for a password or a token is told of both."""
    with endpoint() as server:
        server.wants = "Bearer new"
        server.scheme = 'Basic realm="metrics"\r\nWWW-Authenticate: Bearer'
        assert refusal(server.url()).endswith(
            "it asks who you are; give --user and --password-file, or --bearer-file"
        )


def test_headers_are_sent() -> None:
    """Any header; one that is refused is not taken for a password that is missing."""
    with endpoint() as server:
        server.wants = "Custom a b"
        access = Access(headers={"Authorization": "Custom a b", "X-Scope": "é"})
        assert read_target(server.url(), "auto", 30, access).text == TEXT.decode()
        assert server.seen[-1][1]["x-scope"] == "é"
        other = refusal(server.url(), Access(headers={"authorization": "no"}))
        assert other.endswith("it does not accept the header Authorization; correct it")


def test_secrets_stay_with_the_host_they_are_for(tmp_path: Path) -> None:
    """A redirect within the endpoint keeps them; one to another port or host does not."""
    file = tmp_path / "token"
    file.write_text("secret")
    access = Access(bearer_file=file, headers={"X-Key": "secret"})
    with endpoint() as server, endpoint() as other:
        server.location = "/there"
        read_target(server.url(), "auto", 30, access)
        path, shown = server.seen[-1]
        assert (path, shown["authorization"], shown["x-key"]) == (
            "/there",
            "Bearer secret",
            "secret",
        )
        server.location = f"http://localhost:{other.port}/there"
        read_target(server.url(), "auto", 30, access)
        assert "secret" not in str(other.seen)
        assert len(other.seen) == 1


@pytest.mark.parametrize("location", ["ftp://localhost/x", "file:///etc/hosts", "gopher://x"])
def test_a_redirect_leads_to_no_other_protocol(location: str) -> None:
    """Nor to a file of this machine."""
    with endpoint() as server:
        server.location = location
        assert "302" in refusal(server.url())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": "k"}, "--key is given without --cert; give both"),
        ({"ca": "c", "insecure": True}, "--ca and --insecure are given; leave --insecure out"),
        ({"user": "a"}, "--user is given without a password; give it by --password-file"),
        ({"user": "a:b"}, "--user has a colon, which no user's name has"),
        ({"user": "a", "password": "b", "bearer_file": "t"}, "--user and --bearer-file are given"),
        ({"password_file": "p"}, "a password is given without --user; give both"),
        ({"headers": {"a b": "c"}}, "--header has 'a b', which is no name"),
        ({"headers": {"A": "secret\r\nB: c"}}, "--header A has a value that no header can have"),
        ({"headers": {"A": "\u20ac"}}, "--header A has a value that no header can have"),
        ({"headers": {"accept-encoding": "br"}}, "--header accept-encoding is decided by"),
    ],
)
def test_what_does_not_go_together_is_said_at_once(given: dict[str, Any], said: str) -> None:
    """Before anybody is asked anything, and without the secret."""
    with pytest.raises(TargetError) as error:
        Access(**given)
    assert str(error.value).startswith(said)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory; name a file that"),
        (b"", "has no secret in it: it must be one line of text"),
        (b" \n", "has no secret in it"),
        (b"a\nb\n", "has no secret in it"),
        (b"\xff\xfe", "has no secret in it"),
        ("tökén".encode(), "has no secret in it"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Nothing is sent then, least of all half of it."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with endpoint() as server:
        sentence = refusal(server.url(), Access(bearer_file=file))
        assert sentence.startswith(f"--bearer-file {file} {said}")
        assert server.seen == []


def test_no_secret_is_shown() -> None:
    """Whoever logs a way of access logs no password and no header."""
    hidden = "hidden"
    access = Access(user="mia", password=hidden, headers={"X-Key": hidden})
    assert "hidden" not in repr(access)
    assert "hidden" not in refusal("http://mia:hidden@localhost:1/", access)
    assert "use --user with --password-file" in refusal("http://mia:hidden@localhost:1/")
