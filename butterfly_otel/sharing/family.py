"""Which processes belong together: those that come from one root.

The root of a process is found by going up from it, while its parent runs *the same program, forked
without exec*, or while it was started by multiprocessing. So the workers of gunicorn have its
master, those of uvicorn and multiprocessing their supervisor, those of Celery its main process. A
new master beside the old one was made by exec and is a root of its own, and so is each program
that one shell or one test starts. What the kernel gave a program at exec (``/proc/PID/auxv``) has
random addresses in it: equal in two processes, it says that nothing was executed between them.

Where there is no ``/proc``, forked children know their root from memory, and those of
multiprocessing by their parent; other ways need a name, the setting ``process_group``.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = "/proc"
#: Ancestors that are looked at: more would be a loop.
_MOST: Final = 64
#: What is on the command line of an interpreter that multiprocessing or its like has started.
_STARTED_BY = (b"--multiprocessing-fork", b"--billiard-fork", b"multiprocessing.forkserver")
#: Where a process stands in ``/proc/PID/stat``, counted from behind its name.
_PARENT, _START = 1, 19


@dataclass(frozen=True, slots=True)
class Process:
    """A process, also after its number was given to another one.

    Attributes:
        pid: Its number.
        started: When it started, in the kernel's ticks since boot; 0 where that is unknown.
    """

    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class Family:
    """The processes of one user that come from one root, or share one name.

    Attributes:
        uid: Whose they are.
        boot: Since which start of the machine; empty where unknown.
        namespace: In which namespace of process numbers; empty where unknown.
        root: Where they come from; None where they have a name instead.
        name: What they were called by the user; else empty.
    """

    uid: int
    boot: str
    namespace: str
    root: Process | None
    name: str = ""

    def key(self, *parts: object) -> str:
        """Return a file name for what this family has under these further facts."""
        facts = repr((self.uid, self.boot, self.namespace, self.root, self.name, *parts))
        return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def find_family(name: str = "", proc: str = _PROC) -> Family:
    """Return the family of this process.

    Args:
        name: A name that takes the place of the root: who has the same is of the family.
        proc: Where the kernel's files are.
    """
    return Family(
        uid=os.geteuid() if hasattr(os, "geteuid") else 0,
        boot=_line(f"{proc}/sys/kernel/random/boot_id"),
        namespace=_link(f"{proc}/self/ns/pid"),
        root=None if name else _root(proc),
        name=name,
    )


def is_alive(process: Process, proc: str = _PROC) -> bool:
    """Tell whether a process of this machine and namespace is still there, and not another one."""
    if (found := _look(process.pid, proc)) is not None:
        return process.started in (0, found[1])
    if Path(proc, "self").is_dir():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _root(proc: str) -> Process:
    pid = os.getpid()
    found = _look(pid, proc)
    if found is None:
        return Process(_multiprocessing_parent() or pid, 0)
    here = Process(pid, found[1])
    parent = _seen(_multiprocessing_parent(), here, proc)
    for _ in range(_MOST):
        if parent is None:
            above = _look(here.pid, proc)
            parent = _seen(above and above[0], here, proc)
            if parent is None or not _belong_together(here.pid, parent.pid, proc):
                break
        here, parent = parent, None
    return here


def _multiprocessing_parent() -> int | None:
    # In its children it is imported. That of a forkserver's child is the one who asked for it.
    module = sys.modules.get("multiprocessing.process")
    parent = getattr(module, "parent_process", lambda: None)()
    return None if parent is None else int(parent.pid)


def _seen(pid: int | None, child: Process, proc: str) -> Process | None:
    """Return the process of that number, if it can be the parent of another."""
    found = _look(pid, proc) if pid else None
    if pid is None or found is None or found[1] > child.started:
        return None
    return Process(pid, found[1])


def _belong_together(child: int, parent: int, proc: str) -> bool:
    command = _bytes(f"{proc}/{child}/cmdline") or b""
    if any(word in command for word in _STARTED_BY):
        return True
    given, above = _bytes(f"{proc}/{child}/auxv"), _bytes(f"{proc}/{parent}/auxv")
    if given and above:
        return given == above and _link(f"{proc}/{child}/exe") == _link(f"{proc}/{parent}/exe")
    # After setuid() without exec, as in the workers of a master that is root, the kernel shows
    # neither. What anybody may read has to do: the command line, or a title in its place.
    return _title(command) == _title(_bytes(f"{proc}/{parent}/cmdline") or b"") != b""


def _title(command: bytes) -> bytes:
    """Return what is common to a server and its workers: ``gunicorn: master [x]`` and so on."""
    head, colon, _ = command.partition(b": ")
    return head if colon and b"\0" not in head else command


def _look(pid: int, proc: str) -> tuple[int, int] | None:
    """Return a process' parent and when it started; None where it isn't there."""
    text = _bytes(f"{proc}/{pid}/stat")
    if not text:
        return None
    # The name is in parentheses and may have any character in it.
    facts = text.rpartition(b")")[2].split()
    return int(facts[_PARENT]), int(facts[_START])


def _bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - nothing but a short read
            return file.read()
    except OSError:
        return None


def _line(path: str) -> str:
    return (_bytes(path) or b"").decode("ascii", "replace").strip()


def _link(path: str) -> str:
    with suppress(OSError):
        return str(Path(path).readlink())
    return ""
