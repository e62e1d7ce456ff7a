"""How often the CPU was throttled: by heat, and by the quota of the process's cgroup.

Sources: the kernel's ``thermal_throttle`` counters (Intel), one a core and one a package,
repeated on every thread of it; ``nr_throttled`` in ``cpu.stat`` of the process's own cgroup and
of those it is in, whose quotas hold it back as well.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.collectors import cgroup
from butterfly_otel.collectors.source import Reading, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CPU = re.compile(r"cpu(\d+)")
_THROTTLED = re.compile(r"^nr_throttled (\d+)$", re.MULTILINE)


class ThrottlingSource:
    """Reads ``butterfly_cpu_throttle_events_total``, which counts from the first reading.

    Args:
        root: Directory in which ``proc`` and ``sys`` are looked up.
    """

    name = "throttling"
    metrics = ("butterfly_cpu_throttle_events_total",)
    interval = 5.0
    deadline = 2.0

    def __init__(self, *, root: Path | str = "/") -> None:
        self._root = Path(root)
        # Kept when closed: the total must not fall.
        self._tally = Tally()

    def open(self) -> None:
        """See whether anything is counted here.

        Raises:
            UnavailableError: When nothing is.
        """
        self.read()

    def read(self) -> list[Reading]:
        """Return the events so far.

        Raises:
            UnavailableError: When nothing is counted here.
        """
        counters = {**thermal_counters(self._root), **quota_counters(self._root)}
        if not counters:
            raise UnavailableError(
                "The kernel counts neither thermal throttling nor that of a cgroup's quota here."
            )
        return [Reading(self.metrics[0], self._tally.add(counters), {})]

    def close(self) -> None:
        """Do nothing: no file stays open."""


class Tally:
    """A total over counters that come and go, such as those of a core that goes offline.

    What a counter says when it is first seen was before our time. One that falls and rises
    again is counted once.
    """

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}
        self._total = 0

    def add(self, counters: dict[str, int]) -> int:
        """Add by how much each counter has risen; return the total."""
        for key, value in counters.items():
            highest = self._highest.get(key, value)
            self._total += max(0, value - highest)
            self._highest[key] = max(highest, value)
        return self._total


def thermal_counters(root: Path) -> dict[str, int]:
    """Return thermal throttling by ``core PACKAGE-CORE`` and ``package PACKAGE``."""
    counters: dict[str, int] = {}
    for cpu in _cpus(root / "sys/devices/system/cpu"):
        throttle, topology = cpu / "thermal_throttle", cpu / "topology"
        if not throttle.is_dir():
            continue
        package = _number(topology / "physical_package_id")
        core = _number(topology / "core_id")
        for key, path in (
            (f"core {package}-{core}", throttle / "core_throttle_count"),
            (f"package {package}", throttle / "package_throttle_count"),
        ):
            # Every thread of a core says the same, and every core of a package.
            if key not in counters and (count := _number(path)) is not None:
                counters[key] = count
    return counters


def quota_counters(root: Path) -> dict[str, int]:
    """Return the periods in which a quota held back this process's cgroup, by directory."""
    counters: dict[str, int] = {}
    found = cgroup.resolve("cpu", root)
    for directory in () if found is None else found.lineage():
        try:
            text = (directory / "cpu.stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        if match := _THROTTLED.search(text):
            counters[f"cgroup {directory}"] = int(match[1])
    return counters


def _cpus(folder: Path) -> Iterator[Path]:
    try:
        paths = [path for path in folder.iterdir() if _CPU.fullmatch(path.name)]
    except OSError:
        return
    yield from sorted(paths, key=lambda path: int(path.name[3:]))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError):
        return None
