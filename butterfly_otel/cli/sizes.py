"""``butterfly-otel sizes``: the series a cluster makes, and what Prometheus needs for them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from butterfly_otel.cli.contracts import add_catalog_option, contract_of
from butterfly_otel.cli.rule_options import parse_duration
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.operate import sizes
from butterfly_otel.views.overlays import apply_overlays
from butterfly_otel.views.streams import Stream, default_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Compute from the catalogue how many series clusters make and what Prometheus needs for them: the
nodes' labels are as many as the cluster has nodes, models, layers, GPUs and connections, as far
as the budgets let them through."""

_EPILOG = """\
examples:
  butterfly-otel sizes --nodes 10 100 1000
  butterfly-otel sizes --nodes 250 --models 3 --layers 40 --views low-cardinality
  butterfly-otel sizes --nodes 1000 --layers 200 --models 20 --neighbours 1000"""

#: Of a Prometheus server, as docs/scaling.md says where they come from.
_BYTES_A_SAMPLE, _SERIES_A_SERVER = 2, 2_000_000
_DAY = 86_400
_LARGEST = 8
_PARTS = {
    "models": "models that a compute node runs",
    "layers": "layers of each model on one compute node",
    "gpus": "GPUs of a compute node",
    "neighbours": "nodes, coordinators aside, that a compute node talks to",
    "tasks": "ids of tasks in use",
    "checkpoints": "checkpoints that a node keeps",
    "coordinators": "voting members",
    "observers": "nodes that only watch",
}
_HEAD = (
    *("nodes", "series of a coordinator", "of a compute node", "in all"),
    *("samples/s", "memory", "disk a day", "servers"),
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sizes",
        help="compute the series of a cluster, and what Prometheus needs for them",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--nodes",
        type=int,
        nargs="+",
        default=[10, 100, 1000],
        metavar="N",
        help="nodes of all roles; several for several rows (default: 10 100 1000)",
    )
    add_shape(parser)
    parser.add_argument(
        "--views",
        nargs="+",
        default=[],
        metavar="OVERLAY",
        help="overlays, as configure() takes them; the later narrow the earlier",
    )
    parser.add_argument(
        "--scrape-interval",
        type=parse_duration,
        default=15.0,
        metavar="DURATION",
        help="default: 15s",
    )
    add_catalog_option(parser, "the most series that one process makes of this contract")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def add_shape(parser: argparse._ActionsContainer) -> None:
    """Add what decides how many series a cluster of so many nodes has."""
    defaults = sizes.Shape()
    for name, text in _PARTS.items():
        by_nodes = name in {"coordinators", "observers"}
        default = "by the number of nodes" if by_nodes else getattr(defaults, name)
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{text} (default: {default})")


def shape_parts(args: argparse.Namespace) -> dict[str, int]:
    """Return what was given of these."""
    return {name: getattr(args, name) for name in _PARTS if getattr(args, name) is not None}


def run(args: argparse.Namespace) -> int:
    """Print the tables, or the same as JSON."""
    if not args.scrape_interval:
        msg = "--scrape-interval is 0; give what Prometheus is set to, such as 15s"
        raise ConfigurationError(msg)
    if args.catalog is not None:
        return _own(args)
    streams = apply_overlays(default_streams(), args.views)
    shapes = [sizes.Shape.of(nodes, **shape_parts(args)) for nodes in args.nodes]
    if args.json:
        print(json.dumps(_document(shapes, streams, args.scrape_interval), indent=2))
        return 0
    rows = [_row(shape, streams, args.scrape_interval) for shape in shapes]
    print("\n".join(_table([_HEAD, *rows])))
    print(f"\nlargest metrics, of {shapes[-1].nodes} nodes:")
    print("\n".join(_table(_largest(shapes[-1], streams))))
    print(
        f"\nunder its own node_id a node exports at most {sizes.ceiling(streams):,} samples;"
        f" sample_limit: {sizes.sample_limit(streams)}"
    )
    return 0


def _own(args: argparse.Namespace) -> int:
    """Print what a contract can make of one process, as its budgets have it."""
    contract = contract_of(args.catalog)
    streams = apply_overlays(map(Stream.of, contract), args.views)
    series = {each.metric.name: sizes.most(each) for each in streams}
    alone = sizes.ceiling(streams)
    both = (*streams, *default_streams())
    document = {
        "series": series,
        "process_samples": alone,
        "sample_limit": sizes.sample_limit(streams),
        "sample_limit_with_butterfly": sizes.sample_limit(both),
    }
    if args.json:
        print(json.dumps(document, indent=2))
        return 0
    rows = sorted(series.items(), key=lambda pair: (-pair[1], pair[0]))
    width = max(len(name) for name, _ in rows)
    print(f"series that one process exports at most, of {contract.name}:")
    print("\n".join(f"{name.ljust(width)}  {count:>9,}" for name, count in rows))
    print(
        f"\nin all {alone:,} samples; sample_limit: {document['sample_limit']},"
        f" or {document['sample_limit_with_butterfly']} where Butterfly's metrics are there too"
    )
    return 0


def _document(
    shapes: Sequence[sizes.Shape], streams: Sequence[Stream], interval: float
) -> dict[str, Any]:
    """Return what the tables say, in bytes and whole numbers."""
    return {
        "clusters": [_needs(shape, streams, interval) for shape in shapes],
        "largest": {"nodes": shapes[-1].nodes, "series": dict(_ordered(shapes[-1], streams))},
        "node_samples": sizes.ceiling(streams),
        "sample_limit": sizes.sample_limit(streams),
    }


def _needs(shape: sizes.Shape, streams: Sequence[Stream], interval: float) -> dict[str, float]:
    series = sizes.cluster_series(shape, streams)
    rate = series / interval
    return {
        "nodes": shape.nodes,
        "coordinator_series": sum(sizes.node_series("coordinator", shape, streams).values()),
        "compute_series": sum(sizes.node_series("compute", shape, streams).values()),
        "series": series,
        "samples_per_second": rate,
        "memory_bytes": series * sizes.BYTES_A_SERIES,
        "disk_bytes_per_day": round(rate * _BYTES_A_SAMPLE * _DAY),
        "servers": -(-series // _SERIES_A_SERVER),
    }


def _row(shape: sizes.Shape, streams: Sequence[Stream], interval: float) -> tuple[str, ...]:
    needs = _needs(shape, streams, interval)
    numbers = ("nodes", "coordinator_series", "compute_series", "series", "samples_per_second")
    return (
        *(f"{round(needs[each]):,}" for each in numbers),
        _size(needs["memory_bytes"]),
        _size(needs["disk_bytes_per_day"]),
        f"{needs['servers']}",
    )


def _largest(shape: sizes.Shape, streams: Sequence[Stream]) -> list[tuple[str, str]]:
    return [(name, f"{series:,}") for name, series in _ordered(shape, streams)]


def _ordered(shape: sizes.Shape, streams: Sequence[Stream]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for role in sizes.ROLES:
        for name, series in sizes.node_series(role, shape, streams).items():
            found[name] = found.get(name, 0) + series * shape.count(role)
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:_LARGEST]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return lines with columns that end under each other; names are at the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if cell.startswith("butterfly_") else cell.rjust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004 - what the units mean
            return f"{count:.2g} {unit}" if count < 10 else f"{count:.0f} {unit}"  # noqa: PLR2004
        count /= 1024
    return f"{count:.2g} TiB" if count < 10 else f"{count:.0f} TiB"  # noqa: PLR2004
