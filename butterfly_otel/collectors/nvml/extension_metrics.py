"""The metrics beyond the contract that are read when asked for.

Names, units and attributes are those of OpenTelemetry's semantic conventions for hardware
(docs/hardware/, in development) where they have any: ``hw.power``, ``hw.energy``,
``hw.errors``, ``hw.gpu.io``, ``hw.gpu.memory.limit``. The others are ours, in their style. All
carry ``hw.type="gpu"`` and ``hw.id``, which is the ``gpu_id`` of the contract's metrics.
"""

from __future__ import annotations

from butterfly_otel.collectors.source import Extension

POWER = Extension("hw.power", "observable_gauge", "W", "Power that the component draws now.")
ENERGY = Extension(
    "hw.energy",
    "observable_counter",
    "J",
    "Energy that the component has used since its driver was loaded.",
)
#: With ``error.type``: corrected or uncorrected.
ERRORS = Extension(
    "hw.errors",
    "observable_counter",
    "{error}",
    "Memory errors that the component has met in its life, by whether ECC could correct them.",
)
#: With ``network.io.direction`` and, ours, ``hw.gpu.interconnect``: pcie or nvlink.
IO = Extension(
    "hw.gpu.io",
    "observable_counter",
    "By",
    "Bytes that the GPU has received and transmitted, where the driver counts them.",
)
MEMORY_LIMIT = Extension(
    "hw.gpu.memory.limit", "observable_up_down_counter", "By", "Size of the GPU's memory."
)

#: Ours. With the attributes of `IO`.
THROUGHPUT = Extension(
    "hw.gpu.throughput",
    "observable_gauge",
    "By/s",
    "Bytes a second that the GPU receives and transmits, as the driver last measured them.",
)
#: Ours. With ``hw.gpu.clock_event.reason``: each reason has a series, as in ``hw.status``.
CLOCK_EVENT = Extension(
    "hw.gpu.clock_event",
    "observable_gauge",
    "{event}",
    "Whether a reason now holds the GPU's clocks below what it could do: 1 or 0 for each.",
)
#: Ours.
DRAM_UTILIZATION = Extension(
    "hw.gpu.dram.utilization",
    "observable_gauge",
    "1",
    "Memory bandwidth in use, as a share of what there is; Hopper and newer.",
)
#: Ours.
DRAM_ACTIVE = Extension(
    "hw.gpu.dram.active",
    "observable_gauge",
    "1",
    "Share of the time in which the GPU's memory was being read or written.",
)
#: Ours. With ``process.pid``; the processes that take the most.
PROCESS_MEMORY = Extension(
    "hw.gpu.process.memory.usage",
    "observable_up_down_counter",
    "By",
    "GPU memory of the processes that take the most of it, by the host's process id.",
)
#: Ours. Always 1; what is known of a device, to be joined by ``hw.id``.
INFO = Extension(
    "hw.gpu.info",
    "observable_gauge",
    "{device}",
    "What a GPU is: always 1, the facts are in the attributes.",
)

EXTENSIONS: tuple[Extension, ...] = (
    POWER,
    ENERGY,
    ERRORS,
    IO,
    MEMORY_LIMIT,
    THROUGHPUT,
    CLOCK_EVENT,
    DRAM_UTILIZATION,
    DRAM_ACTIVE,
    PROCESS_MEMORY,
    INFO,
)
