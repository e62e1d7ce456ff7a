"""XID errors, as NVML's event sets tell of them; no daemon is needed for that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from butterfly_otel.catalog import gpus
from butterfly_otel.collectors.nvml.answers import NvmlError
from butterfly_otel.collectors.source import Reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from butterfly_otel.collectors.nvml.answers import EventSet
    from butterfly_otel.collectors.nvml.api import Nvml
    from butterfly_otel.collectors.nvml.device import Found
    from butterfly_otel.collectors.nvml.problems import Problems

METRIC: Final = gpus.GPU_XID_ERRORS_TOTAL.name
#: How many are taken in a round; the rest waits in the driver for the next one.
_MOST: Final = 256


class Xids:
    """Counts the XID errors of every GPU since it was first watched.

    The driver keeps what happens between two rounds; what happened before a GPU was watched, or
    while NVML was started afresh, it does not tell. Counts outlive that, and the loss of the GPU.

    Args:
        problems: Where GPUs that tell of no events are reported.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._events: EventSet | None = None
        #: Which GPU an event is of, by what the driver calls it.
        self._watched: dict[int, str] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def watch(self, nvml: Nvml, boards: Iterable[Found]) -> None:
        """Watch every GPU that is not watched yet."""
        for found in boards:
            key = nvml.key(found.board)
            if key in self._watched:
                # An index may have another name now.
                self._watched[key] = found.gpu_id
                continue
            try:
                if self._events is None:
                    self._events = nvml.events()
                nvml.watch_xids(found.board, self._events)
            except NvmlError as error:
                self._problems.once(
                    *("xid", found.gpu_id, error.code),
                    level=logging.DEBUG,
                    message=f"XID errors of GPU {found.gpu_id} are left out: {error}",
                )
                continue
            self._watched[key] = found.gpu_id

    def take(self, nvml: Nvml) -> None:
        """Count what has happened since the last round, without waiting."""
        if self._events is None:
            return
        try:
            for _ in range(_MOST):
                event = nvml.next_xid(self._events)
                if event is None:
                    return
                gpu_id = self._watched.get(event.device)
                if gpu_id is not None:
                    key = (gpu_id, str(event.xid))
                    self._counts[key] = self._counts.get(key, 0) + 1
        except NvmlError as error:
            # What is wrong with NVML, or with a GPU, its readings tell as well.
            self._problems.once(
                *("xid", error.code),
                level=logging.WARNING,
                message=f"XID errors could not be read: {error}",
            )

    def readings(self, gpu_ids: Collection[str]) -> Iterator[Reading]:
        """Return the counts of some GPUs, those that are lost included."""
        for (gpu_id, xid), count in self._counts.items():
            if gpu_id in gpu_ids:
                yield Reading(METRIC, count, {"gpu_id": gpu_id, "xid": xid})

    def close(self, nvml: Nvml) -> None:
        """Watch no GPU any more; what was counted stays."""
        events, self._events = self._events, None
        self._watched.clear()
        if events is not None:
            nvml.free_events(events)
