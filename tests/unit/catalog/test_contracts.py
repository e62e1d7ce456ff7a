"""Several contracts in one process: what they may have, and what is asked of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from butterfly_otel import catalog
from butterfly_otel.catalog.contracts import BUTTERFLY_ALONE, Contracts
from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.errors import CatalogError
from butterfly_otel.views.streams import default_streams

OURS = catalog.BY_NAME["butterfly_requests_total"]
TASKS = catalog.BY_NAME["butterfly_tasks_completed_total"]


def metric(name: str, **fields: object) -> Metric:
    """Return a counter, or what the fields make of it."""
    plain = Metric(
        name=name,
        type="counter",
        instrument="counter",
        why="It only grows.",
        unit="{thing}",
        help="Things.",
        category="things",
        query=f"rate({name}[5m])",
    )
    return replace(plain, **fields)  # type: ignore[arg-type] # of any field


def contract(*metrics: Metric, name: str = "own", meter: str = "own") -> Catalog:
    """Return a contract of these metrics."""
    return Catalog(name=name, meter=meter, metrics=metrics)


def test_butterflys_stands_alone() -> None:
    """Without others there is what the catalogue has, on its meter, exactly named."""
    assert BUTTERFLY_ALONE.meters == (catalog.METER_NAME,)
    assert BUTTERFLY_ALONE.find(catalog.METER_NAME, OURS.name) is OURS
    assert BUTTERFLY_ALONE.is_exact(catalog.METER_NAME, OURS.name)
    assert BUTTERFLY_ALONE.find("another", OURS.name) is None


def test_others_are_found_by_meter_and_name() -> None:
    """A metric is its contract's on that contract's meter alone; dots are translated."""
    things, spans = metric("my_things_total"), metric("my.spans")
    contracts = Contracts([contract(things, spans)])
    assert contracts.meters == (catalog.METER_NAME, "own")
    assert contracts.find("own", "my_things_total") is things
    assert contracts.named("my.spans") is spans
    assert contracts.is_exact("own", "my_things_total")
    assert not contracts.is_exact("own", "my.spans")
    assert contracts.find(catalog.METER_NAME, "my_things_total") is None


def test_butterflys_meter_may_have_more() -> None:
    """An extension of ours is a metric on our meter."""
    extra = metric("my_things_total")
    contracts = Contracts([contract(extra, meter=catalog.METER_NAME)])
    assert contracts.find(catalog.METER_NAME, "my_things_total") is extra


@pytest.mark.parametrize(
    ("catalogs", "message"),
    [
        (
            [contract(metric("a_total")), contract(metric("a_total"), name="b", meter="b")],
            "the contract 'b': a_total is there twice",
        ),
        (
            [contract(metric("a.things"), metric("a_things_total"))],
            "a_things_total and a.things are both a_things_total in Prometheus",
        ),
        (
            [contract(metric("butterfly.tasks.completed", unit="{task}"))],
            "are both butterfly_tasks_completed_total in Prometheus",
        ),
        ([contract(replace(OURS, unit="s"))], "has the unit 's', but Butterfly's contract fixes"),
        (
            [contract(replace(OURS, labels=(*OURS.labels, Label(key="model", kind="bounded",
                                                                 help="M.", budget=20))))],
            "has the label model, which Butterfly's contract does not allow; measure it by a",
        ),
        (
            [contract(replace(OURS, labels=(replace(OURS.labels[1], values=("inference", "chat")),
                                            )))],
            "allows chat for the label method, but Butterfly's contract allows only inference",
        ),
        (
            [contract(replace(OURS, labels=(replace(OURS.labels[1], kind="open", budget=9),)))],
            "for the label method, but Butterfly's contract allows only inference",
        ),
        ([contract(replace(OURS, limit=4_999))], "has the limit 4999, above the"),
        ([contract(OURS), contract(OURS, name="b", meter="b")], "is narrowed twice"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(catalogs: list[Catalog], message: str) -> None:
    """One sentence says what is wrong, of which metric of which contract, and what to do."""
    with pytest.raises(CatalogError) as raised:
        Contracts(catalogs)
    assert message in str(raised.value)


def test_ours_can_be_narrowed() -> None:
    """Fewer labels, a smaller vocabulary, a lower limit; what labels mean stays ours."""
    method = replace(OURS.labels[1], values=("inference",), default=None, help="Else.")
    role = replace(OURS.labels[0], default=None)
    contracts = Contracts([contract(replace(OURS, labels=(method, role), limit=3))])
    [stream] = [each for each in default_streams(contracts) if each.metric is OURS]
    assert [label.key for label in stream.labels] == ["node_role", "method"]
    assert stream.labels[0].default == "node_role"
    assert stream.labels[1].values == ("inference",)
    assert stream.labels[1].help == OURS.labels[1].help
    assert stream.limit == 3
    assert contracts.find(catalog.METER_NAME, OURS.name) is OURS


def test_streams_of_all_contracts() -> None:
    """Each metric has one stream, on the meter of its contract."""
    streams = default_streams(Contracts([contract(metric("my_things_total"))]))
    assert [each.meter for each in streams if each.metric.name == "my_things_total"] == ["own"]
    assert len(streams) == len(catalog.ALL) + 1
