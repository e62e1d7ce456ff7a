"""Another interpreter for a group: the one without a GIL that `make interpreters` builds.

It imports the packages of this very environment that are Python alone, from a copy, so that both
measure the same releases and nothing has to be installed. Extension modules that were built for
an interpreter with a GIL would crash it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "interpreters.py"
#: What measuring imports; some releases need the last ones.
_PACKAGES = (
    *("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-semantic-conventions"),
    *("prometheus-client", "typing-extensions", "importlib-metadata", "zipp"),
)
_VERSION = "import platform; print(platform.python_implementation(), platform.python_version())"


def without_gil() -> Path | None:
    """Return the interpreter without a GIL; None where none was built on this machine."""
    listed = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(_SCRIPT), "list"], capture_output=True, text=True, check=False
    ).stdout
    for line in listed.splitlines():
        name, _, path = line.partition(" ")
        if name == "python3.14t" and Path(path.strip()).is_file():
            return Path(path.strip())
    return None


def version(python: Path) -> str:
    """Return an interpreter's name and version."""
    command = [str(python), "-c", _VERSION]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return answer.stdout.strip()


def copy_packages(folder: Path) -> None:
    """Copy what measuring imports into a folder."""
    for name in _PACKAGES:
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        for file in package.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(package.locate_file(file)), target)
