"""Run the unit tests on every CPython from 3.10 on that this machine has.

Those of `interpreters.py` are among them, where they are built. The oldest gets the oldest SDK
that we support, those after it the releases between, and the newest the newest. `--ci` leaves the
ones between out: the oldest, the newest and the one without a GIL say most.

Each interpreter gets an environment of its own, built once for a given pyproject.toml. They are
kept inside the checkout like `.venv`, since they point to its code: two checkouts must not share
one, and what remains of a deleted one must not be tested. The interpreter that runs this script
has been tested already, with the newest SDK, and is left out of what would say no more.

`--prereleases` instead runs the whole suite, on the interpreter that runs this script, with what
OpenTelemetry and prometheus_client are going to release; that environment is brought up to date
at each run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import interpreters
import suite

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".cache" / "environments"
OLDEST = (3, 10)
QUESTION = """
import ensurepip, sys, sysconfig, venv
print(sys.implementation.name, *sys.version_info[:2], sysconfig.get_config_var("Py_GIL_DISABLED"))
"""

#: The SDK's minor release by interpreter; the newest on any other. Before 1.44 there is no package
#: that can read overlays: only its schema is used, so it need not be of the same release.
RELEASES = {(3, 10): 39, (3, 11): 41, (3, 12): 43, (3, 13): 44}
OVERLAYS = ("opentelemetry-configuration==0.65b0", "pyyaml>=5.4", "jsonschema>=4.0")
#: What the suite is run with before it is released.
COMING = (
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-exporter-prometheus",
    "opentelemetry-exporter-otlp",
    "opentelemetry-configuration",
    "opentelemetry-distro",
    "prometheus-client",
)

# gRPC has no wheels for builds without a GIL, and a build of it takes longer than all the tests.
WITHOUT_GRPC = (
    "opentelemetry-sdk>=1.39,<2",
    "opentelemetry-exporter-prometheus>=0.60b0,<1",
    "opentelemetry-exporter-otlp-proto-http>=1.39,<2",
    "opentelemetry-configuration>=0.65b0,<1",
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
    def sdk(self) -> int | None:
        """The SDK's minor release; None for the newest there is."""
        return None if self.free_threaded else RELEASES.get(self.version)

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
    recipe = f"{interpreter.python.resolve()}\n{ROOT}\n{pyproject}\n{interpreter.sdk}\n"
    folder = ENVIRONMENTS / f"python{interpreter.name}"
    ours, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file() or ready.read_text(encoding="utf-8") != recipe:
        shutil.rmtree(folder, ignore_errors=True)
        create(interpreter.python, folder)
        if interpreter.free_threaded:
            wheels = ["--only-binary=:all:", "--group", "test-anywhere", *WITHOUT_GRPC]
            install(ours, *wheels)
            install(ours, "--no-deps", "--editable", ".")
        elif interpreter.sdk is not None:
            install(ours, "--group", "test", "--editable", ".[cli]", *release(interpreter.sdk))
            install(ours, *OVERLAYS[1:])
            install(ours, "--no-deps", OVERLAYS[0])
        else:
            install(ours, "--group", "test", "--editable", ".[cli,views]")
        ready.write_text(recipe, encoding="utf-8")
    return ours


def create(python: Path | str, folder: Path) -> None:
    """Make an empty environment."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    install(folder / "bin" / "python", "--upgrade", "pip>=25.1")


def install(python: Path, *what: str) -> None:
    """Install into the environment of an interpreter."""
    subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True, cwd=ROOT)


def release(minor: int) -> list[str]:
    """Return what pins one minor release of OpenTelemetry, its betas included."""
    beta = f">=0.{minor + 21}b0,<0.{minor + 22}b0"
    stable = ("api", "sdk", "exporter-otlp")
    # The oldest beside the oldest.
    client = ["prometheus-client==0.23.*"] if minor == min(RELEASES.values()) else []
    return [
        *client,
        *(f"opentelemetry-{each}==1.{minor}.*" for each in stable),
        *(f"opentelemetry-{each}{beta}" for each in ("exporter-prometheus", "distro")),
    ]


def chosen(found: list[Interpreter], *, few: bool) -> list[Interpreter]:
    """Return the interpreters to test on, without the one that is tested anyway."""
    running = sys.version_info[:2]
    others = [each for each in found if each.version != running or each.free_threaded or each.sdk]
    with_gil = [each for each in others if not each.free_threaded]
    if not few or not with_gil:
        return others
    return [each for each in others if each in (with_gil[0], with_gil[-1]) or each.free_threaded]


def test_prereleases(arguments: list[str]) -> int:
    """Run the suite with what is going to be released; return 1 if it fails."""
    folder = ENVIRONMENTS / "prereleases"
    ours = folder / "bin" / "python"
    if not ours.is_file():
        create(sys.executable, folder)
    install(ours, "--upgrade", "--group", "test", "--editable", ".[cli,views]")
    install(ours, "--upgrade", "--pre", *COMING)
    subprocess.run([ours, "-m", "pip", "list"], check=True)
    return 1 if suite.run(ours, [], arguments) else 0


def main() -> int:
    """Test on each interpreter; return 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--ci", action="store_true", help="leave out interpreters in between")
    parser.add_argument("--prereleases", action="store_true", help="test with pre-releases")
    options, arguments = parser.parse_known_args()
    if options.prereleases:
        return test_prereleases(arguments)
    failed: list[str] = []
    for interpreter in chosen(find(), few=options.ci):
        sdk = "the newest SDK" if interpreter.sdk is None else f"SDK 1.{interpreter.sdk}"
        print(f"== CPython {interpreter.name} ({interpreter.python}), {sdk}", flush=True)
        ours = environment(interpreter)
        # In CI the long ones run once, on one interpreter.
        quick = ["-m", "not long"] if options.ci and "-m" not in arguments else []
        if suite.run(ours, interpreter.tests, ["-q", *quick, *arguments]):
            failed.append(interpreter.name)
    if failed:
        print(f"failed on CPython {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
