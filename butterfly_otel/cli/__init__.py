"""The ``butterfly-otel`` command: the only place that prints or exits.

A command is a module with ``add_parser()`` and ``run()``, which returns the exit code, and an
entry in :func:`build_parser`; what it shows is computed in the rooms below. May import: all of
them.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from butterfly_otel.cli import (
    catalog,
    check,
    dashboards,
    demo,
    init,
    loadtest,
    render,
    rules,
    runbook,
    sizes,
    top,
    views,
)
from butterfly_otel.cli.output import write_what_can_be_written
from butterfly_otel.errors import ButterflyOtelError
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The exit code of what could not be done.
_FAILED = 2

_DESCRIPTION = """\
The Butterfly metrics contract on the command line.

exit codes: 0 all is well, 1 something was found, 2 it could not be done."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="butterfly-otel",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    # For the command that renders the page on all of them.
    parser.set_defaults(whole=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        catalog,
        check,
        dashboards,
        demo,
        init,
        loadtest,
        render,
        rules,
        runbook,
        sizes,
        top,
        views,
    ):
        command.add_parser(commands)
    for each in commands.choices.values():
        each.set_defaults(chosen=each)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a user's mistake is one sentence."""
    args, unknown = build_parser().parse_known_args(argv)
    if unknown:
        # By the command's own parser, for its usage.
        args.chosen.error(f"unrecognized arguments: {' '.join(unknown)}")
    for stream in (sys.stdout, sys.stderr):
        write_what_can_be_written(stream)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except ButterflyOtelError as error:
        print(f"butterfly-otel: {error}", file=sys.stderr)
        return _FAILED
    except BrokenPipeError:
        # The reader of a pipe has gone, as `| head` does: nothing is wrong. What is still
        # buffered must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    else:
        return code
