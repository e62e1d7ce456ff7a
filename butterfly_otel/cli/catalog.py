"""``butterfly-otel catalog``: the contract as a table, JSON or Markdown."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, get_args

from butterfly_otel import catalog
from butterfly_otel.catalog.model import PrometheusType
from butterfly_otel.cli.contracts import add_catalog_option, contract_of
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
  butterfly-otel catalog --format weaver > butterfly.yaml
  butterfly-otel catalog --catalog my_contract.yaml
"""
_SOME_CATEGORIES = "requests or consensus"


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
    parser.add_argument("--category", help=f"only this category, such as {_SOME_CATEGORIES}")
    parser.add_argument("--type", choices=get_args(PrometheusType), help="only this type")
    parser.add_argument("--label", help="only metrics that have this label")
    parser.add_argument(
        "--extensions", action="store_true", help="also the SDK's own metrics (butterfly_otel_...)"
    )
    parser.add_argument(
        "--format",
        choices=("table", "json", "markdown", "weaver"),
        default="table",
        help="default: table; weaver is YAML in the format of OpenTelemetry's semantic conventions",
    )
    parser.add_argument(
        "--json", action="store_const", const="json", dest="format", help="same as --format json"
    )
    add_catalog_option(parser, "show this contract in the place of Butterfly's")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; exit code 1 where nothing matches."""
    contract = catalog.BUTTERFLY if args.catalog is None else contract_of(args.catalog)
    # Whoever names a metric whole means it, be it an extension or not.
    every = (*contract, *catalog.EXTENSIONS) if args.catalog is None else contract.metrics
    named = next((m for m in every if args.pattern in (m.name, contract.handle_name(m))), None)
    own = args.extensions or args.category == "telemetry"
    metrics = every if own else contract.metrics
    known = tuple(dict.fromkeys(metric.category for metric in metrics))
    if args.category is not None and args.category not in known:
        # By the command's own parser, for its usage.
        args.chosen.error(f"--category {args.category}: choose from {', '.join(known)}")
    asked = metrics if named is None else (named,)
    chosen = [metric for metric in asked if metric is named or _matches(metric.name, args.pattern)]
    chosen = [metric for metric in chosen if _chosen(metric, args)]
    if args.format == "weaver":
        from butterfly_otel.catalogs.writing import write  # noqa: PLC0415 - only where asked for

        sys.stdout.write(write(replace(contract, metrics=tuple(chosen))))
    elif args.format == "json":
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


def _matches(name: str, pattern: str) -> bool:
    if any(each in pattern for each in "*?["):
        return fnmatchcase(name, pattern)
    return pattern.lower() in name


def _width() -> int | None:
    """Return the columns of the terminal; None for a pipe, which gets whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _chosen(metric: Metric, args: argparse.Namespace) -> bool:
    return (
        args.category in (None, metric.category)
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
