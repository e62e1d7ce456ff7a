"""``butterfly-otel views``: the Views in effect, as OpenTelemetry's declarative configuration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from butterfly_otel import catalog
from butterfly_otel.cli.contracts import add_catalog_option, contract_of
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.views.overlays import read_overlays
from butterfly_otel.views.streams import Stream, default_streams

_DESCRIPTION = """\
Write the Views that are in effect, overlays applied, in OpenTelemetry's declarative
configuration schema: for a review, for SDKs in other languages, for OTEL_CONFIG_FILE.
"""
_EPILOG = """\
examples:
  butterfly-otel views                                   the contract's own
  butterfly-otel views --overlay low-cardinality
  butterfly-otel views --overlay low-cardinality --overlay my-views.yaml --output views.yaml
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "views",
        help="write the Views in effect as declarative configuration",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--overlay",
        action="append",
        default=[],
        metavar="FILE|NAME",
        help="overlay to apply, a file or the name of one that ships with the package, such as"
        " low-cardinality; repeatable, applied in this order (default: none)",
    )
    add_catalog_option(parser, "the Views of this contract in the place of Butterfly's")
    parser.add_argument("--output", metavar="FILE", help="default: standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the Views.

    Raises:
        ViewError: When an overlay is wrong.
        ConfigurationError: When the file can't be written, or the extra ``views`` is missing.
    """
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.render.views_yaml import render_effective_views  # noqa: PLC0415

    contract = catalog.BUTTERFLY if args.catalog is None else contract_of(args.catalog)
    every = (
        default_streams()
        if args.catalog is None
        else (Stream.of(each, contract.meter) for each in contract)
    )
    overlaid = read_overlays(every, args.overlay)
    text = render_effective_views(overlaid, args.overlay, contract)
    if args.output is None:
        sys.stdout.write(text)
        return 0
    try:
        Path(args.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{args.output} can't be written: {error.strerror or error}; pass another --output"
        ) from error
    return 0
