"""Renders ``docs/dashboards/*.json``: Grafana dashboards; needs the extra ``dashboards``."""

from __future__ import annotations

import warnings
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from butterfly_otel.operate.dashboards import Options

#: The extra that it needs.
EXTRA = "dashboards"
#: How to install it.
INSTALL = f"pip install 'butterfly-otel[{EXTRA}]' (Python 3.11 or newer)"


def available() -> bool:
    """Tell whether Grafana's SDK is there: it is an extra, and needs Python 3.11."""
    return find_spec("grafana_foundation_sdk") is not None


def renderers(options: Options | None = None) -> Mapping[str, Callable[[], str]]:
    """Return the function that renders each dashboard, by the name of its file.

    They raise ConfigurationError where the extra is not installed.
    """
    # An overview and one a category: known without them, so that every command starts fast.
    slugs = ("overview", *dict.fromkeys(metric.category for metric in catalog.CONTRACT))
    return {f"{slug}.json": partial(_render, slug, options) for slug in slugs}


def _render(slug: str, options: Options | None) -> str:
    if not available():
        msg = f"dashboards are rendered by Grafana's SDK, an extra: {INSTALL}"
        raise ConfigurationError(msg)
    with warnings.catch_warnings():
        # Of the older schema, which is the one that every Grafana 12 imports.
        warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
        from butterfly_otel.operate.dashboards.grafana import to_json  # noqa: PLC0415 - optional extra
    from butterfly_otel.operate.dashboards import Options, dashboards  # noqa: PLC0415

    chosen = options or Options()
    [board] = (each for each in dashboards(chosen) if each.slug == slug)
    return to_json(board, chosen)
