"""What a round of the GPU source costs, the driver aside: ``python -m benchmarks.gpus``.

The driver is the fake of the tests with eight GPUs, whose calls return at once, so what is
measured is ours: ctypes, pynvml and the source. A real driver's calls come on top. There is no
peer to compare with, so these figures stand apart from ``python -m benchmarks``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from butterfly_otel.collectors.nvml import NvmlSource

_FAKE = Path(__file__).parents[1] / "tests" / "unit" / "collectors" / "nvml" / "fake_nvml.c"
_GPUS = 8
#: Seconds between two rounds: performance counters want 100 ms between samples.
_PAUSE = 0.12


def main() -> int:
    """Measure with and without extensions, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpus", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="timings of each")
    options = parser.parse_args()
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        sys.stderr.write("the fake driver needs Linux and a C compiler\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        _load_fake(compiler, Path(folder) / "libnvidia-ml.so.1")
    for extensions in (False, True):
        median, worst, readings = _measure(options.rounds, extensions=extensions)
        sys.stdout.write(
            f"{_GPUS} GPUs, {'with' if extensions else 'without'} extensions:"
            f" {median * 1000:.2f} ms of processor time a round"
            f" (worst {worst * 1000:.2f} ms), {readings} readings\n"
        )
    return 0


def _load_fake(compiler: str, library: Path) -> None:
    """Compile the fake and load it, after which pynvml finds it by its soname."""
    flags = ["-O2", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-pthread"]
    subprocess.run([compiler, *flags, "-o", library, _FAKE], check=True)  # noqa: S603 - our own file
    os.environ["FAKE_NVML_GPUS"] = str(_GPUS)
    loaded = ctypes.CDLL(str(library))
    for board in range(_GPUS):
        for pid in range(4):
            loaded.fake_add_process(board, -1, pid + 1, ctypes.c_ulonglong(1 << 30))
    for field in (138, 139, 197, 198):
        loaded.fake_set_field(field, ctypes.c_ulonglong(1))


def _measure(rounds: int, *, extensions: bool) -> tuple[float, float, int]:
    """Return the median and the worst time of a round, and how many readings it has."""
    source = NvmlSource(extensions=extensions)
    source.open()
    times: list[float] = []
    readings = 0
    # The first round has no averages yet.
    for _ in range(rounds + 1):
        began = time.process_time()
        readings = len(source.read())
        times.append(time.process_time() - began)
        time.sleep(_PAUSE)
    source.close()
    return statistics.median(times[1:]), max(times[1:]), readings


if __name__ == "__main__":
    sys.exit(main())
