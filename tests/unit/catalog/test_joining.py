"""Contracts that are in force together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from butterfly_otel import catalog
from butterfly_otel.catalog.contracts import OURS
from butterfly_otel.catalog.joining import in_force
from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.errors import CatalogError

REQUESTS = catalog.BY_NAME["butterfly_requests_total"]
TOKENS = catalog.BY_NAME["butterfly_tokens_processed_total"]
SECONDS = catalog.BY_NAME["butterfly_request_duration_seconds"]


def _metric(name: str, **fields: Any) -> Metric:
    given: dict[str, Any] = {
        "type": "counter",
        "instrument": "counter",
        "unit": "{thing}",
        "category": "things",
        "why": "It grows.",
        "help": "Things.",
        "query": "things",
        **fields,
    }
    return Metric(name=name, **given)


def _own(*metrics: Metric, **fields: Any) -> Catalog:
    given: dict[str, Any] = {"name": "own", "meter": "own", "metrics": metrics, **fields}
    return Catalog(**given)


def _label(key: str, **fields: Any) -> Label:
    given: dict[str, Any] = {"kind": "open", "help": "Which.", "budget": 20, **fields}
    return Label(key=key, **given)


def _histogram(name: str, **fields: Any) -> Metric:
    return _metric(name, type="histogram", instrument="histogram", **fields)


def _with_label(metric: Metric, label: Label) -> Metric:
    """Return a metric whose last label is another."""
    return replace(metric, labels=(*metric.labels[:-1], label))


def test_contracts_stand_beside_ours() -> None:
    """Each metric is known by its name and its meter, and keeps that name where it is exact."""
    contracts = in_force([_own(_metric("gen_ai.things"), _metric("my_things_total"))])
    assert contracts.meters == (catalog.METER_NAME, "own")
    assert contracts.is_exact("own", "my_things_total")
    assert not contracts.is_exact("own", "gen_ai.things")
    assert not contracts.is_exact("other", "my_things_total")
    assert contracts.find(catalog.METER_NAME, REQUESTS.name) == REQUESTS
    assert in_force([]) is OURS


def test_a_metric_of_ours_is_narrowed() -> None:
    """Fewer labels, vocabularies, budgets and buckets are exported; callers may give all labels."""
    method, status = REQUESTS.labels[1:]
    fewer = replace(REQUESTS, labels=(replace(method, values=method.values[:1]), status))
    tokens = _with_label(TOKENS, replace(TOKENS.labels[-1], budget=2))
    own = _own(fewer, tokens, replace(SECONDS, buckets=(1.0, 2.0)))
    found = {each.metric.name: each for each in in_force([own]).entries}
    requests = found[REQUESTS.name]
    assert [label.key for label in requests.labels] == ["method", "status"]
    assert requests.labels[0].values == method.values[:1]
    assert requests.metric.label_keys == REQUESTS.label_keys
    assert requests.metric.limit == 2 * 3
    assert requests.meter == catalog.METER_NAME
    assert found[TOKENS.name].labels[-1].budget == 2
    assert found[SECONDS.name].metric.buckets == (1.0, 2.0)


def test_a_contract_that_is_given_twice_is_one() -> None:
    """The same contract twice, and ours itself, change nothing."""
    own = _own(_metric("my_things_total"))
    assert len(in_force([own, own, catalog.BUTTERFLY]).entries) == len(OURS.entries) + 1


_MANY = tuple(map(str, range(9999)))
WRONG: dict[str, tuple[tuple[Catalog, ...], str]] = {
    "a label more": (
        (_own(replace(REQUESTS, labels=(*REQUESTS.labels, _label("model")))),),
        "adds the label 'model' to butterfly_requests_total.*extends: metric.butterfly_requests",
    ),
    "another unit": ((_own(replace(REQUESTS, unit="s")),), "changes the unit"),
    "a value more": (
        (_own(_with_label(REQUESTS, replace(REQUESTS.labels[-1], values=("success", "gone")))),),
        "widens the label 'status' .* by 'gone'",
    ),
    "any value": (
        (_own(_with_label(REQUESTS, _label("status"))),),
        "widens the label 'status' .* to the kind 'open'",
    ),
    "a larger budget": (
        (_own(_with_label(TOKENS, replace(TOKENS.labels[-1], budget=9999))),),
        "widens the label 'node_id' .* to 9999 values",
    ),
    "a larger vocabulary": (
        (_own(_with_label(TOKENS, _label("model", kind="closed", values=_MANY))),),
        "widens the label 'model' .* to 9999 values",
    ),
    "another type of values": (
        (_own(_with_label(TOKENS, replace(TOKENS.labels[-1], type="int"))),),
        "widens the label 'node_id' .* of the type 'int'",
    ),
    "a higher limit": ((_own(replace(REQUESTS, limit=9999)),), "raises the limit"),
    "one name in two contracts": (
        (_own(_metric("my.things")), _own(_metric("My.Things"), name="other")),
        "'own' and 'other' both have a metric My.Things",
    ),
    "one name twice": ((_own(_metric("a"), _metric("a", unit="s")),), "has a twice"),
    "one name in Prometheus": (
        (_own(_metric("my.things"), _metric("my_things_total")),),
        "both my_things_total in Prometheus",
    ),
    "a part of a histogram": (
        (_own(_histogram("sizes"), _metric("sizes_count")),),
        "both sizes_count in Prometheus",
    ),
    "two contracts of one name": ((_own(_metric("a")), _own(_metric("b"))), "are named 'own'"),
    "no meter": ((_own(_metric("a"), meter=""),), "give it a name and the name of a meter"),
    "the meter of hardware": (
        (_own(_metric("a"), meter="butterfly_otel.hardware"),),
        "name another",
    ),
    "a name with blanks": ((_own(_metric("a b")),), "OpenTelemetry does not allow"),
    "an instrument of another type": ((_own(_metric("a", instrument="gauge")),), "make it a gauge"),
    "buckets that fall": ((_own(_histogram("a", buckets=(2.0, 1.0))),), "ascending"),
    "two labels that are one": (
        (_own(_metric("a", labels=(_label("x.y"), _label("x_y")))),),
        "two labels are 'x_y'",
    ),
    "a bucket's label": ((_own(_histogram("a", labels=(_label("le"),))),), "reserved"),
    "no vocabulary": (
        (_own(_metric("a", labels=(_label("x", kind="closed"),))),),
        "is closed and has no values",
    ),
    "no budget": ((_own(_metric("a", labels=(_label("x", budget=0),))),), "has no budget"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused(case: str) -> None:
    """Whatever widens ours, clashes or can't be measured is one sentence at start."""
    catalogs, told = WRONG[case]
    with pytest.raises(CatalogError, match=told):
        in_force(catalogs)
