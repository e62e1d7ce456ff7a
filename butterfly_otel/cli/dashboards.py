"""``butterfly-otel dashboards``: Grafana dashboards, as one needs them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from butterfly_otel.cli.output import add_output, write_files
from butterfly_otel.cli.rule_options import add_adjusted, add_common, given, rule_options
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
    add_output(parser, one="with one --only")
    add(
        "--only",
        action="append",
        metavar="NAME",
        help="write only this one, such as overview; may be given several times",
    )
    add_common(parser)
    add("--datasource", metavar="UID", help="the data source to begin with (default: Grafana's)")
    add(
        "--name",
        help="begins every uid and title, and links the dashboards (default: butterfly)",
    )
    add("--refresh", metavar="DURATION", help="how often, or off (default: 30s)")
    add_adjusted(
        parser,
        label="a label that the rules were given",
        threshold="a threshold that the rules were given",
        interval="of Prometheus (default: 15s): where a scrape counts as slow follows from it",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files and name them."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.render.dashboards import renderers  # noqa: PLC0415

    chosen = _chosen(renderers(_options(args)), args.only)
    texts = {name: render() for name, render in chosen.items()}
    write_files(args.output, texts, force=args.force)
    return 0


def _chosen(
    renderers: Mapping[str, Callable[[], str]], only: Sequence[str] | None
) -> Mapping[str, Callable[[], str]]:
    if not only:
        return renderers
    names = [f"{each.removesuffix('.json')}.json" for each in only]
    for name in names:
        if name not in renderers:
            slugs = ", ".join(each.removesuffix(".json") for each in renderers)
            msg = f"--only {name.removesuffix('.json')!r} is not a dashboard; there are {slugs}"
            raise ConfigurationError(msg)
    return {name: renderers[name] for name in names}


def _options(args: argparse.Namespace) -> Options:
    from butterfly_otel.operate.dashboards import Options  # noqa: PLC0415

    refresh = "" if args.refresh == "off" else args.refresh
    return Options(
        rules=rule_options(args),
        **given(name=args.name, datasource=args.datasource, refresh=refresh),
    )
