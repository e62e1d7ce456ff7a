"""Dashboards as Grafana's JSON: the one room that needs the extra ``dashboards``.

How a kind of panel looks is changed in :mod:`.panels`, what a dashboard has around its panels in
:mod:`.boards`. May import: ``operate.dashboards``, Grafana's SDK.
"""

from __future__ import annotations

from butterfly_otel.operate.dashboards.grafana.boards import to_json

__all__ = ["to_json"]
