"""``butterfly-otel catalog``: the contract as a table, JSON or Markdown."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, get_args

from butterfly_otel import catalog
from butterfly_otel.catalog.model import PrometheusType
from butterfly_otel.cli.described import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from butterfly_otel.catalog.model import Metric

_EPILOG = """\
examples:
  butterfly-otel catalog                             every metric of the contract
  butterfly-otel catalog --category consensus
  butterfly-otel catalog --type histogram --json
  butterfly-otel catalog gpu                         metrics with gpu in their name
  butterfly-otel catalog butterfly_gpu_memory_bytes  one metric, and all that uses it
  butterfly-otel catalog 'butterfly_gpu_*' --format markdown
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "catalog",
        help="show the metrics of the contract",
        description="Show the metrics of the contract.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "pattern",
        nargs="?",
        default="*",
        metavar="NAME",
        help="a metric, to see all of it; or a part of names, such as gpu or '*_gpu_*'",
    )
    categories = tuple(dict.fromkeys(metric.category for metric in catalog.ALL))
    parser.add_argument("--category", choices=categories, help="only this category")
    parser.add_argument("--type", choices=get_args(PrometheusType), help="only this type")
    parser.add_argument("--label", help="only metrics that have this label")
    parser.add_argument(
        "--extensions", action="store_true", help="also the SDK's own metrics (butterfly_otel_...)"
    )
    parser.add_argument(
        "--format", choices=("table", "json", "markdown"), default="table", help="default: table"
    )
    parser.add_argument(
        "--json", action="store_const", const="json", dest="format", help="same as --format json"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; exit code 1 where nothing matches."""
    chosen = [metric for metric in _asked_of(args) if _chosen(metric, args)]
    named = _named(args.pattern)
    if args.format == "json":
        print(json.dumps([as_json(metric) for metric in chosen], indent=2))
    elif args.format == "markdown":
        print("\n".join(_markdown(chosen)))
    elif named is not None and chosen:
        print("\n".join(described(named, _width())))
    else:
        print("\n".join(_table(chosen)))
    return 0 if chosen else 1


def as_json(metric: Metric) -> dict[str, Any]:
    """Return a metric as plain data, with the limit that applies."""
    data = asdict(metric)
    data["limit"] = metric.stream_limit
    return data


def _asked_of(args: argparse.Namespace) -> Sequence[Metric]:
    named = _named(args.pattern)
    if named is not None:
        return (named,)
    return catalog.ALL if args.extensions or args.category == "telemetry" else catalog.CONTRACT


def _named(pattern: str) -> Metric | None:
    """Return the metric that has this name, or whose handle has it."""
    return next((each for each in catalog.ALL if pattern in (each.name, each.handle_name)), None)


def _matches(name: str, pattern: str) -> bool:
    if any(each in pattern for each in "*?["):
        return fnmatchcase(name, pattern)
    return pattern.lower() in name


def _width() -> int | None:
    """Return the columns of the terminal; None for a pipe, which gets whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _chosen(metric: Metric, args: argparse.Namespace) -> bool:
    return (
        (metric is _named(args.pattern) or _matches(metric.name, args.pattern))
        and args.category in (None, metric.category)
        and args.type in (None, metric.type)
        and (args.label is None or args.label in metric.label_keys)
    )


def _table(metrics: Sequence[Metric]) -> Iterator[str]:
    rows = [(m.name, m.type, m.unit, m.across, ", ".join(m.label_keys)) for m in metrics]
    heads = ("NAME", "TYPE", "UNIT", "ACROSS", "LABELS")
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(4)]
    # A terminal would break long lines; a pipe gets all of them.
    width = _width() or sys.maxsize
    for row in (heads, *rows):
        line = (
            "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=False))
            + "  "
            + row[4]
        )
        yield line.rstrip() if len(line) <= width else line[: width - 1] + "…"
    yield f"{len(rows)} metrics"


def _markdown(metrics: Sequence[Metric]) -> Iterator[str]:
    yield "| Name | Type | Unit | Across processes | Labels | Help |"
    yield "|---|---|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{key}`" for key in metric.label_keys)
        facts = f"{metric.type} | `{metric.unit}` | {metric.across}"
        yield f"| `{metric.name}` | {facts} | {labels} | {metric.help} |"
