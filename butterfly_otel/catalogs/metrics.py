"""From a group of ``type: metric`` to a metric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from butterfly_otel.catalog.model import InstrumentKind, Metric, PrometheusType
from butterfly_otel.catalogs import defaults, notes
from butterfly_otel.catalogs.attributes import is_label, label_of
from butterfly_otel.catalogs.groups import validate
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from butterfly_otel.catalogs.attributes import Attributes
    from butterfly_otel.catalogs.groups import Group

_INSTRUMENTS: Final[dict[str, tuple[InstrumentKind, PrometheusType]]] = {
    "counter": ("counter", "counter"),
    "updowncounter": ("up_down_counter", "gauge"),
    "gauge": ("gauge", "gauge"),
    "histogram": ("histogram", "histogram"),
}
#: What a metric has of one that it extends, where it says nothing itself.
_INHERITED = ("brief", "instrument", "unit", "stability")
#: Likewise, of what it says for us, as long as the instrument is the same.
_FACTS = ("why", "across", "across_why", "observable")


def metric_of(group: Group, attributes: Attributes, category: str) -> Metric:
    """Return the metric that a group is.

    Args:
        group: The group.
        attributes: What all groups define.
        category: Where the group names none.

    Raises:
        CatalogError: When it is not one.
    """
    data, said = _inherited(group, attributes)
    validate(group, data)
    kind, type_ = _INSTRUMENTS[data["instrument"]]
    instrument = _instrument(kind, said, group)
    if "buckets" in said and kind != "histogram":
        raise group.fail(f"is a {data['instrument']} and has buckets; take them away")
    across = said.get("across") or defaults.across(instrument)
    buckets = said.get("buckets") or (defaults.buckets(data["unit"]) if kind == "histogram" else ())
    metric = Metric(
        name=data["metric_name"],
        type=type_,
        instrument=instrument,
        why=said.get("why") or defaults.why(instrument),
        unit=data["unit"],
        help=" ".join(data["brief"].split()),
        category=said.get("category", category),
        query="",
        labels=tuple(
            label_of(each, group.fail_at(name))
            for name, each in attributes.of(group).items()
            if is_label(each)
        ),
        buckets=tuple(map(float, buckets)),
        limit=said.get("limit"),
        across=across,
        across_why=said.get("across_why", defaults.across_why(across)),
    )
    query = said.get("query") or defaults.query(
        metric.prometheus_name, metric.type, metric.labels, across
    )
    return replace(metric, query=query)


def _instrument(kind: InstrumentKind, said: Mapping[str, Any], group: Group) -> InstrumentKind:
    if not said.get("observable"):
        return kind
    if kind == "histogram":
        raise group.fail("is a histogram and observable, which there is not; take that away")
    return cast("InstrumentKind", f"observable_{kind}")


def _inherited(group: Group, attributes: Attributes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a group, and what it says for us, with what it has of a metric that it extends."""
    data = dict(group.data)
    said = notes.ours(data, notes.METRIC, group.fail)
    if "metric_name" not in data:
        raise group.fail("has no metric_name; write the metric's name, such as my_requests_total")
    parent = attributes.extended(group)
    # What extends itself is found where its attributes are.
    if parent is not None and parent is not group and parent.data["type"] == "metric":
        attributes.of(group)
        above, theirs = _inherited(parent, attributes)
        data = {**{key: above[key] for key in _INHERITED if key in above}, **data}
        same = data.get("instrument") == above.get("instrument")
        facts = [*_FACTS] if same else []
        facts += ["buckets"] if same and data.get("unit") == above.get("unit") else []
        if "across" in said:
            facts.remove("across_why") if "across_why" in facts else None
        said = {**{key: theirs[key] for key in facts if key in theirs}, **said}
    for key in ("brief", "instrument", "unit"):
        if not isinstance(data.get(key), str):
            what = f"its {key} is {shown(data[key])}" if key in data else f"has no {key}"
            raise group.fail(f"{what}; write {_WANTED[key]}")
    if data["instrument"] not in _INSTRUMENTS:
        wanted = ", ".join(_INSTRUMENTS)
        raise group.fail(f"its instrument is {shown(data['instrument'])}; write one of {wanted}")
    return data, said


_WANTED = {
    "brief": "one sentence on what it measures",
    "instrument": f"one of {', '.join(_INSTRUMENTS)}",
    "unit": "a UCUM unit such as s or By, or what is counted, such as {request}",
}
