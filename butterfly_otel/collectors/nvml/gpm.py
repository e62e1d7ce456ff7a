"""GPM: averages of a GPU's performance counters between two samples (Hopper and newer)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.collectors.nvml.answers import NvmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from butterfly_otel.collectors.nvml.answers import Handle, Sample
    from butterfly_otel.collectors.nvml.api import Nvml

#: Samples taken closer together give invalid values (NVIDIA/DCGM#310); with a margin.
SHORTEST_WINDOW = 0.11
#: Over a longer time an average says nothing of now, such as after a machine has slept.
LONGEST_WINDOW = 120.0


class Gpm:
    """Two samples of one device, taken in turn.

    Args:
        nvml: Where the buffers come from and go to.
        gpu_instance: Which GPU instance to sample, None for a whole GPU.
        ids: The metrics to compute.
        clock: Seconds, monotonic.

    Raises:
        NvmlError: When NVML gives no buffers.
    """

    def __init__(
        self,
        nvml: Nvml,
        gpu_instance: int | None,
        ids: Sequence[int],
        clock: Callable[[], float],
    ) -> None:
        self._nvml = nvml
        self._gpu_instance = gpu_instance
        self._ids = ids
        self._clock = clock
        self._taken: float | None = None
        self._last: Mapping[int, float] = {}
        self._buffers: list[Sample] = []
        try:
            for _ in range(2):
                self._buffers.append(nvml.gpm_allocate())
        except NvmlError:
            self.close()
            raise

    def read(self, board: Handle) -> Mapping[int, float]:
        """Return the averages since the last call; nothing the first time.

        A call that comes too soon gets the last answer again.

        Args:
            board: The GPU's handle of now; discoveries may change it.

        Raises:
            NvmlError: When NVML gives no sample, or no averages.
        """
        now = self._clock()
        since = None if self._taken is None else now - self._taken
        if since is not None and since < SHORTEST_WINDOW:
            return self._last
        self._last = {}
        older, newer = self._buffers
        self._nvml.gpm_sample(board, self._gpu_instance, newer)
        self._buffers = [newer, older]
        self._taken = now
        if since is not None and since <= LONGEST_WINDOW:
            self._last = self._nvml.gpm_metrics(older, newer, self._ids)
        return self._last

    def close(self) -> None:
        """Free the buffers, which has to happen before NVML is shut down."""
        buffers, self._buffers = self._buffers, []
        for sample in buffers:
            try:
                self._nvml.gpm_free(sample)
            except NvmlError:  # noqa: PERF203 - each has to be tried
                # The driver is gone, and its buffers with it.
                continue
