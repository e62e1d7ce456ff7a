"""What is rendered from a contract of one's own: handles, Views, reference, dashboards."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.errors import CatalogError, ConfigurationError
from butterfly_otel.render import Artefact
from butterfly_otel.render.dashboards import EXTRA, INSTALL, available
from butterfly_otel.render.own_handles import render_own_handles
from butterfly_otel.render.reference import render_own_reference
from butterfly_otel.render.views_yaml import render_own_views

if TYPE_CHECKING:
    from butterfly_otel.catalog.model import Catalog

_UID, _NAME = 40, 26


def own_artefacts(
    contract: Catalog,
    source: str,
    *,
    handles: str | None = None,
    views: str | None = None,
    reference: str | None = None,
    dashboards: str | None = None,
) -> tuple[Artefact, ...]:
    """Return what is rendered from a contract.

    Args:
        contract: The contract.
        source: Where it comes from, as the files say.
        handles: The module of handles to write, if any.
        views: The file of Views, if any.
        reference: The page for people, if any.
        dashboards: The folder of dashboards, if any.

    Raises:
        CatalogError: When two categories are called the same as files.
    """
    renderers = (
        (handles, render_own_handles),
        (views, render_own_views),
        (reference, render_own_reference),
    )
    found = [
        Artefact(path, partial(render, contract, source))
        for path, render in renderers
        if path is not None
    ]
    if dashboards is not None:
        found += _boards(contract, Path(dashboards))
    return tuple(found)


def _boards(contract: Catalog, folder: Path) -> list[Artefact]:
    from butterfly_otel.operate.dashboards.own import own_dashboards  # noqa: PLC0415 - start-up

    boards = own_dashboards(contract)
    slugs = [board.slug for board in boards]
    if len(set(slugs)) < len(slugs):
        twice = next(slug for slug in slugs if slugs.count(slug) > 1)
        raise CatalogError(
            f"two categories of {contract.name} have the dashboard {twice}.json; rename one of them"
        )
    return [
        Artefact(str(folder / f"{slug}.json"), partial(_board, contract, slug), EXTRA)
        for slug in slugs
    ]


def _board(contract: Catalog, slug: str) -> str:
    if not available():
        msg = f"dashboards are rendered by Grafana's SDK, an extra: {INSTALL}"
        raise ConfigurationError(msg)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
        from butterfly_otel.operate.dashboards.grafana import to_json  # noqa: PLC0415 - optional
    from butterfly_otel.operate.dashboards import Options  # noqa: PLC0415
    from butterfly_otel.operate.dashboards.own import own_dashboards, slug_of  # noqa: PLC0415

    boards = own_dashboards(contract)
    # Together they are a uid, of which Grafana takes 40 characters.
    left = _UID - 1 - max(len(board.slug) for board in boards)
    [board] = (each for each in boards if each.slug == slug)
    return to_json(board, Options(name=slug_of(contract.name, min(_NAME, left))))
