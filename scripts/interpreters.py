"""Build the CPythons that a machine seldom has: the newest, with the GIL and without it.

    python scripts/interpreters.py build [INTERPRETER ...]   build what is missing (default: all)
    python scripts/interpreters.py list                      say what is built, and where

Both are made of one source, the upstream archive that Debian keeps, which is fetched by apt's own
downloader from wherever this machine has its packages. It needs a C compiler, and the headers of
OpenSSL, zlib and libffi. Where one of these is missing there is simply one interpreter less to
test on, so that ends in a message and not in an error. `building.py` says where they are kept.

Exit codes: 0, also where they can't be had; 1 where a build failed; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from building import BuildError, Recipe, UnavailableError, built, run, try_make

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "3.14.7"
ARCHIVE = f"pool/main/p/python3.14/python3.14_{VERSION}.orig.tar.xz"
SHA256 = "3b48dac8fb59f62eaa67ac83c1eb12bda1b7a08406dd286e252c11a66be27f81"
#: Not on PATH, but part of every apt.
APT_HELPER = Path("/usr/lib/apt/apt-helper")
#: What the tests and their dependencies import of the modules that need a library.
MODULES = "import ctypes, hashlib, ssl, sqlite3, zlib"


def build(options: Sequence[str], folder: Path, log: Path) -> None:
    """CPython, without the optimisations that take longer than all the tests."""
    archive = download(folder, log)
    with tempfile.TemporaryDirectory(prefix="cpython-") as name:
        work = Path(name)
        run(["tar", "--extract", "--file", str(archive), "--strip-components=1"], log, work, {})
        run(["./configure", f"--prefix={folder}", *options], log, work, {})
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        run(["make", jobs], log, work, {})
        run(["make", "altinstall"], log, work, {})
    archive.unlink()
    shutil.rmtree(folder / "lib" / "python3.14" / "test", ignore_errors=True)
    run([str(folder / "bin" / "python3.14"), "-c", MODULES], log, folder, {})


def download(folder: Path, log: Path) -> Path:
    """The archive, which is the one we know or none."""
    if not APT_HELPER.exists() or shutil.which("apt-get") is None:
        raise UnavailableError("there is no apt here to download the source with")
    if shutil.which("cc") is None:
        raise UnavailableError("there is no C compiler here")
    archive = folder / "source.tar.xz"
    for place in mirrors():
        command = [str(APT_HELPER), "-o", "Acquire::Retries=3", "download-file"]
        try:
            run([*command, place + ARCHIVE, str(archive), f"SHA256:{SHA256}"], log, folder, {})
        except BuildError:
            archive.unlink(missing_ok=True)
        else:
            return archive
    raise UnavailableError(f"no package source of this machine has {ARCHIVE}")


def mirrors() -> list[str]:
    """Where this machine has its packages from."""
    command = ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return [*dict.fromkeys(answer.stdout.split())]


def recipe(name: str, options: Sequence[str], cost: str) -> Recipe:
    """How one of them is made."""
    return Recipe(
        name=name,
        programs={name: "python3.14"},
        build=partial(build, options),
        versions=(SHA256, *options),
        files=(),
        cost=cost,
        kind="interpreters",
    )


RECIPES = {
    each.name: each
    for each in (
        recipe("python3.14", [], "2 to 5 minutes on two cores, the first time"),
        recipe("python3.14t", ["--disable-gil"], "2 to 5 minutes on two cores, the first time"),
    )
}


def find(name: str) -> Path | None:
    """The path of a built interpreter, or None."""
    return built(RECIPES[name], name)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build the interpreters that are missing")
    builder.add_argument("interpreters", nargs="*", metavar="INTERPRETER", help=", ".join(RECIPES))
    commands.add_parser("list", help="say what is built, and where")
    options = parser.parse_args()
    if options.command == "list":
        for name in RECIPES:
            print(f"{name:12} {find(name) or 'not built'}")
        return 0
    unknown = sorted(set(options.interpreters) - set(RECIPES))
    if unknown:
        parser.error(f"no such interpreter: {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    done = [try_make(RECIPES[name]) for name in dict.fromkeys(options.interpreters or RECIPES)]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
