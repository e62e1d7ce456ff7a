"""``butterfly-otel loadtest``: whether budgets and predictions hold when a cluster goes beyond."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, get_args

from butterfly_otel import catalog
from butterfly_otel.cli.contracts import add_catalog_option, contract_of
from butterfly_otel.cli.rule_options import parse_duration
from butterfly_otel.cli.sizes import add_shape, shape_parts
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.operate import sizes
from butterfly_otel.views.overlays import apply_overlays
from butterfly_otel.views.streams import Stream

if TYPE_CHECKING:
    from butterfly_otel.loadtest.run import Options

_DESCRIPTION = """\
Drive the real engine, label enforcement and Prometheus exporter as a cluster of nodes would, and
then beyond what the budgets allow, and report what became of it: of each metric what was offered,
kept, overflowed and refused, beside the catalogue's budget; memory, what a call costs, how long
and how large pages are, and the series and memory of a Prometheus that scrapes all of it, beside
what `butterfly-otel sizes` predicts. Where there is a `prometheus` on PATH, it is started for it.

scenarios:
  cluster  a healthy cluster, as `sizes` has it
  ids      one label after the other gets values without end
  limits   every combination of values that the budgets allow
  churn    nodes, tasks and checkpoints that come, are measured, and end"""

_EPILOG = """\
exit codes: 1 when a budget is broken, a measurement is lost, or a prediction is off by more than
--factor; 2 when it could not be done.

