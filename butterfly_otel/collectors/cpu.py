"""How busy the CPU is: shares of time between two readings of the kernel's counters.

On Linux of ``/proc/stat`` (proc_stat(5)), elsewhere of psutil. In a container these are the
machine's figures, not the container's.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from butterfly_otel.collectors.source import Reading, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_METRIC = "butterfly_cpu_usage_ratio"
#: Key of all cores together.
WHOLE = ""
#: user nice system idle iowait irq softirq steal guest guest_nice; old kernels have fewer.
_FIELDS = 10


class CpuTime(NamedTuple):
    """Time a CPU has spent since the start of the machine, in any unit."""

    busy: float
    total: float


class CpuSource:
    """Reads ``butterfly_cpu_usage_ratio``, as a whole or a core, never both.

    Cores keep the numbers the system gives them, whichever are offline. A core is left out
    of the first reading after it came online.

    Args:
        per_core: Whether to read each core.
        root: Directory in which ``proc`` is looked up.
    """

    name = "cpu"
    metrics = (_METRIC,)
    interval = 5.0
    deadline = 2.0

    def __init__(self, *, per_core: bool = False, root: Path | str = "/") -> None:
        self._per_core = per_core
        self._stat = Path(root) / "proc/stat"
        self._psutil: Any = None
        self._before: Mapping[str, CpuTime] = {}

    def open(self) -> None:
        """See whether there is something to read.

        Raises:
            UnavailableError: When there is neither ``/proc/stat`` nor psutil.
        """
        self._psutil = None if self._stat.exists() else _psutil()
        # Not kept: the first round follows at once, and a few ticks are no usage.
        self._times()

    def read(self) -> list[Reading]:
        """Return the usage since the last call; nothing the first time."""
        before, self._before = self._before, self._times()
        usage = usage_between(before, self._before)
        if not self._per_core:
            return [Reading(_METRIC, usage[WHOLE], {})] if WHOLE in usage else []
        return [
            Reading(_METRIC, value, {"core": core})
            for core, value in usage.items()
            if core != WHOLE
        ]

    def close(self) -> None:
        """Forget the last reading."""
        self._before = {}

    def _times(self) -> dict[str, CpuTime]:
        if self._psutil is not None:
            return times_of(self._psutil.cpu_times(percpu=True))
        try:
            return parse_stat(self._stat.read_text(encoding="ascii", errors="replace"))
        except OSError as error:
            raise UnavailableError(f"{self._stat} can't be read: {error.strerror}.") from error


def parse_stat(text: str) -> dict[str, CpuTime]:
    """Return the times by core, and of the whole, in ``/proc/stat``."""
    times: dict[str, CpuTime] = {}
    for line in text.splitlines():
        label, *fields = line.split()
        if not label.startswith("cpu"):
            break  # the CPUs come first; what follows can be long
        ticks = [int(field) for field in fields[:_FIELDS]]
        user, nice, system, idle, iowait, *rest = ticks + [0] * (_FIELDS - len(ticks))
        # Time of guests is in user and nice as well. Stolen time is time one could not idle.
        *others, guest, guest_nice = rest
        busy = user + nice + system + sum(others) - guest - guest_nice
        times[label[3:]] = CpuTime(busy, busy + idle + iowait)
    return times


def times_of(cores: Iterable[Any]) -> dict[str, CpuTime]:
    """Return the times by core, and of the whole, of psutil's ``cpu_times(percpu=True)``."""
    times: dict[str, CpuTime] = {}
    for core, spent in enumerate(cores):
        # Off Linux there are no guests among them.
        total = float(sum(spent))
        times[str(core)] = CpuTime(total - spent.idle, total)
    busy, total = (sum(each) for each in zip(*times.values(), strict=True))
    return {WHOLE: CpuTime(busy, total), **times}


def usage_between(before: Mapping[str, CpuTime], after: Mapping[str, CpuTime]) -> dict[str, float]:
    """Return the busy share, from 0 to 1, of what is in both and has spent time in between."""
    usage: dict[str, float] = {}
    for core, now in after.items():
        then = before.get(core)
        if then is None or now.total <= then.total:
            continue
        # Counters of idle and iowait may step back a little.
        usage[core] = min(1.0, max(0.0, (now.busy - then.busy) / (now.total - then.total)))
    return usage


def _psutil() -> Any:  # noqa: ANN401 - optional, so without types
    try:
        return import_module("psutil")
    except ImportError as error:
        raise UnavailableError(
            "There is no /proc/stat here, so the CPU is read by psutil, which is not installed:"
            " pip install 'butterfly-otel[psutil]'."
        ) from error
