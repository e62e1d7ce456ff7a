"""Runs the blocks of a page of the documentation: ``python -m tests.docs.run_page PAGE``.

A block that calls ``configure()`` ends what was configured before. The addresses in the pages stand
for real servers of this process: ``localhost:9464`` for what is configured, ``localhost:4318``
for a receiver of OTLP by HTTP, ``localhost:4317`` for one by gRPC. Each receiver that a page
names must have got metrics by its end.
"""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import traceback
import types
import urllib.request
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import yaml

import butterfly_otel
from butterfly_otel.runtime import lifecycle as runtime
from tests.docs.blocks import ROOT, Block, blocks_of
from tests.docs.receivers import GrpcReceiver, HttpReceiver

#: Commands that are run; everything else has to be in SHOWN.
RUN = {"butterfly-otel", "curl", "python", "cat", "opentelemetry-instrument"}
SHOWN = {"pip", "make", "git", "kill", "prometheus", "python3", "."}
_RECEIVERS = {"localhost:4318": HttpReceiver, "localhost:4317": GrpcReceiver}


class Page:
    """A page that is being run."""

    def __init__(self, path: Path) -> None:
        self.blocks = blocks_of(path)
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module
        sys.path.insert(0, str(Path.cwd()))  # files of the page, as for a reader in that folder
        self.printed = ""
        self.warnings: list[str] = []
        text = path.read_text(encoding="utf-8")
        self.receivers = {at: make() for at, make in _RECEIVERS.items() if at in text}
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.warnings.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)

    def run(self) -> None:
        """Run every block; raises at the first that is not as it says."""
        for block in self.blocks:
            action = getattr(self, f"_{block.language}", None)
            self.warnings.clear()
            if action is not None:
                action(block)
            if self.warnings and "warns" not in block.marks:
                raise AssertionError(f"{block} warns: {self.warnings}")
            if block.marks.get("warns") == "" and not self.warnings:
                raise AssertionError(f"{block} was to warn")
        butterfly_otel.shutdown()
        for address, receiver in self.receivers.items():
            assert receiver.received, f"nothing was pushed to {address}"

    def _python(self, block: Block) -> None:
        if "file" in block.marks:
            compile(block.text, block.marks["file"], "exec")
            Path(block.marks["file"]).write_text(block.text, encoding="utf-8")
            return
        if "configure(" in block.text:
            butterfly_otel.shutdown()
        code = compile("\n" * (block.line - 1) + self._real(block.text), str(block.page), "exec")
        out = io.StringIO()
        expected = block.marks.get("raises")
        space = {"__name__": "__main__"} if "replaces" in block.marks else vars(self.module)
        try:
            with redirect_stdout(out):
                exec(code, space)  # noqa: S102 - what this is for
        except Exception as error:
            if type(error).__name__ != expected:
                raise
            print(f"{type(error).__name__}: {error}", file=out)
        else:
            assert expected is None, f"{block} did not raise {expected}"
        self.printed = out.getvalue()

    def _text(self, block: Block) -> None:
        if "output" in block.marks:
            compare(block, block.text, self.printed)
        elif "scrape" in block.marks:
            missing = self._missing(block)
            # Hardware is read in the background, so a reading may take its time.
            end = monotonic() + 20
            while missing and monotonic() < end:
                sleep(0.05)
                missing = self._missing(block)
            assert not missing, f"{block}: {missing}"

    @staticmethod
    def _missing(block: Block) -> dict[str, list[str]]:
        """Return the lines that are not served, each with those that begin alike."""
        shown = scrape().splitlines()
        return {
            line: [each for each in shown if each.startswith(re.split("[ {…]", line)[0])]
            for line in block.text.splitlines()
            if not any(matches(line, each) for each in shown)
        }

    def _yaml(self, block: Block) -> None:
        assert yaml.safe_load(block.text), f"{block} is empty"
        if "file" in block.marks:
            Path(block.marks["file"]).write_text(block.text, encoding="utf-8")

    def _console(self, block: Block) -> None:
        if "session" in block.marks:
            # `python -i FILE`: what follows is typed at the prompt that it leaves.
            text = Path(block.marks["session"]).read_text(encoding="utf-8")
            exec(compile(text, block.marks["session"], "exec"), vars(self.module))  # noqa: S102
            return
        first, *commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert not first.strip(), f"{block} begins without a command behind $"
        for number, text in enumerate(commands):
            command, printed = _split(text)
            last = number == len(commands) - 1
            self._command(block, command, printed, int(block.marks.get("exit", 0)) if last else 0)

    def _command(self, block: Block, command: str, printed: str, code: int) -> None:
        word = command.split(maxsplit=1)[0]
        if word == "export":
            for name, value in re.findall(r"(\w+)=(\S+)", self._real(command)):
                # What the tests need to be so stays: a free port.
                if name != "OTEL_EXPORTER_PROMETHEUS_PORT":
                    os.environ[name] = value
            return
        if "shown" in block.marks:
            check_shown(block, command)
            return
        if word not in RUN:
            assert word in SHOWN, f"{block}: nobody knows how to check {word!r}"
            check_shown(block, command)
            return
        # Tests serve on any free port; a reader's 9464 is taken as long as the page's own runs.
        taken = (current := runtime.current()) is not None and current.prometheus_url is not None
        alone = "butterfly-otel demo" not in command or "--port" in command
        assert alone or not taken, f"{block}: the port that {command!r} serves on is taken"
        result = subprocess.run(
            ["bash", "-c", self._real(command)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == code, f"{block}: {result.returncode} {result.stderr}"
        if printed:
            compare(block, printed, result.stdout + result.stderr)

    def _real(self, text: str) -> str:
        """Put the real addresses in the place of those a reader would use."""
        for address, receiver in self.receivers.items():
            text = text.replace(address, f"localhost:{receiver.port}")
        current = runtime.current()
        url = current.prometheus_url if current is not None else None
        return text.replace("localhost:9464", urlsplit(url).netloc) if url else text


def scrape() -> str:
    """Return what the configured endpoint serves, as OpenMetrics where text alone lacks it."""
    current = runtime.current()
    assert current is not None
    assert current.prometheus_url is not None
    texts = []
    for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        request = urllib.request.Request(current.prometheus_url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            texts.append(answer.read().decode())
    return "\n".join(texts)


def matches(pattern: str, line: str) -> bool:
    """Whether a line is as shown, where ``…`` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.rstrip().split("…"))), line) is not None


def compare(block: Block, shown: str, printed: str) -> None:
    """Raise unless what was printed is what is shown; a line that is ``…`` stands for any."""
    rows = [each.rstrip() for each in printed.strip("\n").splitlines()]
    wanted = [each.rstrip() for each in shown.strip("\n").splitlines()]
    # Where the rows that are wanted so far may end; nothing else has to be remembered.
    ends = {0}
    for row in wanted:
        if row == "…":
            ends = set(range(min(ends), len(rows) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(rows) and matches(row, rows[end])}
        assert ends, f"{block} shows {row!r}, but there is\n{printed}"
    assert len(rows) in ends, f"{block} ends before\n{printed}"


def check_shown(block: Block, command: str) -> None:
    """Check a command that is not run: its syntax, our extras and targets."""
    subprocess.run(["bash", "-n", "-c", command], check=True)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extras in re.findall(r"butterfly-otel\[([\w,]+)\]", command):
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"{block}: no {extra}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z]+)", command):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{block}: no target {target}"


def _split(text: str) -> tuple[str, str]:
    """Return a command, with its continued lines, and what is below it."""
    lines = text.splitlines(keepends=True)
    end = 1
    while lines[end - 1].rstrip().endswith("\\"):
        end += 1
    return "".join(lines[:end]).strip(), "".join(lines[end:])


def main(path: str, ending: Callable[[int], object] = os._exit) -> None:
    """Run a page and end, without waiting for what its blocks have left."""
    code = 0
    try:
        Page(Path(path)).run()
    except BaseException:  # noqa: BLE001 - told by the exit code
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    ending(code)


if __name__ == "__main__":
    main(sys.argv[1])
