"""``butterfly-otel init``: the files to deploy with, for whoever has only the wheel."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from butterfly_otel.cli.output import add_output, write_files
from butterfly_otel.cli.rule_options import add_adjusted, add_common, rule_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.operate.rules import Options

_KINDS = ("compose", "helm", "kubernetes", "prometheus")
_DESCRIPTION = """\
Write the files that a cluster is deployed and monitored with, each kind into a folder of its name:
  compose     a monitored demo cluster on one machine, by Docker Compose
  helm        a Helm chart, with values to begin with: also dashboards, TLS, Collectors, policies
  kubernetes  manifests for kustomize and the Prometheus Operator
  prometheus  Prometheus, Alertmanager, Collectors and dashboards, as plain files
Rules, dashboards and intervals are as the options say. They are yours to change, and to keep under
version control: what you changed is only overwritten by --force."""

_EPILOG = """\
examples:
  butterfly-otel init kubernetes
  butterfly-otel init helm --output deploy --threshold gpu_celsius=90
  butterfly-otel init prometheus compose --scrape-interval 30s
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "init",
        help="write the files to deploy with",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "kinds", nargs="+", choices=_KINDS, metavar="KIND", help=f"{', '.join(_KINDS)}"
    )
    add_output(parser)
    add_common(parser)
    add_adjusted(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files, name them, and say what to do next."""
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.render.deployment import DEPLOYMENTS, can_render  # noqa: PLC0415

    options = rule_options(args)
    kinds = list(dict.fromkeys(args.kinds))
    # All at once: either every kind is written, or nothing is.
    write_files(args.output, _texts(kinds, options), force=args.force)
    for kind in kinds:
        print(f"\nnext, for {kind}:")
        for step in DEPLOYMENTS[kind].steps:
            print(f"  {step.format(folder=args.output / kind)}")
    if not can_render(options):
        from butterfly_otel.render.dashboards import INSTALL  # noqa: PLC0415

        print(
            "dashboards are the shipped ones, whatever the options say; for others install"
            f" Grafana's SDK, an extra, and do this again with --force: {INSTALL}",
            file=sys.stderr,
        )
    return 0


def _texts(kinds: list[str], options: Options) -> Mapping[str, str]:
    from butterfly_otel.render.deployment import DEPLOYMENTS  # noqa: PLC0415

    return {
        f"{kind}/{name}": text
        for kind in kinds
        for name, text in sorted(DEPLOYMENTS[kind].files(options).items())
    }
