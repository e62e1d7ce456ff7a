"""One family, one TYPE line, across everything that is registered: who shows what of a name.

Families of one name and type are one family, whoever collected them; what must not be is left
out, and reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import Metric

from butterfly_otel.exporters.prometheus.model.families import Family
from butterfly_otel.exporters.prometheus.model.native import added as added_natives
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.packing.samples import native_in, sample_of
from butterfly_otel.exporters.prometheus.translating.directory import TARGET_INFO
from butterfly_otel.exporters.prometheus.writing.foreign import metric_claims
from butterfly_otel.exporters.prometheus.writing.interop import FamilyMetric
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.samples import Sample

    from butterfly_otel.exporters.prometheus.model.problems import Problems

Item: TypeAlias = "Family | Metric"
_Labels: TypeAlias = "tuple[tuple[str, str], ...]"

#: Types whose samples can be added where they are of one series.
_ADDABLE = {"counter", "histogram", "summary"}
#: Labels by which the samples of one series differ.
_WITHIN = {"histogram": "le", "summary": "quantile"}


class Found(NamedTuple):
    """A family and where it is from.

    Attributes:
        origin: What measured it: a meter provider or a foreign collector.
        reader: What collected it. A second reader of a provider shows nothing new.
        item: The family.
    """

    origin: object
    reader: object
    item: Item


class Group(NamedTuple):
    """Families that are one.

    Attributes:
        name: Their OpenMetrics name.
        type: Their type.
        claims: The names nothing else may have.
        exact: Whether it is one of the contract's, to which nothing else may add.
        members: The families.
    """

    name: str
    type: str
    claims: set[str]
    exact: bool
    members: list[Found]

    @property
    def family(self) -> Family | None:
        """The one family where it is one of ours, alone."""
        first = self.members[0].item
        return first if len(self.members) == 1 and isinstance(first, Family) else None


def combined(found: Iterable[Found], problems: Problems) -> list[Group]:
    """Return the families of an exposition, no name of which comes twice.

    Where names clash who was registered first has them, and nothing is added to one of the
    contract's, which nobody else has checked.
    """
    claimed: dict[str, Group] = {}
    groups: list[Group] = []
    for each in found:
        group = _group(each)
        holders = {id(claimed[name]): claimed[name] for name in group.claims & claimed.keys()}
        if not holders:
            groups.append(group)
        else:
            [holder, *others] = holders.values()
            if others or not _may_join(group, holder):
                _report(group, claimed, problems)
                continue
            if TARGET_INFO in group.claims or _is_known(each, holder):
                continue
            holder.members.append(each)
            holder.claims.update(group.claims)
            group = holder
        claimed.update(dict.fromkeys(group.claims, group))
    return groups


def _group(found: Found) -> Group:
    item = found.item
    if isinstance(item, Family):
        kind = "unknown" if item.type == "counter" and item.stem == item.name else item.type
        return Group(item.stem, kind, set(item.claims), item.exact, [found])
    return Group(item.name, item.type, metric_claims(item), exact=False, members=[found])


def _may_join(group: Group, holder: Group) -> bool:
    same = group.name == holder.name and group.type == holder.type
    return same and group.exact == holder.exact


def _is_known(found: Found, holder: Group) -> bool:
    """Tell whether another reader shows the same measurements already."""
    return any(
        each.origin is found.origin and each.reader is not found.reader for each in holder.members
    )


def _report(group: Group, claimed: dict[str, Group], problems: Problems) -> None:
    problems.report(
        "name_clash",
        clean(group.members[0].item.name),
        "Metric %s is not exposed: its name %s is taken",
        min(group.claims & claimed.keys()),
    )


def whole(group: Group, problems: Problems) -> Item:
    """Return a group as one family.

    Raises:
        Exception: Whatever is wrong with its samples.
    """
    if len(group.members) == 1:
        return group.members[0].item
    metrics = [
        FamilyMetric(each.item) if isinstance(each.item, Family) else each.item
        for each in group.members
    ]
    first = metrics[0]
    added = Metric(first.name, first.documentation, first.type)
    added.unit = first.unit
    series: dict[_Labels, list[list[Sample]]] = {}
    for metric in metrics:
        for labels, samples in _by_series(metric).items():
            series.setdefault(labels, []).append(samples)
    if first.type not in _ADDABLE and any(len(parts) > 1 for parts in series.values()):
        problems.report(
            "duplicate_series",
            clean(first.name),
            "Metric %s has several points for the same labels in several collectors;"
            " only the last is exposed",
        )
    added.samples = [
        sample
        for parts in series.values()
        for sample in (parts[0] if len(parts) == 1 else _one(parts, first.type))
    ]
    return added


def _by_series(metric: Metric) -> dict[_Labels, list[Sample]]:
    within = _WITHIN.get(metric.type)
    found: dict[_Labels, list[Sample]] = {}
    for sample in metric.samples:
        labels = tuple(sorted(pair for pair in sample.labels.items() if pair[0] != within))
        found.setdefault(labels, []).append(sample)
    return found


def _one(parts: list[list[Sample]], kind: str) -> list[Sample]:
    """Return the samples of several series that are one.

    Of histograms the boundaries that all of them have, at which adding is exact. Quantiles can't
    be added, and of what is no sum the last one stands.
    """
    if kind not in _ADDABLE:
        return parts[-1]
    within = _WITHIN.get(kind)
    added: dict[tuple[str, str | None], list[Sample]] = {}
    for part in parts:
        for sample in part:
            # Only where all have one: what is beside it is of all.
            if sample.native_histogram and not all(map(_has_native, parts)):
                continue
            key = (sample.name, sample.labels.get(within) if within else None)
            added.setdefault(key, []).append(sample)
    return [
        _sum(samples)
        for (_, inner), samples in added.items()
        if inner is None or (kind == "histogram" and len(samples) == len(parts))
    ]


def _has_native(samples: list[Sample]) -> bool:
    return any(each.native_histogram for each in samples)


def _sum(samples: list[Sample]) -> Sample:
    if samples[0].native_histogram:
        natives = [each.native_histogram for each in samples if each.native_histogram]
        exemplars = [each for native in natives for each in native.nh_exemplars or ()]
        total = sample_of(added_natives([native_in(each) for each in natives]), exemplars)
        return samples[0]._replace(native_histogram=total)
    values = [sample.value for sample in samples]
    exemplars = [sample.exemplar for sample in samples if sample.exemplar]
    begun = samples[0].name.endswith("_created")
    return samples[0]._replace(
        value=min(values) if begun else sum(values),
        exemplar=max(exemplars, key=lambda each: each.timestamp or 0, default=None),
    )
