"""Contracts that are in force together, which must not be in each other's way."""

from __future__ import annotations

import re
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Final, cast

from butterfly_otel.catalog.contracts import OURS, Contracts, Entry
from butterfly_otel.catalog.model import Catalog, Metric
from butterfly_otel.catalog.narrowing import narrowed
from butterfly_otel.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Which instruments can be which type in Prometheus.
_TYPES: Final = {
    "counter": "counter",
    "observable_counter": "counter",
    "up_down_counter": "gauge",
    "observable_up_down_counter": "gauge",
    "gauge": "gauge",
    "observable_gauge": "gauge",
    "histogram": "histogram",
}
#: Names of instruments in OpenTelemetry.
_NAME: Final = re.compile(r"[A-Za-z][-_./A-Za-z0-9]{0,254}")
#: Meters that measure something else.
_TAKEN: Final = frozenset({"butterfly_otel.hardware"})
_PARTS: Final = ("_bucket", "_count", "_sum")


def in_force(catalogs: Sequence[Catalog]) -> Contracts:
    """Return Butterfly's contract together with others, which may narrow it.

    Several contracts may share a meter; metrics are told apart by their names alone.

    Raises:
        CatalogError: When something of them is wrong, two metrics have one name, also in
            Prometheus, a contract widens one of Butterfly's metrics, or handles are of another
            state than the metrics.
    """
    if not catalogs:
        return OURS
    entries = {each.metric.name.lower(): each for each in OURS.entries}
    different = tuple(dict.fromkeys(catalogs))
    names: set[str] = set()
    for catalog in different:
        _check_catalog(catalog)
        if catalog.name in names:
            raise CatalogError(f"two contracts are named {catalog.name!r}; rename one of them")
        names.add(catalog.name)
        within: set[str] = set()
        for metric in catalog.metrics:
            key = metric.name.lower()
            if key in within:
                raise CatalogError(
                    f"the contract {catalog.name!r} has {metric.name} twice; leave one of them out"
                )
            within.add(key)
            entries[key] = _entry(entries.get(key), metric, catalog)
    _check_names(entries.values())
    found = Contracts(entries.values(), different)
    _check_handles(found)
    return found


def _entry(known: Entry | None, metric: Metric, catalog: Catalog) -> Entry:
    if known is None:
        _check_metric(metric, catalog)
        return Entry(metric, metric.labels, catalog.meter, catalog.name)
    if known.metric.name in OURS:
        return narrowed(known, metric, catalog)
    raise CatalogError(
        f"the contracts {known.contract!r} and {catalog.name!r} both have a metric"
        f" {metric.name}; rename it in one of them"
    )


def _check_catalog(catalog: Catalog) -> None:
    given = cast("object", catalog)
    if not isinstance(given, Catalog):
        raise CatalogError(f"{given!r} is not a contract; pass a Catalog, or where one is")
    if not catalog.name or not catalog.meter:
        raise CatalogError(
            f"the contract {catalog.name!r} has the meter {catalog.meter!r}; give it a name and the"
            " name of a meter"
        )
    if catalog.meter in _TAKEN:
        raise CatalogError(
            f"the contract {catalog.name!r} has the meter {catalog.meter!r}, on which the SDK"
            " measures hardware; name another"
        )


def _check_metric(metric: Metric, catalog: Catalog) -> None:
    """Refuse what can't be measured or exported; what is merely odd, lint rules tell."""
    problem = ""
    if not _NAME.fullmatch(metric.name):
        problem = "whose name OpenTelemetry does not allow; use letters, digits and _ . - /"
    elif _TYPES.get(metric.instrument) != metric.type:
        kind = _TYPES.get(metric.instrument)
        problem = f"of the type {metric.type!r} with the instrument {metric.instrument!r}; "
        problem += f"make it a {kind}" if kind else f"use one of {', '.join(_TYPES)}"
    elif any(not isfinite(each) for each in metric.buckets) or any(
        low >= high for low, high in pairwise(metric.buckets)
    ):
        problem = "whose buckets are not finite and ascending; sort them, and leave +Inf out"
    elif metric.limit is not None and metric.limit < 1:
        problem = f"with the limit {metric.limit}; allow one series or more"
    else:
        problem = _wrong_labels(metric)
    if problem:
        raise CatalogError(f"the contract {catalog.name!r} has {metric.name!r}, {problem}")


def _wrong_labels(metric: Metric) -> str:
    keys = [label.prometheus_key for label in metric.labels]
    for label in metric.labels:
        key = label.prometheus_key
        if not label.key or keys.count(key) > 1:
            return f"of which two labels are {key!r} in Prometheus; rename one"
        if key.startswith("__") or (key == "le" and metric.type == "histogram"):
            return f"whose label {label.key!r} is reserved by Prometheus; rename it"
        if label.kind == "closed" and not label.values:
            return f"whose label {label.key!r} is closed and has no values; name them"
        if label.kind != "closed" and label.budget < 1:
            return f"whose label {label.key!r} has no budget; allow one value or more"
    return ""


def _check_names(entries: Iterable[Entry]) -> None:
    """Refuse names that are one in Prometheus, suffixes of histograms included."""
    taken: dict[str, str] = {}
    for entry in entries:
        metric = entry.metric
        name = metric.prometheus_name
        parts = _PARTS if metric.type == "histogram" else ()
        for each in (name, *(f"{name}{part}" for part in parts)):
            other = taken.setdefault(each, metric.name)
            if other != metric.name:
                raise CatalogError(
                    f"{other} and {metric.name}, of the contract {entry.contract!r}, are both"
                    f" {each} in Prometheus; rename one of them"
                )


def _check_handles(contracts: Contracts) -> None:
    """Refuse handles that do not measure what their contract has."""
    for catalog in contracts.catalogs:
        for handle in catalog.handles:
            metric = cast("object", getattr(handle, "metric", None))
            if not isinstance(metric, Metric) or metric.name not in catalog:
                raise CatalogError(
                    f"the contract {catalog.name!r} has the handle {handle!r}, which measures none"
                    " of its metrics; render its handles again"
                )
            own = catalog[metric.name]
            if (own.label_keys, own.instrument) != (metric.label_keys, metric.instrument):
                raise CatalogError(
                    f"the contract {catalog.name!r} has the handle {handle!r}, whose labels or"
                    f" instrument are not those of {metric.name}; render its handles again"
                )
