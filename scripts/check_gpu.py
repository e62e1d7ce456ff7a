"""Compare what butterfly-otel reads of this machine's GPUs with nvidia-smi's own answers.

    python scripts/check_gpu.py         compare, and print a table
    python scripts/check_gpu.py --all   print every reading as well

nvidia-smi is asked between two readings of ours, and its answer has to lie between them, give
or take a tolerance, because a working GPU does not hold still.

Exit codes: 0 when everything agrees, 1 when something differs or is missing, 2 where there is
nothing to compare: no nvidia-smi, no driver or no GPU.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from butterfly_otel.collectors.nvml import NvmlSource
from butterfly_otel.collectors.source import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.collectors.source import Reading

MIB = 1024**2
#: Seconds between two readings, for the averages of the performance counters.
PAUSE = 0.3


class Check(NamedTuple):
    """How a reading of ours is compared with a field of nvidia-smi.

    Attributes:
        metric: The metric.
        labels: Labels of the reading besides the GPU's.
        field: What nvidia-smi calls it.
        scale: What its unit is in ours.
        tolerance: By how much the two may differ, in our unit.
        share: By which share of nvidia-smi's answer they may differ besides.
        in_mig_mode: Whether the GPU itself still reports it when its instances take over.
    """

    metric: str
    labels: Mapping[str, str]
    field: str
    scale: float
    tolerance: float
    share: float = 0.0
    in_mig_mode: bool = False


CHECKS = (
    Check("butterfly_gpu_utilization_ratio", {}, "utilization.gpu", 0.01, 0.25),
    Check("butterfly_gpu_memory_bytes", {"state": "used"}, "memory.used", MIB, 64 * MIB),
    Check("butterfly_gpu_memory_bytes", {"state": "free"}, "memory.free", MIB, 64 * MIB),
    Check("butterfly_gpu_temperature_celsius", {}, "temperature.gpu", 1, 5, in_mig_mode=True),
    Check("hw.gpu.memory.limit", {}, "memory.total", MIB, MIB),
    Check("hw.gpu.dram.active", {}, "utilization.memory", 0.01, 0.25),
    Check("hw.power", {}, "power.draw", 1, 15, share=0.3, in_mig_mode=True),
    Check(
        "hw.errors",
        {"error.type": "corrected"},
        "ecc.errors.corrected.aggregate.total",
        1,
        0,
        in_mig_mode=True,
    ),
    Check(
        "hw.errors",
        {"error.type": "uncorrected"},
        "ecc.errors.uncorrected.aggregate.total",
        1,
        0,
        in_mig_mode=True,
    ),
)
_ABOUT = ("uuid", "mig.mode.current")


class Row(NamedTuple):
    """One comparison; None is what a side does not tell."""

    gpu: str
    what: str
    ours: float | None
    theirs: float | None
    verdict: str


def ask_nvidia_smi(program: str) -> dict[str, dict[str, str]]:
    """Return nvidia-smi's fields by the UUID of each GPU.

    Raises:
        CalledProcessError: When it fails.
    """
    fields = [*_ABOUT, *(check.field for check in CHECKS)]
    asked = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout
    lines = csv.reader(told.splitlines(), skipinitialspace=True)
    return {line[0]: dict(zip(fields, line, strict=True)) for line in lines}


def number(text: str, scale: float) -> float | None:
    """Return a field in our unit, None for ``[N/A]`` and its relatives."""
    try:
        return float(text) * scale
    except ValueError:
        return None


def find(readings: Iterable[Reading], check: Check, gpu: str) -> float | None:
    """Return our reading of a GPU, None where there is none."""
    for metric, value, labels in readings:
        named = gpu in {labels.get("gpu_id"), labels.get("hw.id")}
        if metric == check.metric and named and check.labels.items() <= labels.items():
            return value
    return None


def compare(
    before: Sequence[Reading], theirs: Mapping[str, Mapping[str, str]], after: Sequence[Reading]
) -> list[Row]:
    """Compare every field of every GPU."""
    rows: list[Row] = []
    for gpu, fields in theirs.items():
        mig = fields["mig.mode.current"] == "Enabled"
        for check in CHECKS:
            if mig and not check.in_mig_mode:
                continue
            there = number(fields[check.field], check.scale)
            ours = [find(readings, check, gpu) for readings in (before, after)]
            verdict = judge([value for value in ours if value is not None], there, check)
            what = "/".join((check.metric, *check.labels.values()))
            rows.append(Row(gpu, what, ours[1], there, verdict))
    return rows


def judge(ours: Sequence[float], theirs: float | None, check: Check) -> str:
    """Return whether the two sides agree, in a word."""
    if theirs is None:
        return "only ours" if ours else "neither"
    if not ours:
        return "MISSING"
    slack = check.tolerance + check.share * theirs
    return "agrees" if min(ours) - slack <= theirs <= max(ours) + slack else "DIFFERS"


def show(rows: Sequence[Row]) -> str:
    """Return the comparison as a table."""
    cells = [("gpu", "what", "butterfly-otel", "nvidia-smi", "")]
    cells += [
        (row.gpu, row.what, _plain(row.ours), _plain(row.theirs), row.verdict) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "\n".join(
        f"{gpu:{widths[0]}}  {what:{widths[1]}}  {ours:>{widths[2]}}  {theirs:>{widths[3]}}"
        f"  {verdict}".rstrip()
        for gpu, what, ours, theirs, verdict in cells
    )


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.15g}"


def main() -> int:
    """Compare, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="print every reading as well")
    options = parser.parse_args()
    program = shutil.which("nvidia-smi")
    if program is None:
        print("nvidia-smi is not on PATH")
        return 2
    source = NvmlSource(extensions=True)
    try:
        source.open()
        source.read()
        time.sleep(PAUSE)
        before = source.read()
        theirs = ask_nvidia_smi(program)
        time.sleep(PAUSE)
        began = time.perf_counter()
        after = source.read()
        took = time.perf_counter() - began
    except (UnavailableError, subprocess.SubprocessError) as error:
        print(error)
        return 2
    finally:
        source.close()
    rows = compare(before, theirs, after)
    print(show(rows))
    print(f"one round with extensions: {took * 1000:.1f} ms, {len(after)} readings")
    if options.all:
        for metric, value, labels in after:
            print(metric, _plain(value), dict(labels))
    return 1 if any(row.verdict.isupper() for row in rows) or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
