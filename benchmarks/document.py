"""``docs/benchmarks.md``: the table of one run and what is needed to judge it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.anatomy import PARTS
from benchmarks.report import HEADER, Result, cells, markdown_table
from benchmarks.rows import OUR_ENCODER, ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.report import Figures

_HEAD = """\
# Benchmarks

butterfly-otel beside its peers, on the same work in the same run. Rendered by
`python -m benchmarks{arguments} --write`; every figure below is of that run.

"""

_ANATOMY = """
What calls consist of, timed likewise in this run. What a target leaves after these has to do for
the rest: whether the amount is a number that the metric can hold, whether the cell may be
measured without a lock, whether anybody traces, and the addition itself. A bound instrument
without any of these checks would be as fast as its line says.

"""

_METHOD = """
## How it is measured

- A figure is the median of {rounds} rounds, memory of three; in parentheses are its quartiles.
  The ratio is that of the medians. "By round" is the median, with its quartiles, of the ratios
  within each round: where the machine changes its speed during the run, it is the steadier one.
- Each round times every subject of a group once, in turns. Each group has a process of its
  own, pinned to one processor where the system allows that.
- What is timed is a bare statement, inlined into `timeit`'s loop, whose own cost is not
  subtracted. A timing of a call is about 30 ms of such a loop; a timing of a scrape or of an
  OTLP export is one scrape or export, between which every series changes.
- The clock is the processor time of the process. Garbage collection is off while it runs,
  but in the rows that say that it is on.
- Before anything is timed, both sides of each comparison run as often and must have measured
  the same: equal totals, equal buckets, equal samples in the expositions, equal OTLP messages
  but for times. So that they can be equal, `target_info`, scope labels and `_created`, which
  not all of them have, are off.
- Rows without a GIL are measured by the interpreter that `make interpreters` builds, with the same
  releases of all packages. Two threads begin at once, on a processor each, and measure two series
  of one metric, again where one of them had to wait for its processor; the figure is the processor
  time of a call, and what it is compared with was measured in a thread as well.
- The overhead of a decorator is what it adds to the time of the bare function. The same by hand
  is written into the function: no call of a wrapper, two readings of the clock, four
  measurements by bound handles. autometrics is installed without its dependencies, whose
  versions would exclude ours.
- A scrape of 22,000 samples is 10,000 counter series of three labels and 1,000 histogram
  series of two labels and 9 buckets, in text format 0.0.4; OTLP has the same 11,000 series.
- Our OTLP figure is our engine's collection, encoded by `{encoder}`.
- Memory is what `tracemalloc` finds for 10,000 series, without the label strings, which
  belong to the caller. After a scrape it includes what the scrape leaves behind.

## Run it

```sh
python -m benchmarks            # the table
python -m benchmarks --full     # also a scrape of 1,000,000 samples; needs about 2 GB
python -m benchmarks --full --write --json figures.json
```
"""


def document(
    found: Sequence[Result],
    machine: Mapping[str, str],
    *,
    figures: Figures,
    rounds: int,
    full: bool,
) -> str:
    """Return the document of one run."""
    table = markdown_table(HEADER, [cells(one) for one in found])
    about = markdown_table(("what", "which"), list(machine.items()))
    arguments = " --full" if full else ""
    return "".join(
        (
            _HEAD.format(arguments=arguments),
            table,
            "\n## Targets not reached\n\n",
            *_missed(found),
            *_anatomy(figures),
            "\n## Where\n\n",
            about,
            _METHOD.format(rounds=rounds, encoder=OUR_ENCODER),
        )
    )


def _anatomy(figures: Figures) -> list[str]:
    """Return what calls consist of, which is what stands in the way."""
    parts = [
        (what, f"{median(figures[key]):,.0f} ns") for key, what in PARTS.items() if key in figures
    ]
    if not parts:
        return []
    return [_ANATOMY, markdown_table(("part", "time"), parts)]


def _missed(found: Sequence[Result]) -> list[str]:
    lines = [f"- {_sentence(one)}\n" for one in found if one.reached is False]
    if not lines:
        lines.append("- None: every target in the table above is reached.\n")
    measured = {one.row for one in found}
    lines += [
        f"- Not measured in this run: {row.work}, against {row.against}.\n"
        for row in ROWS
        if row not in measured
    ]
    return lines


def _sentence(result: Result) -> str:
    row = result.row
    what = f"{row.work}, against {row.against}"
    if row.direction == "at least":
        wanted = f"It is {result.ratio:.1f}×, and should be at least {row.target:g}×"  # noqa: RUF001
    else:
        wanted = f"It is {result.ratio:.2f}×, and should be at most {row.target:.2f}×"  # noqa: RUF001
    room = ""
    if row.target is not None and row.direction == "at least" and row.unit == "ns":
        room = f" That would take {result.peer.median / row.target:,.0f} ns."
    return f"{what}: not reached. {wanted}.{room}"
