"""Files that commands write: what is somebody's work is not overwritten, and one goes to a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.cli import main
from butterfly_otel.cli.output import STDOUT, write_files
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    ("rules", "prometheus_alerts.yml"),
    ("dashboards", "overview.json"),
    ("init prometheus", "prometheus/prometheus.yml"),
)


@pytest.mark.parametrize(("command", "name"), COMMANDS)
def test_what_was_changed_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    """A command that finds another text in the place of one file writes none, and says which."""
    if command == "dashboards":
        pytest.importorskip("grafana_foundation_sdk")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    assert main([*command.split(), "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"{file} would be overwritten, and nothing was written" in error
    assert "--force" in error
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert file.read_text() == "mine"
    assert main([*command.split(), "--output", str(tmp_path), "--force"]) == 0
    assert file.read_text("utf-8") != "mine"


def test_the_same_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What says the same already is named as unchanged, keeps its time, and needs no --force."""
    texts = {"a": "one\n", "b/c": "two é\n"}
    write_files(tmp_path, texts)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (tmp_path / "a").unlink()
    capsys.readouterr()
    write_files(tmp_path, texts)
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a'}\nunchanged {tmp_path / 'b' / 'c'}\n"
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert after.keys() == before.keys()
    assert after[tmp_path / "b" / "c"] == before[tmp_path / "b" / "c"]


def test_several_in_the_way_are_counted(tmp_path: Path) -> None:
    """The message names the first of them and says how many more there are."""
    for name in "abc":
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigurationError, match=r"a and 2 more would be overwritten"):
        write_files(tmp_path, dict.fromkeys("abcd", "ours"))
    assert not (tmp_path / "d").exists()


def test_what_only_seems_to_be_missing_is_in_the_way(tmp_path: Path) -> None:
    """A folder, and a link that leads nowhere, are no places to write to without --force either."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="would be overwritten"):
        write_files(tmp_path, {"folder": "x"})
    with pytest.raises(ConfigurationError, match="choose another --output"):
        write_files(tmp_path, {"folder": "x"}, force=True)
    try:
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    except OSError:
        pytest.skip("no links can be made here")
    with pytest.raises(ConfigurationError, match="would be overwritten"):
        write_files(tmp_path, {"link": "x"})
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("force", [False, True])
def test_one_file_goes_to_standard_output(
    capsysbinary: pytest.CaptureFixture[bytes], *, force: bool
) -> None:
    """`-` is standard output: the file's bytes and nothing else."""
    write_files(STDOUT, {"a": "°C\n"}, force=force)
    assert capsysbinary.readouterr().out == "°C\n".encode()


@pytest.mark.parametrize("command", ["rules", "init kubernetes", "dashboards"])
def test_several_files_do_not(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """What makes several files says that they can't all go there, and writes nothing."""
    if command == "dashboards":
        pytest.importorskip("grafana_foundation_sdk")
    assert main([*command.split(), "-o", "-"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "standard output; name a folder" in captured.err


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_pipe_gets_the_bytes_of_the_file(tmp_path: Path, encoding: str) -> None:
    """What a pipe gets is what a folder would, whatever the terminal's encoding."""
    arguments = ["rules", "--kubernetes", "--extra-label", "where=Zürich"]
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "butterfly_otel", *arguments, "-o", "-"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.stdout == (tmp_path / "prometheusrule.yaml").read_bytes()


def test_one_dashboard_is_asked_for_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only` writes those dashboards alone; a name that there is not says which there are."""
    pytest.importorskip("grafana_foundation_sdk")
    names = ["--only", "overview", "--only", "byzantine.json"]
    assert main(["dashboards", "-o", str(tmp_path), *names]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"overview.json", "byzantine.json"}
    assert main(["dashboards", "-o", "-", "--only", "overvue"]) == 2
    assert "'overvue' is not a dashboard; there are overview, requests" in capsys.readouterr().err
