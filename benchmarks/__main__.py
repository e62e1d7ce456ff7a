"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import interpreter, machine
from benchmarks.document import document
from benchmarks.report import as_json, results, text_table
from benchmarks.rows import GROUPS

_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENT = _ROOT / "docs" / "benchmarks.md"
#: What would change what is measured.
_SETTINGS = ("OTEL_", "BUTTERFLY_", "PROMETHEUS_", "PYTHONTRACEMALLOC", "PYTHON_GIL")
#: The group that another interpreter measures.
_FREE_THREADED = "free_threaded"
_MISSING = (
    "not measured: free_threaded, because there is no interpreter without a GIL here;"
    " `make interpreters` builds it\n"
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and show or write what was found."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.only):
        parser.error("--write needs all groups and real figures: leave out --quick and --only")
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    figures: dict[str, list[float]] = {}
    groups = options.only or [each for each in GROUPS if options.full or each != "scale"]
    other = interpreter.without_gil() if _FREE_THREADED in groups else None
    about = machine.describe(None if other is None else interpreter.version(other))
    if _FREE_THREADED in groups and other is None:
        sys.stderr.write(_MISSING)
        groups = [each for each in groups if each != _FREE_THREADED]
    measure = partial(_measure, rounds=options.rounds, quick=options.quick, other=other)
    # Only where the figures mean nothing may groups get in each other's way.
    with ThreadPoolExecutor(max_workers=4 if options.quick else 1) as pool:
        for group, found in zip(groups, pool.map(measure, groups), strict=True):
            sys.stderr.write(f"measured: {group}\n")
            figures.update(found)
    rows = results(figures)
    sys.stdout.write(text_table(rows))
    if options.json:
        options.json.write_text(as_json(rows, figures, about), encoding="utf-8")
    if options.write:
        written = document(rows, about, figures=figures, rounds=options.rounds, full=options.full)
        _DOCUMENT.write_text(written, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="timings of each subject")
    parser.add_argument("--full", action="store_true", help="also scrape 1,000,000 samples")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, no figures")
    parser.add_argument("--only", action="append", choices=GROUPS, help="only this group")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--write", action="store_true", help="render docs/benchmarks.md")
    return parser


def _measure(group: str, *, rounds: int, quick: bool, other: Path | None) -> dict[str, list[float]]:
    """Measure a group in a fresh process, and where it has to be by another interpreter.

    Raises:
        CalledProcessError: When that fails; it has said why on stderr.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_SETTINGS)}
    arguments = [group, str(rounds), "quick" if quick else "real"]
    if group != _FREE_THREADED or other is None:
        return _run(sys.executable, arguments, environment)
    with TemporaryDirectory(prefix="benchmarks-") as folder:
        interpreter.copy_packages(Path(folder))
        environment["PYTHONPATH"] = folder
        return _run(str(other), arguments, environment)


def _run(python: str, arguments: list[str], environment: dict[str, str]) -> dict[str, list[float]]:
    found = subprocess.run(  # noqa: S603 - our own child
        [python, "-m", "benchmarks.child", *arguments],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    figures: dict[str, list[float]] = json.loads(found)
    return figures


if __name__ == "__main__":
    sys.exit(main())
