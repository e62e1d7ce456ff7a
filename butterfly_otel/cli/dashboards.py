"""``butterfly-otel dashboards``: Grafana dashboards, as one needs them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from butterfly_otel.cli.output import write_files
from butterfly_otel.cli.rule_options import add_common, given, parse_duration, rule_options

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards import Options

_DESCRIPTION = """\
Write Grafana dashboards, for Grafana 12 and newer: an overview and one a category. Without options
they are those of docs/dashboards/. Give what `butterfly-otel rules` was given, so that lines are
where alerts begin. Needs an extra: pip install 'butterfly-otel[dashboards]'"""

_EPILOG = """\
examples:
  butterfly-otel dashboards --output /var/lib/grafana/dashboards/butterfly
  butterfly-otel dashboards --datasource prometheus-eu --runbooks https://wiki.example/runbooks
  butterfly-otel dashboards --selector 'cluster="a"' --extra-label cluster=a --name butterfly-a
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "dashboards",
        help="write Grafana dashboards",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_common(parser)
    add("--datasource", metavar="UID", help="the data source to begin with (default: Grafana's)")
    add(
        "--name",
        help="begins every uid and title, and links the dashboards (default: butterfly)",
    )
    add("--refresh", metavar="DURATION", help="how often, or off (default: 30s)")
    add(
        "--extra-label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a label that the rules were given; may be given several times",
    )
    add(
        "--threshold",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a threshold that the rules were given; may be given several times",
    )
    add(
        "--scrape-interval",
        type=parse_duration,
        metavar="DURATION",
        help="of Prometheus (default: 15s): where a scrape counts as slow follows from it",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files and name them."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.render.dashboards import renderers  # noqa: PLC0415

    texts = {name: render() for name, render in renderers(_options(args)).items()}
    write_files(args.output, texts)
    return 0


def _options(args: argparse.Namespace) -> Options:
    from butterfly_otel.operate.dashboards import Options  # noqa: PLC0415

    refresh = "" if args.refresh == "off" else args.refresh
    return Options(
        rules=rule_options(args),
        **given(name=args.name, datasource=args.datasource, refresh=refresh),
    )
