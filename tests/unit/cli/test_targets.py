"""The options by which commands reach endpoints, and targets in files."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.cli import main
from butterfly_otel.cli.discovered import targets_of
from butterfly_otel.lint.expositions.fetch import TargetError
from butterfly_otel.testing import Access, assert_exposition
from tests.unit.lint.exposition_fixture import render_text
from tests.unit.lint.fetch.endpoints import Certificates, Endpoint, basic, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRUE = render_text().encode()
WRONG = TRUE + b"butterfly_quorum_siz 1.0\n"
COMMANDS = ["check", "top"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates and their authorities."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secured(certificates: Certificates) -> Iterator[Endpoint]:
    """Serve to who shows a certificate of ours and a password."""
    with endpoint(certificates.context("server", client=True)) as server:
        server.wants, server.body = basic("mia", "word"), TRUE
        yield server


@pytest.fixture
def plain() -> Iterator[Endpoint]:
    """Serve to everybody."""
    with endpoint() as server:
        server.body = TRUE
        yield server


def run(command: str, *arguments: str) -> int:
    """Run a command that reads endpoints, once."""
    once = ["--once", "--interval", "0.01"] if command == "top" else []
    return main([command, *once, "--timeout", "30", *arguments])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("in_file", [True, False])
def test_commands_reach_an_endpoint_that_is_secured(
    command: str,
    in_file: bool,  # noqa: FBT001
    certificates: Certificates,
    secured: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By mutual TLS and a password, of a target without a scheme, with a header."""
    options = [f"localhost:{secured.port}", "--ca", certificates["ours.ca"], "--user", "mia"]
    options += ["--cert", certificates["client.cert"], "--key", certificates["client.key"]]
    options += ["--header", "X-Scope: a: b"]
    if in_file:
        (tmp_path / "password").write_text("word\n")
        options += ["--password-file", str(tmp_path / "password")]
    else:
        monkeypatch.setenv("BUTTERFLY_OTEL_PASSWORD", "word")
    assert run(command, *options) == 0
    assert secured.seen[-1][1]["x-scope"] == "a: b"


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_send_a_token(command: str, plain: Endpoint, tmp_path: Path) -> None:
    """From a file; a variable that is there for something else is let alone."""
    (tmp_path / "token").write_text("abc")
    plain.wants = "Bearer abc"
    assert run(command, f":{plain.port}", "--bearer-file", str(tmp_path / "token")) == 0


