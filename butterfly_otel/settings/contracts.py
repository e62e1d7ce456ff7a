"""The setting that brings contracts of one's own along."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from butterfly_otel.catalog.model import Catalog
from butterfly_otel.errors import CatalogError, ConfigurationError
from butterfly_otel.settings.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from butterfly_otel.settings.kinds import Given


def _catalogs(given: Given) -> tuple[Catalog, ...]:
    try:
        found = tuple(_loaded(given, each) for each in _listed(given))
        if found:
            from butterfly_otel.catalog.joining import in_force  # noqa: PLC0415 - only for those

            in_force(found)
    except CatalogError as error:
        raise ConfigurationError(f"{given.place}: {error}") from error
    return found


def _listed(given: Given) -> list[object]:
    value = given.value
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (Catalog, os.PathLike)):
        return [cast("object", value)]
    if isinstance(value, (list, tuple)):
        return list(cast("Iterable[object]", value))
    raise given.wrong("pass a list of Catalogs, or of files or module:ATTRIBUTE that have them")


def _loaded(given: Given, source: object) -> Catalog:
    if isinstance(source, Catalog):
        return source
    if not isinstance(source, (str, os.PathLike)):
        # A module that was rendered is easily taken for what is in it.
        hint = "; pass its CATALOG" if hasattr(source, "CATALOG") else ""
        raise ConfigurationError(
            f"{given.place} has {source!r}, which is neither a Catalog nor the name of a file or"
            f" of module:ATTRIBUTE{hint}"
        )
    from butterfly_otel.catalogs import load  # noqa: PLC0415 - only for those

    return load(cast("str | Path", source))


CATALOGS: Final = Kind(
    _catalogs,
    "Sequence[Catalog | str | PathLike[str]]",
    "comma-separated",
)
