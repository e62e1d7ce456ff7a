"""Which series a test means: by name or handle, and by as many labels as tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.catalog.contracts import OURS
from butterfly_otel.catalog.model import OTHER
from butterfly_otel.errors import CatalogError
from butterfly_otel.handles.bound import Bound
from butterfly_otel.handles.handles import Handle
from butterfly_otel.testing.series import label_value, labels_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.catalog.contracts import Contracts
    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.testing.series import Series

#: pytest shows the test that asks, not what is in here.
__tracebackhide__ = True

#: A metric's name, its handle, or what the handle's ``bind()`` returns.
Target: TypeAlias = "str | Handle | Bound"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a test asks for.

    Attributes:
        name: The metric's name.
        labels: The labels it gives, of one series or of several.
    """

    name: str
    labels: Mapping[str, str]

    def __str__(self) -> str:
        """Write it as PromQL would."""
        return self.name + (labels_text(self.labels) if self.labels else "")

    def matches(self, series: Series) -> bool:
        """Tell whether a series has all the labels that were given."""
        return self.labels.items() <= series.labels.items()


def wanted(target: Target, labels: Mapping[str, object], contracts: Contracts = OURS) -> Wanted:
    """Return what a test asks for.

    Args:
        target: The metric.
        labels: The labels, by their names or as a handle's methods take them.
        contracts: Those in force, which know metrics that are asked for by name.

    Raises:
        CatalogError: When the contract has no such metric, or the metric no such label: a
            question that can never be answered by yes is a mistake in the test.
    """
    given = {key: label_value(value) for key, value in labels.items()}
    if isinstance(target, Bound):
        handle, values = target._handle, target._values  # noqa: SLF001 - a bound instrument is taken as a description
        if not isinstance(handle, Handle):
            msg = f"{target!r} is bound to no metric of the contract"
            raise CatalogError(msg)
        names = handle.metric.label_keys
        bound = {k: label_value(v) for k, v in zip(names, values, strict=True) if v is not None}
        return wanted(handle, {**bound, **given}, contracts)
    handle_metric = target.metric if isinstance(target, Handle) else None
    name = target if isinstance(target, str) else target.metric.name
    metric = handle_metric or _named(name, contracts)
    if metric is not None:
        name = metric.name
        # As a handle's methods take them.
        keys = {label.parameter: label.key for label in metric.labels}
        given = {keys.get(key, key): value for key, value in given.items()}
    if metric is None and name.startswith("butterfly_"):
        close = get_close_matches(name, [each.name for each in contracts], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        msg = f"the contract has no metric {name}{hint}"
        raise CatalogError(msg)
    if metric is not None:
        _check_labels(metric, given)
    return Wanted(name, given)


def _named(name: str, contracts: Contracts) -> Metric | None:
    """Return the metric of a name, be it as Prometheus has it."""
    found = contracts.get(name)
    return found or next((each for each in contracts if each.prometheus_name == name), None)


def _check_labels(metric: Metric, given: Mapping[str, str]) -> None:
    for key in given:
        if key not in metric.label_keys:
            allowed = ", ".join(metric.label_keys) or "no label"
            msg = f"{metric.name} has no label {key!r}; the contract gives it {allowed}"
            raise CatalogError(msg)
    for label in metric.labels:
        value = given.get(label.key)
        if label.kind == "closed" and value is not None and value not in (*label.values, OTHER):
            allowed = ", ".join(label.values)
            msg = f"{metric.name} can't have {label.key}={value!r}; the contract has {allowed}"
            raise CatalogError(msg)


def of_metric(name: str, series: Iterable[Series]) -> list[Series]:
    """Return the series of one metric."""
    return [each for each in series if each.metric == name]


def one(
    asked: Wanted,
    found: Sequence[Series],
    own: Mapping[str, str],
    contracts: Contracts = OURS,
) -> Series | None:
    """Return the one series that is meant, None where there is none.

    Labels with a default, such as ``node_id``, mean this node where they are not given.

    Args:
        asked: What is asked for.
        found: The series of the metric.
        own: What the defaults of labels are on this node, by label.
        contracts: Those in force, which know the defaults.

    Raises:
        AssertionError: When several series are left.
    """
    matching = [each for each in found if asked.matches(each)]
    metric = contracts.get(asked.name)
    if metric is not None and len(matching) > 1:
        defaults = {
            label.key: own[label.default]
            for label in metric.labels
            if label.default is not None and label.key not in asked.labels
        }
        matching = [each for each in matching if defaults.items() <= each.labels.items()]
    if len(matching) > 1:
        differing = sorted(
            key
            for key in {key for each in matching for key in each.labels}
            if len({each.labels.get(key) for each in matching}) > 1
        )
        listed = "".join(f"\n  {labels_text(each.labels)}" for each in matching)
        raise AssertionError(
            f"{asked} is {len(matching)} series; say which by {' or '.join(differing)},"
            f" or ask for their total():{listed}"
        )
    return matching[0] if matching else None
