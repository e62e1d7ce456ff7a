"""What a contract of one's own may make of a metric that another has already: less."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from butterfly_otel.errors import CatalogError

if TYPE_CHECKING:
    from butterfly_otel.catalog.contracts import Entry
    from butterfly_otel.catalog.model import Catalog, Label, Metric


def narrowed(entry: Entry, wanted: Metric, catalog: Catalog) -> Entry:
    """Return what is enforced of a metric that a catalogue narrows.

    It may have fewer labels, a smaller vocabulary, smaller budgets, a lower limit and other
    buckets. Everything else stays as it is: help, defaults, how processes go together.

    Args:
        entry: The metric as it is enforced without the catalogue.
        wanted: The same metric in the catalogue.
        catalog: It.

    Raises:
        CatalogError: When it is wider, or another kind of metric.
    """
    metric = entry.metric
    place = f"the contract {catalog.name!r}"
    for what in ("type", "instrument", "unit"):
        before, after = getattr(metric, what), getattr(wanted, what)
        if before != after:
            raise CatalogError(
                f"{place} changes the {what} of {metric.name} from {before!r} to {after!r};"
                f" {_way_out(metric, catalog)}"
            )
    allowed = {label.key: label for label in entry.labels}
    for label in wanted.labels:
        if label.key not in allowed:
            raise CatalogError(
                f"{place} adds the label {label.key!r} to {metric.name}, which has"
                f" {', '.join(allowed) or 'none'}; {_way_out(metric, catalog, label)}"
            )
    given = {
        label.key: _label(allowed[label.key], label, metric, place, catalog)
        for label in wanted.labels
    }
    labels = tuple(given[each.key] for each in entry.labels if each.key in given)
    whole = replace(metric, labels=tuple(given.get(each.key, each) for each in metric.labels))
    fits = replace(whole, labels=labels, limit=None, buckets=wanted.buckets or metric.buckets)
    limit = min(metric.stream_limit, fits.stream_limit) if wanted.limit is None else wanted.limit
    if limit > metric.stream_limit:
        raise CatalogError(
            f"{place} raises the limit of {metric.name} from {metric.stream_limit} to {limit};"
            f" {_way_out(metric, catalog)}"
        )
    return entry._replace(
        metric=replace(whole, limit=limit, buckets=fits.buckets),
        labels=labels,
        contract=entry.contract,
    )


def _label(before: Label, wanted: Label, metric: Metric, place: str, catalog: Catalog) -> Label:
    """Return a label as a catalogue narrows it."""
    where = f"{place} widens the label {before.key!r} of {metric.name}"
    if wanted.type != before.type:
        raise CatalogError(
            f"{where} to values of the type {wanted.type!r}; {_way_out(metric, catalog)}"
        )
    more = [each for each in wanted.values if each not in before.values]
    if before.kind == "closed" and (wanted.kind != "closed" or more):
        told = f"by {', '.join(map(repr, more))}" if more else f"to the kind {wanted.kind!r}"
        raise CatalogError(f"{where} {told}; {_way_out(metric, catalog)}")
    if wanted.kind == "closed":
        if wanted.seats > before.seats:
            raise CatalogError(
                f"{where} from {before.seats - 1} to {wanted.seats - 1} values;"
                f" {_way_out(metric, catalog)}"
            )
        return replace(before, kind="closed", values=wanted.values, budget=0)
    if wanted.budget > before.budget:
        raise CatalogError(
            f"{where} from {before.budget} to {wanted.budget} values; {_way_out(metric, catalog)}"
        )
    return replace(before, budget=wanted.budget, values=wanted.values, keep=wanted.keep)


def _way_out(metric: Metric, catalog: Catalog, label: Label | None = None) -> str:
    """Return how to have a metric of one's own beside it."""
    stem = metric.name.removeprefix("butterfly_")
    own = f"{catalog.prefix or 'my_'}{stem}"
    attributes = ""
    if label is not None:
        attributes = (
            f", attributes: [{{id: {label.key}, type: {label.type}, annotations:"
            f" {{butterfly_otel: {{budget: {label.budget or 20}}}}}}}]"
        )
    return (
        "a metric of your own beside it can have that:"
        f" - {{id: metric.{own}, type: metric, metric_name: {own},"
        f" extends: metric.{metric.name}{attributes}}}"
    )
