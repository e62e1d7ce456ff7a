"""Memory of this process and of what it may use, by the kernel's files or by psutil.

Sources: proc_pid_status(5) and proc_meminfo(5); of the kernel's documentation, cgroup-v2.rst
(``memory.max``, ``memory.current``) and cgroup-v1/memory.rst (``memory.limit_in_bytes``).
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from butterfly_otel.collectors import cgroup

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path("/")
#: Version 1 says "no limit" by its greatest number of whole pages; no machine has this much.
_NO_LIMIT = 1 << 60
#: Names of the files by version: limit, use, and the part of the use that can be dropped.
_LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}
_USAGE = {1: "memory.usage_in_bytes", 2: "memory.current"}
_INACTIVE = {1: "total_inactive_file", 2: "inactive_file"}


class ProcessMemory(NamedTuple):
    """Resident memory of this process in bytes; ``None`` where it can't be told.

    Attributes:
        now: Resident now.
        peak: Most that was ever resident.
    """

    now: int | None
    peak: int | None


class Capacity(NamedTuple):
    """What this process may use, together with whatever shares the limit.

    Attributes:
        limit: Bytes.
        used: Bytes of it in use, without what the kernel can drop at once; ``None`` where it
            can't be told.
    """

    limit: int
    used: int | None


class Host(Protocol):
    """Where memory is read."""

    def process(self) -> ProcessMemory:
        """Read this process' memory; never raises."""
        ...

    def capacity(self) -> Capacity | None:
        """Read what it may use, ``None`` where that can't be told; never raises."""
        ...


def find_host(root: Path = _ROOT) -> Host:
    """Return the best way to read memory here.

    Args:
        root: Directory to read instead of ``/``.
    """
    if (root / "proc/self/status").exists():
        return ProcHost(root)
    try:
        return PsutilHost(import_module("psutil"))
    except ImportError:
        return BareHost()


class ProcHost:
    """Linux: ``/proc`` and the cgroup.

    Args:
        root: Directory to read instead of ``/``: ``proc`` and the cgroup's mount are in it.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        self._root = root

    def process(self) -> ProcessMemory:
        """Read ``/proc/self/status``."""
        status = parse_fields(_read(self._root / "proc/self/status"))
        # Some kernels that imitate Linux have no VmHWM.
        peak = status["VmHWM"] if "VmHWM" in status else rusage_peak()
        return ProcessMemory(status.get("VmRSS"), peak)

    def capacity(self) -> Capacity | None:
        """Return the tighter of the machine's memory and the cgroup's limit."""
        machine = machine_capacity(parse_fields(_read(self._root / "proc/meminfo")))
        group = cgroup.resolve("memory", self._root)
        limited = None if group is None else cgroup_capacity(group)
        if machine is None or (limited is not None and limited.limit < machine.limit):
            return limited
        return machine


def machine_memory(root: Path = _ROOT) -> Capacity | None:
    """Return the machine's memory, whatever this process may use of it; Linux only."""
    return machine_capacity(parse_fields(_read(root / "proc/meminfo")))


class PsutilHost:
    """Other systems.

    Args:
        psutil: The module.
    """

    def __init__(self, psutil: Any) -> None:  # noqa: ANN401 - an optional module without types
        self._psutil = psutil
        self._process = psutil.Process()

    def process(self) -> ProcessMemory:
        """Ask psutil; the peak is in its answer on Windows only."""
        try:
            memory = self._process.memory_info()
        except (OSError, self._psutil.Error):
            return ProcessMemory(None, rusage_peak())
        peak = getattr(memory, "peak_wset", None)
        return ProcessMemory(int(memory.rss), rusage_peak() if peak is None else int(peak))

    def capacity(self) -> Capacity | None:
        """Return the machine's memory."""
        try:
            memory = self._psutil.virtual_memory()
        except (OSError, self._psutil.Error):
            return None
        return Capacity(int(memory.total), int(memory.total - memory.available))


class BareHost:
    """Neither ``/proc`` nor psutil: little can be told."""

    def process(self) -> ProcessMemory:
        """Return the peak, where the system keeps one."""
        return ProcessMemory(None, rusage_peak())

    def capacity(self) -> Capacity | None:
        """Return nothing."""
        return None


def parse_fields(text: str) -> Mapping[str, int]:
    """Return the bytes by name from ``/proc/self/status`` or ``/proc/meminfo``."""
    fields: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB" and number.isdecimal():
            fields[name] = int(number) * 1024
    return fields


def parse_stat(text: str) -> Mapping[str, int]:
    """Return the numbers by name from a cgroup's ``memory.stat``."""
    pairs = (line.partition(" ") for line in text.splitlines())
    return {name: int(number) for name, _, number in pairs if number.isdecimal()}


def machine_capacity(meminfo: Mapping[str, int]) -> Capacity | None:
    """Return the machine's memory from the fields of ``/proc/meminfo``."""
    total = meminfo.get("MemTotal")
    if not total:
        return None
    available = meminfo.get("MemAvailable")
    if available is None:  # Linux before 3.14
        parts = [meminfo.get(name) for name in ("MemFree", "Buffers", "Cached")]
        available = None if None in parts else sum(part or 0 for part in parts)
    return Capacity(total, None if available is None else max(0, total - available))


def cgroup_capacity(group: cgroup.Cgroup) -> Capacity | None:
    """Return the tightest limit that holds for a cgroup, and the use of whoever has that limit."""
    limits = [(_number(each / _LIMIT[group.version]), each) for each in group.lineage()]
    found: list[tuple[int, Path | None]] = [(n, each) for n, each in limits if n is not None]
    effective = _effective_limit(group) if group.version == 1 else None
    if effective is not None:
        found = [(n, each) for n, each in found if n == effective] or [(effective, None)]
    limit, directory = min(found, key=lambda pair: pair[0], default=(_NO_LIMIT, None))
    if limit >= _NO_LIMIT:
        return None
    return Capacity(limit, None if directory is None else _used(directory, group.version))


def _effective_limit(group: cgroup.Cgroup) -> int | None:
    """Return the limit that the kernel applies in version 1.

    It knows whether limits of parents hold at all (``memory.use_hierarchy``), and those beyond
    what a container sees.
    """
    return parse_stat(_read(group.directory / "memory.stat")).get("hierarchical_memory_limit")


def _used(directory: Path, version: int) -> int | None:
    usage = _number(directory / _USAGE[version])
    if usage is None:
        return None
    inactive = parse_stat(_read(directory / "memory.stat")).get(_INACTIVE[version], 0)
    return max(0, usage - inactive)


def rusage_peak() -> int | None:
    """Return the most this process ever had resident, in bytes; ``None`` on Windows.

    macOS counts in bytes, everybody else in KiB.
    """
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _number(path: Path) -> int | None:
    """Return the number in a file; ``None`` where there is none (``max``) or no such file."""
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _read(path: Path) -> str:
    """Return a file's text; none where it can't be read, as many a file of the kernel can't."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
