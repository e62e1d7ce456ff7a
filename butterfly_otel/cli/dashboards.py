"""``butterfly-otel dashboards``: Grafana dashboards, as one needs them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from butterfly_otel.cli.rules import parse_duration
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from butterfly_otel.dashboards import Options

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
    add("--output", type=Path, default=Path(), metavar="DIR", help="where to (default: here)")
    add("--datasource", metavar="UID", help="the data source to begin with (default: Grafana's)")
    add(
        "--name",
        help="begins every uid and title, and links the dashboards (default: butterfly)",
    )
    add("--refresh", metavar="DURATION", help="how often, or off (default: 30s)")
    add(
        "--selector",
        action="append",
        default=[],
        metavar="MATCHER",
        help="a matcher that every selector gets, such as 'cluster=\"a\"'; may be given several"
        " times",
    )
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
    add("--jobs", metavar="REGEX", help="the job label of all that is Butterfly's")
    add("--runbooks", metavar="URL", help="where the runbooks are (default: docs/runbooks)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files and name them."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.render.dashboards import renderers  # noqa: PLC0415

    folder: Path = args.output
    texts = {name: render() for name, render in renderers(_options(args)).items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {folder / name}")
    except OSError as error:
        msg = f"can't write to {folder}: {error.strerror or error}; choose another --output"
        raise ConfigurationError(msg) from error
    return 0


def _options(args: argparse.Namespace) -> Options:
    from butterfly_otel.dashboards import Options  # noqa: PLC0415
    from butterfly_otel.rules import Options as RuleOptions  # noqa: PLC0415
    from butterfly_otel.rules import Thresholds, parse_labels  # noqa: PLC0415

    rules = RuleOptions(
        thresholds=Thresholds().changed(args.threshold),
        extra_labels=parse_labels(args.extra_label),
        selector=tuple(args.selector),
        **_given(
            jobs=args.jobs,
            runbooks=args.runbooks.rstrip("/") if args.runbooks else None,
            scrape_interval=args.scrape_interval,
        ),
    )
    refresh = "" if args.refresh == "off" else args.refresh
    return Options(
        rules=rules, **_given(name=args.name, datasource=args.datasource, refresh=refresh)
    )


def _given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the options take
    return {name: value for name, value in values.items() if value is not None}
