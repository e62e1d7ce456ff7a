"""GPUs that were there and answer no more: told as down until they are back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butterfly_otel.collectors.nvml.problems import Problems

_logger = logging.getLogger("butterfly_otel")


@dataclass
class _Lost:
    since: float
    delay: float
    retry: float
    #: Where it was, while NVML still lists it.
    index: int | None
    #: How many GPUs NVML listed then: with another number the indexes may have moved.
    count: int
    #: Whether it ever told its name; else it goes by its index.
    named: bool


class LostDevices:
    """What is lost, since when, and when to look again.

    Looking at a lost GPU attaches to it, and while somebody is attached it cannot be reset.
    So NVML is left alone about it for a time that doubles with each failure.

    Args:
        problems: Where losses and returns are logged.
        first_delay: Seconds until the first look.
        longest_delay: Seconds between two looks at most.
        forget_after: Seconds after which a GPU that NVML no longer lists counts as removed.
    """

    def __init__(
        self,
        problems: Problems,
        *,
        first_delay: float,
        longest_delay: float,
        forget_after: float,
    ) -> None:
        self._problems = problems
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._forget_after = forget_after
        self._lost: dict[str, _Lost] = {}

    def ids(self) -> list[str]:
        """Return the ``gpu_id`` of each lost GPU."""
        return list(self._lost)

    def id_at(self, index: int) -> str | None:
        """Return which lost GPU was last seen at an index."""
        return next((each for each, lost in self._lost.items() if lost.index == index), None)

    def add(
        self,
        gpu_id: str,
        now: float,
        *,
        index: int | None,
        count: int,
        why: str,
        named: bool = True,
    ) -> None:
        """Note that a GPU is lost, or lost still; ``index`` is None when it is not listed."""
        known = self._lost.get(gpu_id)
        delay = self._first_delay
        if known is not None:
            delay = min(known.delay * 2, self._longest_delay)
        since = now if known is None else known.since
        self._lost[gpu_id] = _Lost(since, delay, now + delay, index, count, named)
        message = f"GPU {gpu_id} is lost: {why}"
        self._problems.once("lost", gpu_id, level=logging.ERROR, message=message)

    def back(self, gpu_id: str) -> None:
        """Note that a GPU answers."""
        if self._lost.pop(gpu_id, None) is not None:
            self._problems.forget("lost", gpu_id)
            _logger.info("GPU %s answers again", gpu_id)

    def untouchable(self, now: float, count: int) -> set[int]:
        """Return the indexes that are to be left alone for now."""
        return {
            lost.index
            for lost in self._lost.values()
            if lost.index is not None and now < lost.retry and lost.count == count
        }

    def unlisted(self, gpu_id: str, now: float, count: int) -> None:
        """Note that NVML does not list a GPU, as when it was pulled out or fell off the bus."""
        known = self._lost.get(gpu_id)
        if known is None:
            why = "NVML no longer lists it, or no longer lets this process open it"
            self.add(gpu_id, now, index=None, count=count, why=why)
        elif not known.named:
            # Whatever is at its index now has told its name.
            del self._lost[gpu_id]
            self._problems.forget("lost", gpu_id)
        elif known.index is not None:
            known.index = None
            known.since = now

    def forget_removed(self, now: float) -> None:
        """Drop those that have been missing from NVML's list for so long that it is no fault."""
        for gpu_id, lost in list(self._lost.items()):
            if lost.index is None and now - lost.since >= self._forget_after:
                del self._lost[gpu_id]
                self._problems.forget("lost", gpu_id)
