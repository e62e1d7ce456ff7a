"""Run the unit tests on every CPython from 3.10 on that this machine has.

Those of `interpreters.py` are among them, where they are built. Each interpreter gets an
environment of its own, built once for a given pyproject.toml. They are kept inside the checkout
like `.venv`, since they point to its code: two checkouts must not share one, and what remains of
a deleted one must not be tested. The interpreter that runs this script has been tested already
and is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import interpreters

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".cache" / "environments"
OLDEST = (3, 10)
QUESTION = """
import ensurepip, sys, sysconfig, venv
print(sys.implementation.name, *sys.version_info[:2], sysconfig.get_config_var("Py_GIL_DISABLED"))
"""

# gRPC has no wheels for builds without a GIL, and a build of it takes longer than all the tests.
WITHOUT_GRPC = (
    "opentelemetry-sdk>=1.45.2,<2",
    "opentelemetry-exporter-prometheus>=0.66b2,<1",
    "opentelemetry-exporter-otlp-proto-http>=1.45.2,<2",
    "opentelemetry-configuration>=0.66b2,<1",
    "nvidia-ml-py>=12.560",
    "rich>=13.7",
)
#: What threads share is in these.
SHARED = (
    "collectors",
    "decorators",
    "disk",
    "enforcement",
    "engine",
    "exporters/prometheus",
    "exporters/test_push.py",
    "pools",
    "runtime",
    "test_handles.py",
)


class Interpreter(NamedTuple):
    """A CPython that can make environments.

    Attributes:
        version: Major and minor.
        free_threaded: Whether it was built without a GIL.
        python: The program.
    """

    version: tuple[int, int]
    free_threaded: bool
    python: Path

    @property
    def name(self) -> str:
        """Such as `3.14t`."""
        return ".".join(map(str, self.version)) + "t" * self.free_threaded

    @property
    def tests(self) -> list[str]:
        """Which tests run on it."""
        names = SHARED if self.free_threaded else ("",)
        return [str(Path("tests", "unit", name)) for name in names]


def inspect(python: Path) -> Interpreter | None:
    """Ask a program what it is; None where it can't be tested on."""
    try:
        answer = subprocess.run(
            [python, "-c", QUESTION], capture_output=True, text=True, check=True, timeout=30
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    version = int(answer[1]), int(answer[2])
    if answer[0] != "cpython" or version < OLDEST:
        return None
    return Interpreter(version, answer[3] == "1", python)


def find() -> list[Interpreter]:
    """Return one interpreter a version: of our own building, from PATH and from pyenv."""
    programs = [path for name in interpreters.RECIPES if (path := interpreters.find(name))]
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    programs += [
        python
        for folder in folders
        for python in sorted(folder.glob("python3.*"))
        if re.fullmatch(r"python3\.\d+t?", python.name) and "shims" not in python.parts
    ]
    found: dict[str, Interpreter] = {}
    for program in programs:
        if interpreter := inspect(program):
            found.setdefault(interpreter.name, interpreter)
    return sorted(found.values())


def environment(interpreter: Interpreter) -> Path:
    """Return the interpreter of an environment with everything the unit tests need."""
    pyproject = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    recipe = f"{interpreter.python.resolve()}\n{ROOT}\n{pyproject}\n"
    folder = ENVIRONMENTS / f"python{interpreter.name}"
    ours, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file() or ready.read_text(encoding="utf-8") != recipe:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([interpreter.python, "-m", "venv", folder], check=True)
        install = [ours, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--upgrade", "pip>=25.1"], check=True)
        package = ["--group", "test", "--editable", ".[cli,views]"]
        if interpreter.free_threaded:
            wheels = ["--only-binary=:all:", "--group", "test-anywhere", *WITHOUT_GRPC]
            subprocess.run([*install, *wheels], check=True, cwd=ROOT)
            package = ["--no-deps", "--editable", "."]
        subprocess.run([*install, *package], check=True, cwd=ROOT)
        ready.write_text(recipe, encoding="utf-8")
    return ours


def main() -> int:
    """Test on each interpreter; return 1 if one of them fails."""
    failed: list[str] = []
    for interpreter in find():
        if interpreter.version == sys.version_info[:2] and not interpreter.free_threaded:
            continue
        print(f"== CPython {interpreter.name} ({interpreter.python})", flush=True)
        ours = environment(interpreter)
        command = [ours, "-m", "pytest", *interpreter.tests, "-q", "-n", "2", *sys.argv[1:]]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(interpreter.name)
    if failed:
        print(f"failed on CPython {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
