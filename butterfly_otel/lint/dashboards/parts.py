"""A dashboard's JSON by its parts, for lint rules."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.catalog import BUTTERFLY, BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from butterfly_otel.catalog.model import Catalog, Metric

Part = dict[str, Any]
#: `$name`, `${name}`, `${name:format}` and `[[name]]`.
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:[.:][^}]*)?\}|(\w+))|\[\[(\w+)\]\]")


class Board:
    """A dashboard's JSON.

    Args:
        document: As Grafana imports and exports it.
        contract: Whose metrics it shows.
    """

    def __init__(self, document: Mapping[str, Any], contract: Catalog = BUTTERFLY) -> None:
        self.document = document
        self.contract = contract
        own = {metric.prometheus_name: metric for metric in contract}
        #: Metrics by their names in Prometheus.
        self.metrics: Mapping[str, Metric] = {**BY_NAME, **own}

    @property
    def variables(self) -> list[Part]:
        """Its variables."""
        return _parts(self.document.get("templating"))

    @property
    def annotations(self) -> list[Part]:
        """Its annotations, without the one Grafana has built in."""
        return [
            each for each in _parts(self.document.get("annotations")) if not each.get("builtIn")
        ]

    @property
    def everything(self) -> list[Part]:
        """Rows and panels, those of collapsed rows included."""
        found = list(_list(self.document.get("panels")))
        return found + [inner for each in found for inner in _list(each.get("panels"))]

    @property
    def panels(self) -> list[Part]:
        """Panels that show something, without rows."""
        return [each for each in self.everything if each.get("type") != "row"]

    def targets(self) -> Iterator[tuple[Part, Part]]:
        """Yield each target with its panel."""
        for panel in self.panels:
            for target in _list(panel.get("targets")):
                yield panel, target

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Yield each expression, with what it belongs to."""
        for panel, target in self.targets():
            yield name_of(panel), str(target.get("expr", ""))
        for annotation in self.annotations:
            target = annotation.get("target") or annotation
            yield str(annotation.get("name")), str(target.get("expr", ""))

    def used(self) -> set[str]:
        """Return the variables and macros that are used anywhere."""
        text = json.dumps(self.document)
        return {name for found in _VARIABLE.findall(text) for name in found if name}


def name_of(panel: Part) -> str:
    """Return what a finding calls a panel."""
    return str(panel.get("title") or f"panel {panel.get('id')}")


def part_of(part: Part, key: str) -> Part:
    """Return a part of a part, empty where there is none."""
    value = part.get(key)
    return cast("Part", value) if isinstance(value, dict) else {}


def query_of(variable: Part) -> str:
    """Return the text of a variable's query, in either of its forms."""
    query = variable.get("query", "")
    return str(cast("Part", query).get("query", "")) if isinstance(query, dict) else str(query)


def _parts(holder: object) -> list[Part]:
    return list(_list(cast("Part", holder).get("list"))) if isinstance(holder, dict) else []


def _list(value: object) -> list[Part]:
    return cast("list[Part]", value) if isinstance(value, list) else []
