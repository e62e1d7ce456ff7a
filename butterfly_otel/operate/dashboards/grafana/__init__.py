"""Dashboards as Grafana's JSON: the one room that needs the extra ``dashboards``."""

from __future__ import annotations

from butterfly_otel.operate.dashboards.grafana.boards import to_json

__all__ = ["to_json"]
