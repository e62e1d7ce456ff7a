"""Run the unit tests on every CPython from 3.10 on that this machine has.

Each interpreter gets an environment of its own in the cache, built once for a given
pyproject.toml. The interpreter that runs this script has been tested already and is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from servers import cache_root

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 10)


def version_of(python: Path) -> tuple[int, int] | None:
    """Return an interpreter's version if it runs, is CPython and can make environments."""
    question = "import sys, venv, ensurepip; print(sys.implementation.name, *sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [python, "-c", question], capture_output=True, text=True, check=True, timeout=30
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return (int(answer[1]), int(answer[2])) if answer[0] == "cpython" else None


def interpreters() -> dict[tuple[int, int], Path]:
    """Return one interpreter a version, from PATH and from pyenv."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found: dict[tuple[int, int], Path] = {}
    for folder in folders:
        for python in sorted(folder.glob("python3.*")):
            if re.fullmatch(r"python3\.\d+t?", python.name) and "shims" not in python.parts:
                version = version_of(python)
                if version and version >= OLDEST:
                    found.setdefault(version, python)
    return dict(sorted(found.items()))


def environment(version: tuple[int, int], python: Path) -> Path:
    """Return the interpreter of an environment with everything the unit tests need."""
    recipe = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    folder = cache_root() / f"python{version[0]}.{version[1]}-{recipe}"
    ours = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        install = [ours, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--upgrade", "pip>=25.1"], check=True)
        subprocess.run(
            [*install, "--group", "test", "--editable", ".[cli,views]"], check=True, cwd=ROOT
        )
        (folder / "ready").touch()
    return ours


def main() -> int:
    """Test on each interpreter; return 1 if one of them fails."""
    failed = []
    for version, python in interpreters().items():
        name = f"{version[0]}.{version[1]}"
        if version == sys.version_info[:2]:
            continue
        print(f"== CPython {name} ({python})", flush=True)
        ours = environment(version, python)
        command = [ours, "-m", "pytest", "tests/unit", "-q", "-n", "2", *sys.argv[1:]]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed on CPython {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
