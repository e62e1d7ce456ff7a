"""``butterfly-otel rules``: recording rules and alerts for Prometheus, as one needs them."""

from __future__ import annotations

import argparse

from butterfly_otel.cli.output import add_output, write_files
from butterfly_otel.cli.rule_options import add_adjusted, add_common, rule_options

_DESCRIPTION = """\
Write prometheus_rules.yml and prometheus_alerts.yml: the specification's recording rules and
alerts, objectives with their error budgets, and alerts on the monitoring itself. Without options
they are those of docs/."""

_EPILOG = """\
examples:
  butterfly-otel rules --output /etc/prometheus
  butterfly-otel rules --scrape-interval 30s --threshold gpu_celsius=90
  butterfly-otel rules --kubernetes --extra-label cluster=a --output - | kubectl apply -f -
  butterfly-otel rules --selector 'cluster="a"' --extra-label cluster=a --output rules-of-a
  butterfly-otel rules --by cluster --by environment --output deploy/thanos

thresholds, with their defaults:
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "rules",
        help="write recording rules and alerts for Prometheus",
        description=_DESCRIPTION,
        epilog=_EPILOG + _thresholds(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_output(parser, one="with --kubernetes")
    add_common(parser)
    add_adjusted(parser)
    add(
        "--by",
        action="append",
        metavar="LABEL",
        help="a label that tells clusters apart, such as cluster, which every rule keeps: for a"
        " storage where series of several meet; may be given several times",
    )
    add(
        "--require",
        action="append",
        metavar="METRIC",
        help="a metric whose absence is an alert, in place of the usual ones; may be given"
        " several times",
    )
    add(
        "--speed",
        type=float,
        metavar="X",
        help="for a demo that runs X times as fast: make every `for` and window as much shorter",
    )
    add(
        "--dotted-labels",
        action="store_true",
        help="for Prometheus 3 with `translation_strategy: NoTranslation`; Prometheus 2 can't"
        " load such rules",
    )
    add(
        "--kubernetes",
        action="store_true",
        help="write one file instead, a PrometheusRule for the Prometheus Operator",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files and name them."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.render.rules import (  # noqa: PLC0415
        ALERTS_FILE,
        OPERATOR_FILE,
        RULES_FILE,
        render_alerts,
        render_operator,
        render_rules,
    )

    options = rule_options(
        args,
        required=tuple(args.require) if args.require else None,
        by=tuple(args.by) if args.by else None,
        speed=args.speed,
        dotted_labels=args.dotted_labels,
    )
    if args.kubernetes:
        texts = {OPERATOR_FILE: render_operator(options)}
    else:
        texts = {RULES_FILE: render_rules(options), ALERTS_FILE: render_alerts(options)}
    write_files(args.output, texts, force=args.force)
    return 0


def _thresholds() -> str:
    from dataclasses import fields  # noqa: PLC0415

    from butterfly_otel.operate.rules.options import Thresholds  # noqa: PLC0415

    return "\n".join(f"  {each.name}={each.default:g}" for each in fields(Thresholds))
