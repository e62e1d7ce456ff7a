"""A contract as groups, in the format of OpenTelemetry's semantic conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.catalogs import defaults, notes
from butterfly_otel.catalogs.attributes import label_of
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from butterfly_otel.catalog.model import Catalog, Label, Metric

_STABILITY = {"stability": "development"}
_EXAMPLES = {"identity": "node-1", "pair": "node-1_node-2"}
_HEADER = """\
# {name}: {count} metrics, in the format of OpenTelemetry's semantic conventions, which Weaver
# reads. Written by `butterfly-otel catalog --format weaver`.
"""


def write(contract: Catalog) -> str:
    """Return a contract as YAML, which ``load`` reads back.

    Raises:
        ConfigurationError: When the extra ``views`` is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - optional extra
    except ImportError as error:
        msg = "writing a contract needs the extra 'views': pip install 'butterfly-otel[views]'"
        raise ConfigurationError(msg) from error
    header = _HEADER.format(name=contract.name, count=len(contract))
    document = {"groups": [*groups_of(contract)]}
    return header + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def groups_of(contract: Catalog) -> Iterator[dict[str, Any]]:
    """Yield the groups of a contract: its attributes, each once, and its metrics."""
    defined = _definitions(contract)
    yield {
        "id": f"registry.{contract.name}",
        "type": "attribute_group",
        "brief": f"Labels of the contract {contract.name}.",
        "annotations": {notes.OURS: {"catalog": _whole(contract)}},
        "attributes": list(defined.values()),
    }
    for metric in contract:
        yield _group(metric, contract, defined)


def _whole(contract: Catalog) -> dict[str, Any]:
    found: dict[str, Any] = {"name": contract.name, "meter": contract.meter}
    if contract.prefix:
        found["prefix"] = contract.prefix
    if contract.exceptions:
        found["exceptions"] = [
            {"rule": rule, "metric": metric, "reason": reason}
            for rule, metric, reason in contract.exceptions
        ]
    return found


def _group(
    metric: Metric, contract: Catalog, defined: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"metric.{metric.name}",
        "type": "metric",
        "metric_name": metric.name,
        "brief": metric.help,
        "instrument": metric.instrument.removeprefix("observable_").replace("_", ""),
        "unit": metric.unit,
        **_STABILITY,
        "annotations": {notes.OURS: _facts(metric, contract)},
    }
    if metric.labels:
        found["attributes"] = [_reference(label, defined[label.key]) for label in metric.labels]
    return found


def _facts(metric: Metric, contract: Catalog) -> dict[str, Any]:
    found: dict[str, Any] = {"why": metric.why, "across": metric.across}
    if metric.across_why != defaults.across_why(metric.across):
        found["across_why"] = metric.across_why
    if metric.category != contract.name:
        found["category"] = metric.category
    if metric.observable:
        found["observable"] = True
    if metric.buckets:
        found["buckets"] = list(metric.buckets)
    if metric.limit is not None:
        found["limit"] = metric.limit
    found["query"] = metric.query
    return found


def _definitions(contract: Catalog) -> dict[str, dict[str, Any]]:
    """Return the definition of each attribute: of metrics that differ, what they have together."""
    labels: dict[str, list[Label]] = {}
    for metric in contract:
        for label in metric.labels:
            labels.setdefault(label.key, []).append(label)
    return {key: _definition(uses) for key, uses in labels.items()}


def _definition(uses: list[Label]) -> dict[str, Any]:
    closed = [label for label in uses if label.kind == "closed"]
    first = (closed or uses)[0]
    values = tuple(dict.fromkeys(value for label in uses for value in label.values))
    found: dict[str, Any] = {"id": first.key, "type": first.type}
    if closed and first.type != "boolean":
        found["type"] = {"members": [_member(value, first) for value in values]}
    elif first.type == "string":
        found["examples"] = list(values) or [_EXAMPLES.get(first.kind, "1")]
    found |= {"brief": first.help, **_STABILITY}
    said = _said(first)
    if closed:
        # What they have together is its members, and that it is closed is what goes without saying.
        said = {key: value for key, value in said.items() if key == "default"}
    if said:
        found["annotations"] = {notes.OURS: said}
    return found


def _member(value: str, label: Label) -> dict[str, Any]:
    said: str | int = int(value) if label.type == "int" else value
    name = "".join(each if each.isalnum() else "_" for each in value.lower())
    return {"id": name or "_", "value": said, **_STABILITY}


def _said(label: Label) -> dict[str, Any]:
    """Return what a label says for us, wherever it is defined."""
    found: dict[str, Any] = {"kind": label.kind}
    if label.values:
        found["values"] = list(label.values)
    if label.budget:
        found["budget"] = label.budget
    if label.default not in {None, "empty"}:
        found["default"] = label.default
    if label.keep != "first":
        found["keep"] = label.keep
    return found


def _reference(label: Label, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a metric refers to an attribute, with what differs from its definition."""
    level = "required" if label.default is None else "recommended"
    found: dict[str, Any] = {"ref": label.key, "requirement_level": level}
    if label.help != definition["brief"]:
        found["brief"] = label.help
    plain = {**definition, "requirement_level": level}
    if label_of({**plain, "brief": label.help}, AssertionError) == label:
        return found
    said = _said(label)
    before: dict[str, Any] = definition.get("annotations", {}).get(notes.OURS, {})
    if "keep" in before:
        said["keep"] = label.keep
    if "default" in before:
        said.setdefault("default", notes.NO_DEFAULT)
    found["annotations"] = {
        notes.OURS: {key: value for key, value in said.items() if before.get(key) != value}
    }
    return found