examples:
  butterfly-otel loadtest                               ten nodes, then beyond all budgets
  butterfly-otel loadtest --nodes 1000 --drive 50       50 nodes of a cluster of 1000
  butterfly-otel loadtest --nodes 1000 --layers 200 --models 20 --drive 8 --scenario cluster
  butterfly-otel loadtest --scenario ids limits --sets 10000000 --processes 2
  butterfly-otel loadtest --metric butterfly_tokens_processed_total --json
  butterfly-otel loadtest --catalog my_contract.yaml --sets 100000"""
_CLUSTER = "cluster"
_SCENARIOS = (_CLUSTER, "ids", "limits", "churn")
_LAST_PORT = 65_535


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "loadtest",
        help="drive a cluster, and metrics beyond their budgets, and say what became of it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cluster = parser.add_argument_group("cluster")
    cluster.add_argument(
        "--nodes", type=int, default=10, metavar="N", help="nodes of all roles (default: 10)"
    )
    cluster.add_argument(
        "--drive", type=int, metavar="N", help="nodes of it that are driven (default: all)"
    )
    add_shape(cluster)
    add_catalog_option(parser, "only the metrics of this contract, beyond their budgets")
    _add_load(parser)
    _add_prometheus(parser)
    _add_report(parser)
    parser.set_defaults(run=run)


def _add_load(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("load")
    group.add_argument(
        "--scenario",
        nargs="+",
        choices=_SCENARIOS,
        help="default: all of them; a contract of your own has no cluster",
    )
    group.add_argument(
        "--sets",
        type=int,
        default=10_000,
        metavar="N",
        help="label sets for each metric in each scenario beyond the cluster (default: 10000)",
    )
    group.add_argument(
        "--metric", nargs="+", metavar="NAME", help="only these metrics (default: all)"
    )
    group.add_argument(
        "--processes", type=int, default=1, metavar="N", help="share the work (default: 1)"
    )
    group.add_argument(
        "--views",
        nargs="+",
        default=[],
        metavar="OVERLAY",
        help="overlays, as configure() takes them; the later narrow the earlier",
    )


def _add_prometheus(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Prometheus")
    chosen = group.add_mutually_exclusive_group()
    chosen.add_argument(
        "--prometheus", metavar="BINARY", help="its executable (default: one on PATH, if any)"
    )
    chosen.add_argument("--no-prometheus", action="store_true", help="start none")
    group.add_argument(
        "--prometheus-port", type=int, default=0, metavar="PORT", help="default: a free one"
    )
    group.add_argument(
        "--scrape-interval",
        type=parse_duration,
        default=5.0,
        metavar="DURATION",
        help="default: 5s",
    )
    group.add_argument(
        "--scrapes", type=int, default=3, metavar="N", help="scrapes of each node (default: 3)"
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument(
        "--factor",
        type=float,
        default=4.0,
        metavar="X",
        help="by how much a prediction may be off (default: 4)",
    )
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    group.add_argument("--quiet", action="store_true", help="say nothing of the progress")


def run(args: argparse.Namespace) -> int:
    """Run the load test; exit code 1 where something is wrong."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.loadtest import reporting  # noqa: PLC0415
    from butterfly_otel.loadtest.run import run_loadtest  # noqa: PLC0415

    _require_sense(args)
    options = _options(args)

    def tell(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    report = run_loadtest(options, (lambda _what: None) if args.quiet else tell)
    write = reporting.as_text
    if args.json or args.markdown:
        write = reporting.as_json if args.json else reporting.as_markdown
    print(write(report))
    return 1 if report.broken else 0


def _require_sense(args: argparse.Namespace) -> None:
    least = {"drive": 1, "sets": 1, "processes": 1, "scrapes": 1, "prometheus_port": 0}
    for name, lowest in least.items():
        value = getattr(args, name)
        if value is not None and value < lowest:
            msg = f"--{name.replace('_', '-')} is {value}; give {lowest} or more"
            raise ConfigurationError(msg)
    if args.prometheus_port > _LAST_PORT:
        msg = f"--prometheus-port is {args.prometheus_port}; give {_LAST_PORT} or less"
        raise ConfigurationError(msg)
    if args.catalog is not None and _CLUSTER in (args.scenario or ()):
        msg = "--scenario cluster is of Butterfly's metrics alone; leave it out with --catalog"
        raise ConfigurationError(msg)
    if not args.factor >= 1:
        msg = f"--factor is {args.factor:g}; give 1 or more"
        raise ConfigurationError(msg)
    if not args.scrape_interval:
        msg = "--scrape-interval is 0; give how often nodes are scraped, such as 5s"
        raise ConfigurationError(msg)


def _options(args: argparse.Namespace) -> Options:
    from butterfly_otel.demo.prometheus import find_binary  # noqa: PLC0415 - as above
    from butterfly_otel.loadtest.run import Options  # noqa: PLC0415
    from butterfly_otel.loadtest.scenarios import Flood  # noqa: PLC0415

    possible = _SCENARIOS if args.catalog is None else _SCENARIOS[1:]
    scenarios = args.scenario or possible
    binary = None
    if args.prometheus is not None:
        binary = find_binary(args.prometheus)
    elif not args.no_prometheus:
        binary = shutil.which("prometheus")
    return Options(
        streams=_streams(args),
        shape=sizes.Shape.of(args.nodes, **shape_parts(args)),
        command=shlex.join(["butterfly-otel", *sys.argv[1:]]),
        cluster="cluster" in scenarios,
        driven=args.drive,
        floods=[each for each in get_args(Flood) if each in scenarios],
        sets=args.sets,
        processes=args.processes,
        prometheus=binary,
        port=args.prometheus_port,
        interval=args.scrape_interval,
        rounds=args.scrapes,
        factor=args.factor,
    )


def _streams(args: argparse.Namespace) -> tuple[Stream, ...]:
    if args.catalog is None:
        source = [Stream.of(each) for each in catalog.ALL if each.name not in sizes.faults()]
    else:
        contract = contract_of(args.catalog)
        source = [Stream.of(each, contract.meter) for each in contract]
    names = {each.metric.name for each in source}
    for name in args.metric or ():
        if name not in names:
            msg = f"--metric {name} is not a metric that is measured; see `butterfly-otel catalog`"
            raise ConfigurationError(msg)
    streams = apply_overlays(source, args.views)
    return tuple(
        each
        for each in streams
        if not each.dropped and (args.metric is None or each.metric.name in args.metric)
    )
