"""``butterfly-otel demo``: a simulated cluster that drives every metric of the contract."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from butterfly_otel.demo.size import Size
    from butterfly_otel.settings.config import ExporterName

_DESCRIPTION = """\
Simulate a Butterfly cluster that drives every metric of the contract, show it to browsers on
http://localhost:9464/, serve its metrics on /metrics, and show in the terminal how it fares. Load
comes in waves and bursts, checkpoints are made, and faults happen and pass: failing nodes,
partitions, elections, liars, hot GPUs, long queues, scarce memory. The same seed gives the same
simulation."""

_EPILOG = """\
examples:
  butterfly-otel demo                                   a small cluster, in real time
  butterfly-otel demo --speed 10 --seed 7               ten times as fast, another story
  butterfly-otel demo --coordinators 5 --compute 24 --layers 48
  butterfly-otel demo --with-prometheus                 and a Prometheus on port 9090
  butterfly-otel demo --exporter otlp --otlp-endpoint http://collector:4318/v1/metrics
  butterfly-otel demo --fault gpu_overheating@30+600    just this one, from second 30 on
  butterfly-otel demo --plain --duration 60 --no-faults

faults for --fault: node_failure, network_partition, quorum_loss, leader_failure,
  leader_instability, byzantine_fault, gpu_overheating, queue_buildup, memory_pressure
"""
_EXPORTERS: dict[str, list[ExporterName]] = {
    "prometheus": ["prometheus"],
    "otlp": ["otlp"],
    "both": ["prometheus", "otlp"],
    "console": ["console"],
}
_LAST_PORT = 65_535
_PARTS = ("coordinators", "compute", "observers", "layers", "models")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="run a simulated cluster that drives every metric",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_cluster(parser)
    _add_time(parser)
    _add_export(parser)
    _add_prometheus(parser)
    parser.set_defaults(run=run)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--nodes", type=int, metavar="N", help="nodes of all roles, most of them compute nodes"
    )
    group.add_argument("--coordinators", type=int, metavar="N", help="default: 3")
    group.add_argument("--compute", type=int, metavar="N", help="compute nodes (default: 8)")
    group.add_argument("--observers", type=int, metavar="N", help="default: 1")
    group.add_argument("--layers", type=int, metavar="N", help="of each model (default: 16)")
    group.add_argument("--models", type=int, metavar="N", help="default: 3")
    faults = group.add_mutually_exclusive_group()
    faults.add_argument("--no-faults", action="store_true", help="let nothing go wrong")
    faults.add_argument(
        "--fault",
        action="append",
        metavar="KIND@START+SECONDS",
        help="let just this go wrong, at this simulated time; may be given several times",
    )


def _add_time(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("time")
    group.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="simulated seconds a second (default: 1)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    group.add_argument(
        "--duration", type=float, metavar="SECONDS", help="stop by itself after so many seconds"
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("metrics")
    group.add_argument(
        "--exporter",
        choices=tuple(_EXPORTERS),
        help="where they go (default: prometheus, or OTEL_METRICS_EXPORTER)",
    )
    group.add_argument("--host", help="to serve on (default: localhost)")
    group.add_argument("--port", type=int, help="to serve on; 0 takes a free one (default: 9464)")
    group.add_argument("--otlp-endpoint", metavar="URL", help="complete URL to push to")
    group.add_argument(
        "--export-interval",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="between two pushes, whatever the environment says (default: 10)",
    )
    group.add_argument("--open", action="store_true", help="show the page in a browser")
    group.add_argument(
        "--plain", action="store_true", help="lines of text instead of the live view"
    )


def _add_prometheus(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Prometheus")
    group.add_argument(
        "--with-prometheus",
        action="store_true",
        help="start a Prometheus, which must be installed, with the shipped rules",
    )
    group.add_argument("--prometheus-binary", metavar="PATH", help="default: the one on PATH")
    group.add_argument(
        "--prometheus-port", type=int, default=9090, metavar="PORT", help="default: 9090"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo until it is stopped."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.demo.faults import parse_fault  # noqa: PLC0415
    from butterfly_otel.demo.run import Options, run_demo  # noqa: PLC0415

    for name in ("speed", "duration", "export_interval"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            msg = f"--{name.replace('_', '-')} is {value:g}; pass a number above 0"
            raise ConfigurationError(msg)
    for name in ("port", "prometheus_port"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= _LAST_PORT:
            msg = f"--{name.replace('_', '-')} is {value}; pass a number from 0 to {_LAST_PORT}"
            raise ConfigurationError(msg)
    planned = [parse_fault(text) for text in args.fault or ()]
    options = Options(
        size=_size(args),
        seed=args.seed,
        speed=args.speed,
        duration=args.duration,
        exporters=_EXPORTERS[args.exporter] if args.exporter else None,
        host=args.host,
        port=args.port,
        otlp_endpoint=args.otlp_endpoint,
        export_interval=args.export_interval,
        faults=planned if planned or args.no_faults else None,
        plain=args.plain,
        with_prometheus=args.with_prometheus or args.prometheus_binary is not None,
        prometheus_binary=args.prometheus_binary,
        prometheus_port=args.prometheus_port,
        open_page=args.open,
    )
    # What the console exporter writes must stay readable by a machine.
    run_demo(options, sys.stderr if args.exporter == "console" else sys.stdout)
    return 0


def _size(args: argparse.Namespace) -> Size:
    from butterfly_otel.demo.size import Size  # noqa: PLC0415

    parts: dict[str, int] = {
        name: getattr(args, name) for name in _PARTS if getattr(args, name) is not None
    }
    return Size.of(args.nodes, **parts)
