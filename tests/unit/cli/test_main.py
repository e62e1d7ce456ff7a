"""The command as a whole: help, exit codes, the catalogue."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from butterfly_otel import catalog
from butterfly_otel.cli import main
from butterfly_otel.cli.output import write_what_can_be_written
from butterfly_otel.version import __version__

COMMAND = Path(sys.executable).parent / "butterfly-otel"


COMMANDS = (
    *("catalog", "check", "dashboards", "demo", "init", "render", "rules", "runbook", "sizes"),
    *("top", "views"),
)


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command explains itself and exits with 0."""
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "usage: butterfly-otel" in text
    for command in () if arguments else COMMANDS:
        assert f"\n    {command}" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version of the package."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"butterfly-otel {__version__}\n"


def test_the_package_runs_as_a_module() -> None:
    """``python -m butterfly_otel`` is the command, with its exit codes."""
    command = [sys.executable, "-m", "butterfly_otel", "check", "no-such-file"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert "no-such-file cannot be read" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["catalog", "--category", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage exits with 2 and says what would be right."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: butterfly-otel" in capsys.readouterr().err


def test_the_table_has_every_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """Without options the catalogue is a table of all 64, with labels, whole in a pipe."""
    assert main(["catalog"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "64 metrics"
    assert [line.split()[0] for line in lines[1:-1]] == [each.name for each in catalog.CONTRACT]
    assert "node_role, method, status" in lines[1]


def test_filters_narrow_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    """Pattern, category, type and label are conditions that all hold."""
    assert main(["catalog", "*_duration_*", "--type", "histogram", "--label", "node_id"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert "butterfly_recovery_duration_seconds" in names
    assert "butterfly_consensus_election_duration_seconds" not in names
    assert main(["catalog", "--category", "consensus", "--json"]) == 0
    assert {m["category"] for m in json.loads(capsys.readouterr().out)} == {"consensus"}


def test_nothing_found_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A filter that leaves nothing says so by its exit code."""
    assert main(["catalog", "nothing*"]) == 1
    assert "0 metrics" in capsys.readouterr().out


def test_json_has_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has all that the catalogue knows, with the limit that applies."""
    assert main(["catalog", "butterfly_request_duration_seconds", "--format", "json"]) == 0
    [metric] = json.loads(capsys.readouterr().out)
    assert metric["buckets"] == [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]
    assert metric["labels"][1]["values"] == ["inference", "checkpoint"]
    assert metric["limit"] == 9
    assert metric["unit"] == "s"


def test_markdown_and_extensions(capsys: pytest.CaptureFixture[str]) -> None:
    """Markdown is a table; --extensions adds the SDK's own metrics."""
    assert main(["catalog", "--format", "markdown", "--extensions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "|---|---|---|---|---|---|"
    assert len(lines) == 2 + len(catalog.ALL)


def test_a_closed_pipe_is_no_error() -> None:
    """`butterfly-otel catalog | head -1` ends quietly."""
    script = f"{COMMAND} catalog --json --extensions | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["/bin/bash", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout == "[\n0\n"
    assert result.stderr == ""


def test_a_users_mistake_is_one_sentence(tmp_path: Path) -> None:
    """An error of ours is one line on standard error, without a traceback."""
    result = subprocess.run(
        [COMMAND, "render", "--root", tmp_path], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("butterfly-otel: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["check", "demo", "sizes", "top"])
@pytest.mark.parametrize("wrong", [["--no-such-option"], ["--timeout", "x", "--no-such-option=1"]])
def test_a_wrong_option_shows_the_usage_of_its_command(
    command: str, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not that of the whole, which does not tell what the command takes."""
    with pytest.raises(SystemExit) as caught:
        main([command, *wrong])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"usage: butterfly-otel {command} ")


@pytest.mark.parametrize("option", ["--port", "--prometheus-port"])
@pytest.mark.parametrize("port", ["99999", "-1"])
def test_the_demo_names_the_option_of_a_port_that_is_none(
    option: str, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the command line, not of a setting."""
    assert main(["demo", "--duration", "1", f"{option}={port}"]) == 2
    said = f"butterfly-otel: {option} is {port}; pass a number from 0 to 65535\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--plain", "--port", "0", "--duration", "1", "--speed", "20"],
        ["top", "--once", "--interval", "0.01", "http://127.0.0.1:1"],
        ["catalog"],
        ["sizes", "--nodes", "10"],
        ["check", "http://127.0.0.1:1", "http://127.0.0.1:2"],
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_a_terminal_without_our_letters_ends_no_command(
    arguments: list[str], encoding: str
) -> None:
    """Something simpler is written in the place of what it does not have."""
    result = subprocess.run(
        [sys.executable, "-m", "butterfly_otel", *arguments],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert b"UnicodeEncodeError" not in result.stderr
    assert result.returncode == (2 if "http://127.0.0.1:1" in arguments else 0), result.stderr
    assert result.stdout.decode(encoding)


def test_what_is_simpler_is_as_wide() -> None:
    """Columns stay under each other; what has nothing simpler is escaped."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="")
    write_what_can_be_written(stream)
    stream.write("40 °C · a… é")
    stream.flush()
    assert raw.getvalue() == b"40 'C - a~ \\xe9"
