"""The load test of the budgets: however many values labels get, a node's page stays what it is."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import catalog, metrics
from butterfly_otel.catalog.model import Label, Metric
from butterfly_otel.operate.sizes import ceiling, sample_limit, samples
from butterfly_otel.views.streams import Stream

#: Beyond every budget and every limit by so much.
TOO_MANY = 2
_METHODS = {"counter": "add", "up_down_counter": "add", "histogram": "record", "gauge": "set"}


def values(label: Label) -> list[str]:
    """Return more values than a label's budget or closed vocabulary lets through."""
    if label.kind == "closed":
        return [*label.values, "stranger"]
    # A pair is its two ids in order.
    return [f"a_{number:05}" for number in range(label.budget + TOO_MANY)]


def combinations(metric: Metric) -> Iterator[dict[str, str]]:
    """Return more combinations of labels than a metric's stream may have series."""
    varying = [each for each in metric.labels if each.default not in {"node_id", "node_role"}]
    keys = [each.key for each in varying]
    found = product(*map(values, varying))
    return (dict(zip(keys, each, strict=True)) for each in islice(found, 2 * metric.stream_limit))


def flood(metric: Metric) -> None:
    """Measure a metric under all of these combinations."""
    handle: Any = getattr(metrics, metric.name.removeprefix("butterfly_"))
    if metric.instrument.startswith("observable"):
        handle.observe(lambda: [Observation(1, each) for each in combinations(metric)])
        return
    measure = getattr(handle, _METHODS[metric.instrument])
    for each in combinations(metric):
        measure(1, **each)


@pytest.mark.filterwarnings("ignore")
def test_no_load_makes_a_page_larger_than_its_ceiling() -> None:
    """Every metric is flooded, and each has at most the samples that sample_limit counts on."""
    runtime = butterfly_otel.configure(
        node_id="n",
        node_role="compute",
        prometheus_port=0,
        registry=CollectorRegistry(),
        handle_signals=False,
    )
    for metric in catalog.CONTRACT:
        flood(metric)
    assert runtime.prometheus_url is not None
    with urllib.request.urlopen(runtime.prometheus_url, timeout=60) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    found = Counter(line.partition("{")[0].partition(" ")[0] for line in lines)
    for metric in catalog.CONTRACT:
        stream, parts = Stream.of(metric), ("",)
        if metric.type == "histogram":
            parts = ("_bucket", "_sum", "_count")
        counted = sum(found[f"{metric.name}{part}"] for part in parts)
        most = ceiling([stream]) - 1
        assert 0 < counted <= most, metric.name
        overflows = most // samples(stream) > stream.limit
        assert not overflows or counted == most, metric.name
    assert len(lines) < ceiling() < sample_limit()
