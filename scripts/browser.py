"""Get what the tests of the page need: a Chromium, and axe-core, which checks accessibility.

    python scripts/browser.py build          install and fetch what is missing
    python scripts/browser.py path PROGRAM   print where `chromium` or `axe` is

Chromium is the system's: where there is none it is Debian's package, installed by apt-get. axe-core
comes from npm and is kept where `building.py` says.

Exit codes: 0 for done; 1 where something could not be had or is not there; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from building import BuildError, Recipe, UnavailableError, built, cache_root, run, try_make

AXE_VERSION = "4.14.1"
#: In the order in which they are looked for.
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: Fonts that the page prefers: without them screenshots look as a bare machine does.
PACKAGES = ("chromium", "fonts-inter", "fonts-jetbrains-mono")


def build_axe(folder: Path, log: Path) -> None:
    """Fetch axe-core's one file from npm."""
    if shutil.which("npm") is None:
        raise BuildError("there is no npm here: install Node.js (https://nodejs.org)")
    with tempfile.TemporaryDirectory(prefix="axe-") as work:
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        run(["npm", "install", *options, f"axe-core@{AXE_VERSION}"], log, Path(work), {})
        script = Path(work) / "node_modules" / "axe-core" / "axe.min.js"
        shutil.copyfile(script, folder / "bin" / "axe.min.js")


AXE = Recipe(
    name="axe",
    programs={"axe": "axe.min.js"},
    build=build_axe,
    versions=("axe-core", AXE_VERSION),
    files=(),
    cost="a download of 3 MB",
    kind="browser",
)


def find_chromium() -> Path | None:
    """The browser of this machine, or None."""
    own = os.environ.get("BUTTERFLY_OTEL_CHROMIUM")
    found = (shutil.which(name) for name in ((own,) if own else CHROMIUMS))
    return next((Path(path) for path in found if path is not None), None)


def install_chromium() -> None:
    """Install Debian's package, unless there is a browser.

    Raises:
        UnavailableError: It can't be installed here.
    """
    if find_chromium() is not None:
        print(f"chromium: already here, {find_chromium()}")
        return
    if shutil.which("apt-get") is None:
        raise UnavailableError("install Chromium or Chrome: there is no apt-get here")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    cache_root().mkdir(parents=True, exist_ok=True)
    log = cache_root() / "chromium.log"
    print(f"chromium: installing Debian's package (90 MB; output in {log})", flush=True)
    english = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    run([*prefix, "apt-get", "update"], log, cache_root(), english)
    run(install, log, cache_root(), english)


def build() -> int:
    """Get both."""
    try:
        install_chromium()
        done = True
    except (BuildError, subprocess.SubprocessError, OSError) as error:
        print(f"chromium: not installed: {error}", file=sys.stderr)
        done = False
    return 0 if try_make(AXE) and done else 1


def print_path(program: str) -> int:
    """Print where `program` is; 1 when it is not there."""
    path = find_chromium() if program == "chromium" else built(AXE, "axe")
    if path is None:
        print(f"{program} is not here; run `make browser`", file=sys.stderr)
        return 1
    print(path)
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="install and fetch what is missing")
    finder = commands.add_parser("path", help="print where something is")
    finder.add_argument("program", choices=("chromium", "axe"))
    options = parser.parse_args()
    return build() if options.command == "build" else print_path(options.program)


if __name__ == "__main__":
    sys.exit(main())
