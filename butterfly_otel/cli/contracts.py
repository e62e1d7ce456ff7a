"""``--catalog``: a contract of one's own, for the commands that take one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from butterfly_otel.catalog.model import Catalog
    from butterfly_otel.lint.findings import Finding

_SOURCE = (
    "a file or folder of YAML in the format of OpenTelemetry's semantic conventions, or"
    " module:ATTRIBUTE"
)


def add_catalog_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the option.

    Args:
        parser: The command's.
        text: What the command does with the contract.
    """
    parser.add_argument("--catalog", metavar="SOURCE", help=f"{text}: {_SOURCE}")


def contract_of(source: str) -> Catalog:
    """Return the contract that a source has.

    Raises:
        CatalogError: When there is none, or it is not one.
        ConfigurationError: When the extra ``views`` is missing.
    """
    from butterfly_otel.catalogs import load  # noqa: PLC0415 - only where it is asked for

    if ":" in source and not Path(source).exists():
        # As `python -m` has it: modules are looked for here too.
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a string
    return load(source)


def source_name(source: str) -> str:
    """Return what rendered files call a source: the same wherever it is rendered from."""
    return Path(source).name if Path(source).exists() else source


def tell(findings: Iterable[Finding]) -> bool:
    """Print what lint rules have found; tell whether there is an error."""
    failed = False
    for each in findings:
        subject = f"{each.subject}: " if each.subject else ""
        print(f"{each.severity} {each.rule}: {subject}{each.message}", file=sys.stderr)
        failed = failed or each.severity == "error"
    return failed
