"""The tutorial, pasted into the prompt of each Python there is, through a pseudo-terminal."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.docs.blocks import DOCS, ROOT, blocks_of

pty = pytest.importorskip("pty")

TUTORIAL = DOCS / "tutorial.md"
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
_DEADLINE = 60
_MARKS_ON, _MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"


def _environ() -> dict[str, str]:
    # The packages of this environment: what they need of C is built for every version, or optional.
    path = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "TERM": "xterm",
        "PYTHON_HISTORY": os.devnull,
    }


def _interpreter(version: str) -> str:
    found = [shutil.which(f"python{version}")]
    homes = (".pyenv/versions", ".cache/butterfly-otel/interpreters")
    for home in homes:
        found += map(str, sorted((Path.home() / home).glob(f"*/bin/python{version}")))
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        found.insert(0, sys.executable)
    question = "import sys, butterfly_otel; butterfly_otel.configure; print(sys.version)"
    for program in filter(None, found):
        answer = subprocess.run(
            [program, "-c", question], env=_environ(), capture_output=True, text=True, check=False
        )
        if answer.returncode == 0 and answer.stdout.startswith(version):
            return program
    pytest.skip(f"there is no Python {version} that imports the package")


class Terminal:
    """A terminal in which a program runs."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.shown = ""

    def until(self, text: str, start: int, seconds: float = _DEADLINE) -> bool:
        """Read until a text is shown; False where it is not in time."""
        end = monotonic() + seconds
        while text not in self.shown[start:]:
            ready, _, _ = select.select([self._handle], [], [], max(0.0, end - monotonic()))
            if not ready:
                return False
            self.shown += os.read(self._handle, 65536).decode(errors="replace")
        return True

    def paste(self, text: str) -> None:
        """Put a text in as a terminal does, which marks it where the program has asked for that."""
        if self.shown.rfind(_MARKS_ON) <= self.shown.rfind(_MARKS_OFF):
            os.write(self._handle, text.encode())
            return
        start = len(self.shown)
        os.write(self._handle, f"\x1b[200~{text}\x1b[201~".encode())
        # What was pasted is there to be edited, until Enter is pressed, perhaps twice.
        end = monotonic() + _DEADLINE
        while not self.until(_MARKS_OFF, start, 0.5):
            assert monotonic() < end, self.shown
            os.write(self._handle, b"\r")
        assert self.until(_MARKS_ON, self.shown.rfind(_MARKS_OFF)), self.shown


@contextmanager
def _prompt(program: str, file: str, folder: Path) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [program, "-i", file],
        cwd=folder,
        env=_environ(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    kill = threading.Timer(2 * _DEADLINE, process.kill)
    kill.start()
    try:
        yield Terminal(master)
    finally:
        kill.cancel()
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_the_tutorial_can_be_pasted(version: str, tmp_path: Path) -> None:
    """Each block that is for the prompt runs as pasted, whole and without an error."""
    program = _interpreter(version)
    blocks = [block for block in blocks_of(TUTORIAL) if block.language in {"python", "console"}]
    for block in blocks:
        if "file" in block.marks:
            (tmp_path / block.marks["file"]).write_text(block.text, encoding="utf-8")
    (session,) = (block.marks["session"] for block in blocks if "session" in block.marks)
    typed = [block for block in blocks if block.language == "python" and "file" not in block.marks]
    assert len(typed) > 4
    with _prompt(program, session, tmp_path) as terminal:
        assert terminal.until(">>> ", 0), terminal.shown
        for number, block in enumerate(typed):
            start = len(terminal.shown)
            terminal.paste(block.text)
            terminal.paste(f"print('pasted', {number} + 1000)\n")
            assert terminal.until(f"pasted {number + 1000}", start), terminal.shown
            assert "Error" not in terminal.shown[start:], f"{block}\n{terminal.shown[start:]}"
