"""Lint rules over contracts of one's own: Butterfly's rules, without what is Butterfly's alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from butterfly_otel import catalog
from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.lint.contract.own import lint_contract

EXACT = Metric(
    name="shop_orders_total",
    type="counter",
    instrument="counter",
    why="Counted.",
    unit="{order}",
    help="Orders.",
    category="shop",
    query="rate(shop_orders_total[5m])",
    labels=(Label(key="country", kind="bounded", help="Where.", budget=10, default="empty"),),
    across_why="They add up.",
)
DOTTED = replace(
    EXACT,
    name="shop.order.duration",
    type="histogram",
    instrument="histogram",
    unit="s",
    query="rate(shop_order_duration_seconds_count[5m])",
    labels=(Label(key="shop.country", kind="bounded", help="Where.", budget=10),),
    buckets=(0.0, 1.0),
)


def findings(*metrics: Metric, exceptions: tuple[tuple[str, str, str], ...] = ()) -> list[str]:
    """Return the rules that have something against metrics."""
    contract = Catalog(name="shop", meter="shop", metrics=metrics, exceptions=exceptions)
    return [each.rule for each in lint_contract(contract)]


def test_nothing_is_wrong_with_good_contracts() -> None:
    """An exact metric, one with dots, and Butterfly's whole contract are as they should be."""
    assert findings(EXACT, DOTTED) == []
    assert lint_contract(catalog.BUTTERFLY) == []


@pytest.mark.parametrize(
    ("metric", "rule"),
    [
        (replace(EXACT, name="shopOrders_total", query="shopOrders_total"), "name-shape"),
        (replace(DOTTED, name="shop..duration", query="shop_duration_seconds_count"), "name-shape"),
        (replace(EXACT, name="shop_orders", query="shop_orders"), "counter-suffix"),
        (
            replace(
                DOTTED,
                name="shop.total",
                type="counter",
                instrument="counter",
                buckets=(),
                unit="{x}",
                query="shop_total",
            ),
            "counter-suffix",
        ),
        (replace(EXACT, unit="ms"), "unit-suffix"),
        (replace(EXACT, unit="two words"), "unit-suffix"),
        (
            replace(EXACT, name="shop_seconds_total", query="shop_seconds_total"),
            "unit-suffix",
        ),
        (
            replace(DOTTED, name="shop.seconds", query="shop_seconds_count"),
            "unit-suffix",
        ),
        (
            replace(
                EXACT,
                name="shop_count",
                type="gauge",
                instrument="gauge",
                across="max",
                query="shop_count",
            ),
            "sample-suffix",
        ),
        (replace(EXACT, instrument="gauge"), "instrument-kind"),
        (replace(DOTTED, buckets=()), "bucket-bounds"),
        (replace(DOTTED, buckets=(-1.0, 1.0)), "bucket-bounds"),
        (replace(DOTTED, buckets=(2.0, 1.0)), "bucket-bounds"),
        (replace(EXACT, across="latest"), "across-processes"),
        (replace(EXACT, help="orders"), "one-sentence"),
        (replace(EXACT, query="rate(other_total[5m])"), "query-subject"),
        (replace(EXACT, limit=12), "stream-limit"),
        (replace(EXACT, labels=(replace(EXACT.labels[0], key="job"),)), "label-key"),
        (replace(EXACT, labels=(replace(EXACT.labels[0], key="a.B"),)), "label-key"),
        (
            replace(EXACT, labels=tuple(replace(EXACT.labels[0], key=k) for k in ("a.b", "a_b"))),
            "label-key",
        ),
        (replace(EXACT, labels=(replace(EXACT.labels[0], key="user_id"),)), "label-forbidden"),
        (replace(EXACT, labels=(replace(EXACT.labels[0], budget=0),)), "label-budget"),
        (replace(EXACT, labels=(replace(EXACT.labels[0], default="node_id"),)), "label-default"),
        (
            replace(EXACT, name="butterfly_otel_x_total", query="butterfly_otel_x_total"),
            "name-reserved",
        ),
    ],
)
def test_a_rule_finds_its_mistake(metric: Metric, rule: str) -> None:
    """What is wrong is found by the rule that is about it, and by no other."""
    assert findings(metric) == [rule]


def test_names_that_meet_in_prometheus_collide() -> None:
    """A metric with dots and an exact one that are one family there are told."""
    other = replace(EXACT, name="shop.orders", query="shop_orders_total")
    assert findings(EXACT, other) == ["sample-collision"]


def test_an_exception_grants_and_an_unused_one_is_told() -> None:
    """A granted finding is gone; an exception for nothing, or of no rule, is a warning."""
    wrong = replace(EXACT, unit="ms")
    assert findings(wrong, exceptions=(("unit-suffix", EXACT.name, "R."),)) == []
    unused = (("unit-suffix", EXACT.name, "R."), ("no-rule", EXACT.name, "R."))
    contract = Catalog(name="shop", meter="shop", metrics=(EXACT,), exceptions=unused)
    found = lint_contract(contract)
    assert [(each.rule, each.severity) for each in found] == [("unused-exception", "warning")] * 2
    assert "no-rule is the name of no rule" in found[0].message
    assert "unit-suffix has nothing against it" in found[1].message
