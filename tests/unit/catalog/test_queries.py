"""The example queries: all of the specification's, and nothing that does not exist."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from butterfly_otel import catalog
from butterfly_otel.catalog import queries
from butterfly_otel.operate.rules import RecordingRule, recording_groups
from tests.promql_names import known, known_labels, labels, metrics

SHEET = Path(__file__).parents[2] / "contract" / "queries.json"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
RECORDED = {
    rule.record
    for group in recording_groups()
    for rule in group.rules
    if isinstance(rule, RecordingRule)
}


def test_every_example_of_the_specification_is_there() -> None:
    """As many as it has under each metric and heading: 78 in all."""
    expected = json.loads(SHEET.read_text())["examples"]
    assert sum(expected.values()) == 78
    assert Counter(query.subject for query in queries.ALL if not query.own) == expected


@pytest.mark.parametrize("query", queries.ALL, ids=lambda query: query.tells)
def test_a_query_names_what_there_is(query: queries.Query) -> None:
    """Its metric, and no metric or label that does not exist; what it tells is a sentence."""
    assert [name for name in metrics(query.expr) if not known(name, RECORDED)] == []
    assert labels(query.expr) <= known_labels(), query.expr
    assert query.tells.endswith(".")
    if query in queries.OF_METRICS:
        assert query.subject in query.expr


def test_every_metric_has_its_query_in_the_reference() -> None:
    """The catalogue's own query is among them, and all of them are in the reference."""
    text = REFERENCE.read_text(encoding="utf-8")
    told = {(query.subject, query.expr) for query in queries.OF_METRICS}
    for metric in catalog.ALL:
        assert (metric.name, metric.query) in told, (
            f"{metric.name} has a query that no module of butterfly_otel/catalog/queries/ has,"
            " word for word; add a Query there, or make the two equal"
        )
    for query in queries.ALL:
        assert f"{query.tells}\n\n```promql\n{query.expr}\n```" in text
