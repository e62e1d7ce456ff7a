"""Build the real servers of the end-to-end tests once, and find them again.

    python scripts/servers.py build [SERVER ...]   build what is missing (default: all)
    python scripts/servers.py path PROGRAM         print where a built program is
    python scripts/servers.py list                 say what is built, and where
    python scripts/servers.py relock               renew the Collector's go.mod and go.sum

Servers: `prometheus3`, `alertmanager` and `otelcol`, built with Go, and `prometheus2`, Debian's
package, which is optional. Programs: these four names, `promtool3`, `promtool2` and `amtool`.

Everything is kept outside the repository: in `$BUTTERFLY_OTEL_CACHE`, else in
`$XDG_CACHE_HOME/butterfly-otel`, else in `~/.cache/butterfly-otel`. A server's folder is named
by the hash of its recipe, so a new version never meets an old binary. A build happens under a
lock in a temporary folder that is renamed at the end: two of them at once are safe.

Exit codes: 0 for done, also where an optional server can't be had; 1 where a build failed or a
program is not built; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from server_recipes import RECIPES, BuildError, Recipe, UnavailableError, relock_collector

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = {recipe.name: recipe for recipe in RECIPES}
PROGRAMS = {program: recipe for recipe in RECIPES for program in recipe.programs}


def cache_root() -> Path:
    """Where what the scripts build is kept: never inside the repository."""
    own = os.environ.get("BUTTERFLY_OTEL_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    caches = Path(base) if base else Path.home() / ".cache"
    return caches / "butterfly-otel"


def cache_folder() -> Path:
    """Where the servers are kept."""
    return cache_root() / "servers"


def server_folder(recipe: Recipe) -> Path:
    """The folder that holds, or will hold, what `recipe` makes on this kind of machine."""
    digest = hashlib.sha256()
    for part in (*recipe.versions, platform.system(), platform.machine()):
        digest.update(part.encode() + b"\0")
    for file in recipe.files:
        digest.update(file.read_bytes() + b"\0")
    return cache_folder() / f"{recipe.name}-{digest.hexdigest()[:12]}"


def find(program: str) -> Path | None:
    """The path of a built `program`, or None."""
    recipe = PROGRAMS[program]
    path = server_folder(recipe) / "bin" / recipe.programs[program]
    return path if path.is_file() else None


@contextlib.contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Hold the lock file `path`, waiting for another build of `name` where there is one."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{name}: waiting for another build of it to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make(recipe: Recipe) -> None:
    """Build `recipe` unless it is built.

    Raises:
        UnavailableError: It can't be had on this machine and is optional.
        BuildError: It failed.
    """
    folder = server_folder(recipe)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock"), recipe.name):
        if folder.is_dir():
            print(f"{recipe.name}: already built in {folder}")
            return
        log = folder.with_suffix(".log")
        log.unlink(missing_ok=True)
        print(f"{recipe.name}: building ({recipe.cost}; output in {log})", flush=True)
        started = time.monotonic()
        prefix = f".{folder.name}-"
        for leftover in folder.parent.glob(f"{prefix}*"):  # of a build that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix))
        try:
            (work / "bin").mkdir()
            recipe.build(work, log)
            work.chmod(0o755)
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        print(f"{recipe.name}: built in {time.monotonic() - started:.0f} s in {folder}")


def try_make(recipe: Recipe) -> bool:
    """Build `recipe` unless it is built, and say what went wrong; False for a failure."""
    try:
        make(recipe)
    except UnavailableError as error:
        print(f"{recipe.name}: not available, and optional: {error}", flush=True)
    except (BuildError, OSError) as error:
        log = server_folder(recipe).with_suffix(".log")
        more = f" (all of its output is in {log})" if log.is_file() else ""
        print(f"{recipe.name}: not built: {error}{more}", file=sys.stderr)
        return False
    return True


def print_path(program: str) -> int:
    """Print where `program` is; 1 when it is not built."""
    path = find(program)
    if path is None:
        server = PROGRAMS[program].name
        command = f"python scripts/servers.py build {server}"
        print(f"{program} is not built; run `make servers` or `{command}`", file=sys.stderr)
        return 1
    print(path)
    return 0


def print_list() -> int:
    """Print each program and where it is."""
    for program in PROGRAMS:
        print(f"{program:12} {find(program) or 'not built'}")
    return 0


def relock() -> int:
    """Renew the Collector's go.mod and go.sum."""
    try:
        relock_collector()
    except BuildError as error:
        print(f"otelcol: not locked: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build the servers that are missing")
    builder.add_argument("servers", nargs="*", metavar="SERVER", help=", ".join(SERVERS))
    finder = commands.add_parser("path", help="print where a built program is")
    finder.add_argument("program", choices=PROGRAMS)
    commands.add_parser("list", help="say what is built, and where")
    commands.add_parser("relock", help="renew the Collector's go.mod and go.sum")
    options = parser.parse_args()
    if options.command == "build":
        unknown = sorted(set(options.servers) - set(SERVERS))
        if unknown:
            parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(SERVERS)}")
        wanted = [SERVERS[name] for name in dict.fromkeys(options.servers or SERVERS)]
        built = [try_make(recipe) for recipe in wanted]
        return 0 if all(built) else 1
    if options.command == "path":
        return print_path(options.program)
    return print_list() if options.command == "list" else relock()


if __name__ == "__main__":
    sys.exit(main())
