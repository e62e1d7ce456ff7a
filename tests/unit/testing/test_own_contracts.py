"""Metrics of contracts of one's own, asked for by name as a test would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import metrics as api

from butterfly_otel import CatalogError
from butterfly_otel.catalogs import load
from butterfly_otel.testing import Captured, assert_metric, capture_metrics

EXAMPLE = load(Path(__file__).parents[3] / "examples" / "own_contract" / "gen_ai.yaml")
NAME = "gen_ai.server.requests_in_flight"


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Capture one series of a metric that has dots in its name and in its label."""
    with capture_metrics(catalogs=[EXAMPLE]) as found:
        counter = api.get_meter("gen_ai.server").create_up_down_counter(NAME, "{request}")
        counter.add(3, {"gen_ai.request.model": "llama-70b"})
        yield found


@pytest.mark.parametrize("name", [NAME, EXAMPLE[NAME].prometheus_name])
def test_a_metric_is_asked_for_by_either_of_its_names(captured: Captured, name: str) -> None:
    """By OpenTelemetry's and Prometheus' names alike, labels as handles take them."""
    assert captured.value(name, gen_ai_request_model="llama-70b") == 3
    assert_metric(name, 3, gen_ai_request_model="llama-70b")


def test_a_label_that_it_has_not_is_a_mistake(captured: Captured) -> None:
    """A question that can never be answered by yes is refused, as for Butterfly's metrics."""
    with pytest.raises(CatalogError, match="has no label 'modl'"):
        captured.value(NAME, modl="llama-70b")
