"""Contracts of one's own, by the name of what has them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import Catalog
from butterfly_otel.errors import CatalogError

if TYPE_CHECKING:
    from pathlib import Path


def load(source: str | Path) -> Catalog:
    """Return the contract that ``module:ATTRIBUTE`` names.

    Raises:
        CatalogError: When there is none.
    """
    module, _, attribute = str(source).partition(":")
    try:
        found: object = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise CatalogError(f"{source} can't be imported: {error}") from error
    if not isinstance(found, Catalog):
        raise CatalogError(f"{source} is not a Catalog but {found!r}")
    return found
