"""Building something once, keeping it outside the repository, and finding it again.

Everything is kept in `$BUTTERFLY_OTEL_CACHE`, else in `$XDG_CACHE_HOME/butterfly-otel`, else in
`~/.cache/butterfly-otel`. A folder is named by the hash of its recipe, so a new version never
meets an old binary. A build happens under a lock in a temporary folder that is renamed at the
end: two of them at once are safe.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HEARTBEAT_SECONDS = 60


class BuildError(Exception):
    """Something could not be built; the message is one sentence for the user."""


class UnavailableError(BuildError):
    """What is optional can't be had on this machine."""


@dataclass(frozen=True)
class Recipe:
    """How one thing is made.

    Attributes:
        name: What it makes, as the command line calls it.
        programs: What it makes: the file in `bin` by the program's name on the command line.
        build: Fills the folder it is given, which has an empty `bin`; its commands' output
            goes to the file it is given.
        versions: The constants that decide the result.
        files: The files that decide the result.
        cost: What the first build costs, for the user who waits.
        kind: The part of the cache it is kept in.
    """

    name: str
    programs: Mapping[str, str]
    build: Callable[[Path, Path], None]
    versions: Sequence[str]
    files: Sequence[Path]
    cost: str
    kind: str = "servers"


def cache_root() -> Path:
    """Where what the scripts build is kept: never inside the repository."""
    own = os.environ.get("BUTTERFLY_OTEL_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    caches = Path(base) if base else Path.home() / ".cache"
    return caches / "butterfly-otel"


def folder_of(recipe: Recipe) -> Path:
    """The folder that holds, or will hold, what `recipe` makes on this kind of machine."""
    digest = hashlib.sha256()
    for part in (*recipe.versions, platform.system(), platform.machine()):
        digest.update(part.encode() + b"\0")
    for file in recipe.files:
        digest.update(file.read_bytes() + b"\0")
    return cache_root() / recipe.kind / f"{recipe.name}-{digest.hexdigest()[:12]}"


def built(recipe: Recipe, program: str) -> Path | None:
    """The path of a `program` of a recipe, or None where it is not built."""
    path = folder_of(recipe) / "bin" / recipe.programs[program]
    return path if path.is_file() else None


def beside(folder: Path, kind: str) -> Path:
    """The file of that kind that belongs to a folder, whatever dots its name has."""
    return folder.parent / f"{folder.name}.{kind}"


def run(command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]) -> None:
    """Run `command` with its output in `log`, saying once a minute that it still runs.

    Raises:
        BuildError: It could not be started, or its exit status is not 0.
    """
    with log.open("ab") as sink:
        sink.write(f"$ {' '.join(command)}\n".encode())
        sink.flush()
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise BuildError(f"`{command[0]}` could not be started ({error})") from error
        status = _wait(process, Path(command[0]).name)
    if status:
        last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1]
        raise BuildError(f"`{' '.join(command[:2])}` ended with status {status}: {last.strip()}")


def _wait(process: subprocess.Popen[bytes], name: str) -> int:
    """The exit status of `process`, which does not outlive an interrupted build."""
    started = time.monotonic()
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(HEARTBEAT_SECONDS)
            print(f"  `{name}` has run for {time.monotonic() - started:.0f} s", flush=True)
    except BaseException:
        process.terminate()
        process.wait()
        raise


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
    folder = folder_of(recipe)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(beside(folder, "lock"), recipe.name):
        if folder.is_dir():
            print(f"{recipe.name}: already built in {folder}")
            return
        log = beside(folder, "log")
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
        log = beside(folder_of(recipe), "log")
        more = f" (all of its output is in {log})" if log.is_file() else ""
        print(f"{recipe.name}: not built: {error}{more}", file=sys.stderr)
        return False
    return True
