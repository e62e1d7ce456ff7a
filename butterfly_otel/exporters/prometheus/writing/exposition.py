"""One exposition out of everything in a registry, ours and prometheus_client's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import Metric

from butterfly_otel.exporters.prometheus.model.families import Family
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.translating.conflicts import openmetrics_names
from butterfly_otel.exporters.prometheus.writing.collector import FamilyCollector
from butterfly_otel.exporters.prometheus.writing.encode import openmetrics_lines, text_lines
from butterfly_otel.exporters.prometheus.writing.foreign import (
    metric_claims,
    metric_lines,
    shown,
)
from butterfly_otel.exporters.prometheus.writing.interop import FamilyMetric
from butterfly_otel.exporters.prometheus.writing.registered import collectors_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from prometheus_client import CollectorRegistry

    from butterfly_otel.exporters.prometheus.model.problems import Problems
    from butterfly_otel.exporters.prometheus.writing.formats import Format

Item: TypeAlias = "Family | Metric"


def render(
    registry: CollectorRegistry,
    form: Format,
    problems: Problems,
    *,
    names: Collection[str] | None = None,
    timeout: float,
) -> tuple[str, bytes]:
    """Collect everything and return the Content-Type and the body.

    Whatever can't be shown is left out and reported, never the cause of a failed scrape.

    Args:
        registry: Where collectors are registered.
        form: The format.
        problems: Where what is left out is reported.
        names: Only families that have one of these names, or a sample of one of them.
        timeout: Seconds that collecting from one meter provider may take.

    Raises:
        CollectionError: When a meter provider's metrics could not be collected.
    """
    items = [
        item
        for item, claims in _distinct(_items(registry, form, problems, timeout), problems)
        if names is None or not claims.isdisjoint(names) or _stem(item) in names
    ]
    body = "".join(_lines(items, form, problems))
    if form.kind == "openmetrics":
        body += "# EOF\n"
    return form.content_type, body.encode()


def _distinct(items: Iterable[Item], problems: Problems) -> Iterator[tuple[Item, set[str]]]:
    """Yield each item and its names, leaving out those whose names are taken already."""
    claimed: set[str] = set()
    for item in items:
        claims = set(item.claims) if isinstance(item, Family) else metric_claims(item)
        if claimed.isdisjoint(claims):
            claimed |= claims
            yield item, claims
        else:
            problems.report(
                "name_clash",
                clean(item.name),
                "Metric %s is not exposed: its name %s is taken",
                min(claims & claimed),
            )


def _stem(item: Item) -> str:
    return item.stem if isinstance(item, Family) else item.name


def _items(
    registry: CollectorRegistry, form: Format, problems: Problems, timeout: float
) -> Iterator[Item]:
    target = registry.get_target_info()
    if target:
        metric = Metric("target", "Target metadata", "info")
        metric.add_sample("target_info", target, 1)
        yield metric
    for collector in collectors_of(registry):
        if isinstance(collector, FamilyCollector):
            yield from collector.families(escaping=form.escaping, timeout=timeout)
            continue
        try:
            for metric in collector.collect():
                if isinstance(metric, FamilyMetric):
                    yield metric.family
                else:
                    yield shown(metric, form.escaping)
        except Exception as error:  # noqa: BLE001 - somebody else's collector
            problems.report(
                "foreign_collector",
                type(collector).__name__,
                "Metrics of the collector %s are not exposed: it raised %s",
                type(error).__name__,
            )


def _lines(items: Iterable[Item], form: Format, problems: Problems) -> Iterator[str]:
    listed = list(items)
    names: dict[str, str] = {}
    if form.kind == "openmetrics":
        foreign = (metric_claims(item) for item in listed if not isinstance(item, Family))
        ours = [item for item in listed if isinstance(item, Family)]
        names = openmetrics_names(ours, set[str]().union(*foreign))
    for item in listed:
        yield _text_of(item, form, names, problems)


def _text_of(item: Item, form: Format, names: dict[str, str], problems: Problems) -> str:
    try:
        if not isinstance(item, Family):
            return metric_lines(item, form)
        if form.kind == "openmetrics":
            return openmetrics_lines(item, names[item.name])
        return text_lines(item)
    except Exception as error:  # noqa: BLE001 - one metric must not cost the scrape
        problems.report(
            "broken_metric",
            clean(item.name),
            "Metric %s is not exposed: it could not be written (%s)",
            type(error).__name__,
        )
        return ""