def test_the_test_kit_reaches_it_too(certificates: Certificates, secured: Endpoint) -> None:
    """By the same ways; what is no endpoint is text still."""
    word = "word"
    ways = Access(
        ca=certificates["ours.ca"], cert=certificates["client.both"], user="mia", password=word
    )
    target = f"localhost:{secured.port}"
    assert_exposition(target, "butterfly_quorum_size 1", subset=True, access=ways)
    with pytest.raises(AssertionError, match="give --cert and --key"):
        assert_exposition(secured.url(), "up 1", access=Access(ca=certificates["ours.ca"]))
    assert_exposition("# see http://x:1\nup 1", "up 1")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--key", "k", ":1"], "--key is given without --cert; give both"),
        (["--user", "mia", ":1"], "--user is given without a password"),
        (["--header", "secret", ":1"], "--header has no colon; write 'Name: value'"),
        ([], "there are no targets; name one, or --file-sd with some"),
        (["--file-sd", "/nowhere.json"], "--file-sd /nowhere.json cannot be read: No such file"),
    ],
)
def test_wrong_options_are_one_sentence(
    command: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anybody is asked anything; the exit code is that of wrong usage."""
    assert run(command, *options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "secret" not in error


def test_check_reports_each_of_several(
    plain: Endpoint, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In the order they were named, each with its exit code; the highest is the command's."""
    wrong = tmp_path / "wrong.txt"
    wrong.write_bytes(WRONG)
    targets = [f":{plain.port}", str(wrong), "http://127.0.0.1:1"]
    assert run("check", *targets) == 2
    lines = capsys.readouterr().out.splitlines()
    assert any(each.startswith("error ") and "quorum_siz:" in each for each in lines)
    [head] = [each for each in lines if each.startswith("3 targets: ")]
    assert head == (
        "3 targets: 1 true to the contract, 1 not true to the contract, 1 not read;"
        " exit code and verdict of each:"
    )
    overview = lines[lines.index(head) + 1 :]
    assert [each.split()[:2] for each in overview] == [
        ["0", targets[0]],
        ["1", targets[1]],
        ["2", targets[2]],
    ]
    assert "cannot be reached: " in overview[2]
    assert run("check", *targets[:2]) == 1
    assert run("check", targets[0], targets[0]) == 0


def test_check_reports_each_of_several_as_json(
    plain: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object, with one for each target that has its own exit code."""
    assert run("check", "--json", f":{plain.port}", "http://127.0.0.1:1") == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["exit_code"]) == (False, 2)
    first, second = document["targets"]
    assert (first["ok"], first["exit_code"], first["error"], first["format"]) == (
        True,
        0,
        None,
        "text",
    )
    assert (second["ok"], second["exit_code"], second["format"]) == (False, 2, None)
    assert second["error"].startswith("http://127.0.0.1:1 cannot be reached: ")


def test_targets_are_read_at_once(certificates: Certificates) -> None:
    """None waits for another: each answers only when all have been asked."""
    import threading  # noqa: PLC0415

    assert certificates
    everybody = threading.Barrier(3, timeout=60)

    class Meeting(Endpoint):
        def finish_request(self, request: object, client_address: object) -> None:
            everybody.wait()
            super().finish_request(request, client_address)

    with Meeting() as server:
        server.body = TRUE
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            urls = [f"http://localhost:{server.port}/{name}" for name in "abc"]
            assert run("check", *urls) == 0
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("command", COMMANDS)
def test_targets_of_a_file(
    command: str, plain: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Prometheus reads it; a single one is reported as one of several."""
    file = tmp_path / "targets.json"
    file.write_text(json.dumps([{"targets": [f"localhost:{plain.port}"], "labels": {"a": "b"}}]))
    assert run(command, "--file-sd", str(file)) == 0
    assert command == "top" or "1 target: 1 true to the contract" in capsys.readouterr().out


def test_labels_of_a_file_tell_the_way(tmp_path: Path) -> None:
    """Scheme, path and parameters, as Prometheus takes them; each target comes once."""
    file = tmp_path / "targets.yml"
    file.write_text(
        "- targets: ['a:1', 'b:1']\n"
        "- targets: ['a:1', '[::1]:2']\n"
        "  labels: {__scheme__: https, __metrics_path__: /m, __param_x: 'a b', job: j}\n"
        "- targets: ['c:3']\n"
        "  labels: {__metrics_path__: /m}\n"
        "- targets: []\n"
    )
    assert targets_of(["z:1", "b:1"], [str(file)]) == [
        "z:1",
        "b:1",
        "a:1",
        "https://a:1/m?x=a+b",
        "https://[::1]:2/m?x=a+b",
        "c:3/m",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "[", "is no JSON: "),
        ("a.json", "{}", "must be a list of groups"),
        ("a.json", "[1]", "must be a list of groups"),
        ("a.json", '[{"targets": "a:1"}]', "must be a list of groups"),
        ("a.json", '[{"targets": ["a:1"], "labels": []}]', "must be a list of groups"),
        ("a.json", '[{"targets": [9464]}]', "has a target that is no text: 9464; quote it"),
        ("a.json", '[{"targets": ["node-1"]}]', "'node-1', which is not a host with a port"),
        ("a.json", '[{"targets": ["/etc/passwd"]}]', "is not a host with a port"),
        ("a.json", '[{"targets": ["-"]}]', "is not a host with a port"),
        ("a.json", "[" * 100_000, "is no JSON: "),
        ("a.yml", "- targets: [", "is no YAML: "),
        ("a.yml", "- targets: [a:1]\n  targets: [b:1]", ", line 2 is no YAML: the key 'targets'"),
        ("a.yaml", "", "must be a list of groups"),
        ("a.yml", "[]", "there are no targets"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    """With the place; and what others write there makes nobody read files of this machine."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(TargetError) as error:
        targets_of([], [str(file)])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_yaml_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the sentence says what to install, or how to do without."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    file = tmp_path / "a.yml"
    file.write_text("[]")
    with pytest.raises(TargetError, match="pip install PyYAML, or write it as JSON"):
        targets_of([], [str(file)])
