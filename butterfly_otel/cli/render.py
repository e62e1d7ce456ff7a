"""``butterfly-otel render``: bring what comes from the catalogue up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from butterfly_otel.render import Artefact


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "render",
        help="write the files that are rendered from the catalogue",
        description="Write the files of the source tree that are rendered from the catalogue and"
        " from the code, and name those that changed.",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a file is out of date"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(__file__).parents[2],
        help="root of the source tree (default: the one this package was installed from)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write or check; exit code 1 where a check finds stale files.

    What needs an extra that is not installed is left out, with a word on how to install it, and
    is no failure: Python 3.10 can't have it.
    """
    root: Path = args.root
    # Among installed packages there is a catalogue too, and nothing that may be written beside it.
    if not all((root / each).exists() for each in ("pyproject.toml", "butterfly_otel/catalog")):
        msg = f"{root} is no source tree of butterfly-otel; pass its root by --root"
        raise ConfigurationError(msg)
    # No other command needs it.
    from butterfly_otel.render import Marked, stale, unchecked, write  # noqa: PLC0415
    from butterfly_otel.render.dashboards import INSTALL  # noqa: PLC0415

    artefacts = every_artefact(args.whole)
    left_out = unchecked()
    if left_out:
        done = "checked" if args.check else "rendered"
        message = f"not {done}: {len(left_out)} files such as {left_out[0].path}; {INSTALL}"
        print(message, file=sys.stderr)
    if not args.check:
        changed = write(root, artefacts)
        print("\n".join(f"rendered {each.path}" for each in changed) or "all up to date")
        return 0
    outdated = stale(root, artefacts)
    for each in outdated:
        print(f"{each.path} is out of date: run `butterfly-otel render`", file=sys.stderr)
    if not outdated:
        places = sum(isinstance(each, Marked) for each in artefacts)
        whole = len(artefacts) - len(left_out) - places
        print(f"{whole} files are up to date, and the marked places of {places} modules")
    return 1 if outdated else 0


def every_artefact(whole: argparse.ArgumentParser) -> tuple[Artefact, ...]:
    """Return what is rendered: from the catalogue, and from the settings and commands.

    Args:
        whole: The parser of the whole command, of which this one is a part.
    """
    from butterfly_otel.cli import reference  # noqa: PLC0415 - it imports the SDK
    from butterfly_otel.render import ARTEFACTS  # noqa: PLC0415

    return (*ARTEFACTS, *reference.artefacts(whole))
