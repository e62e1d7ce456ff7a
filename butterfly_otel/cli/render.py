"""``butterfly-otel render``: bring what comes from a catalogue up to date.

That of the source tree, or with ``--catalog`` the files of a contract of one's own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.cli.contracts import add_catalog_option, contract_of, source_name, tell
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from butterfly_otel.render import Artefact


_EPILOG = """\
examples:
  butterfly-otel render --catalog my_contract.yaml                 only look for mistakes in it
  butterfly-otel render --catalog my_contract.yaml --handles my_metrics.py
  butterfly-otel render --catalog my_contract.yaml --handles my_metrics.py --views my_views.yaml \\
    --reference my_metrics.md --dashboards dashboards --check
"""
_OWN = {
    "handles": ("FILE", "module of typed handles, which holds the contract as well"),
    "views": ("FILE", "Views as OpenTelemetry's declarative configuration"),
    "reference": ("FILE", "page for people, in Markdown"),
    "dashboards": ("DIR", "folder of Grafana dashboards, one a category"),
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "render",
        help="write the files that are rendered from the catalogue, or from a contract of yours",
        description="Write the files that are rendered from a contract of yours, once no lint rule"
        " has anything against it; or, without --catalog, those of the source tree. Those that"
        " changed are named.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    add_catalog_option(parser, "render this contract")
    for name, (metavar, text) in _OWN.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=f"{text}; with --catalog")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write or check; exit code 1 where a check finds stale files.

    What needs an extra that is not installed is left out, with a word on how to install it, and
    is no failure: Python 3.10 can't have it.
    """
    given = {name: getattr(args, name) for name in _OWN if getattr(args, name) is not None}
    if args.catalog is not None:
        return _run_own(args, given)
    if given:
        msg = f"--{next(iter(given))} is for a contract of yours; pass that by --catalog"
        raise ConfigurationError(msg)
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


def _run_own(args: argparse.Namespace, given: dict[str, str]) -> int:
    """Lint a contract; then write what is asked for, or check it."""
    from butterfly_otel.lint.contract.own import lint_contract  # noqa: PLC0415 - as above
    from butterfly_otel.render import stale, write  # noqa: PLC0415
    from butterfly_otel.render.own import own_artefacts  # noqa: PLC0415

    contract = contract_of(args.catalog)
    if tell(lint_contract(contract)):
        return 1
    artefacts = own_artefacts(contract, source_name(args.catalog), **given)
    impossible = [each for each in artefacts if not each.possible]
    if impossible:
        impossible[0].render()  # raises, with how to install what is missing
    here = Path()
    if args.check:
        outdated = stale(here, artefacts)
        for each in outdated:
            print(f"{each.path} is out of date: render it anew", file=sys.stderr)
        if not outdated:
            print(f"{len(contract)} metrics without a mistake, {len(artefacts)} files up to date")
        return 1 if outdated else 0
    try:
        changed = write(here, artefacts)
    except OSError as error:
        msg = f"{error.filename} can't be written: {error.strerror}; name another file"
        raise ConfigurationError(msg) from error
    done = "\n".join(f"rendered {each.path}" for each in changed) or "all up to date"
    print(done if artefacts else f"{len(contract)} metrics without a mistake")
    return 0


def every_artefact(whole: argparse.ArgumentParser) -> tuple[Artefact, ...]:
    """Return what is rendered: from the catalogue, and from the settings and commands.

    Args:
        whole: The parser of the whole command, of which this one is a part.
    """
    from butterfly_otel.cli import reference  # noqa: PLC0415 - it imports the SDK
    from butterfly_otel.render import ARTEFACTS  # noqa: PLC0415

    return (*ARTEFACTS, *reference.artefacts(whole))
