"""What the encoder keeps between collections: enough to be quick, and nothing that is gone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from butterfly_otel.exporters.otlp_wire import MetricsEncoder, official, series
from tests.unit.exporters.otlp.messages import canonical
from tests.unit.exporters.otlp.messages import official as encoded_officially
from tests.unit.exporters.prometheus.support import (
    SCOPE,
    collected,
    counter,
    distribution,
    histogram,
    number,
)

RESOURCE = Resource({"service.name": "node"})
LABELS = {"k": "v"}


class Labels(dict[str, Any]):
    """Attributes whose end can be seen."""


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """Return a function that tells which attributes were encoded since it was last asked."""
    seen: list[Any] = []
    encode = series.encode_attributes

    def spy(attributes: Any, tag: bytes) -> tuple[bytes, bool]:
        seen.append(attributes)
        return encode(attributes, tag)

    monkeypatch.setattr(series, "encode_attributes", spy)

    def asked() -> list[Any]:
        found = seen.copy()
        seen.clear()
        return found

    return asked


def of(*labels: Any) -> MetricsData:
    """Return a collection with a counter and a histogram of these attributes."""
    points = [number(each, index) for index, each in enumerate(labels)]
    distributions = [distribution(each, [1, 2], (1.0,)) for each in labels]
    metrics = [counter("c", *points), histogram("h", *distributions)] if labels else []
    return collected(*metrics, resource=RESOURCE)


def test_attributes_are_encoded_once(encoded: Callable[[], list[Any]]) -> None:
    """As long as a series lives, its attributes are encoded for its first collection only."""
    a, b = {"k": "a"}, {"k": "b"}
    encoder = MetricsEncoder()
    encoder.encode(of(a, b))
    assert encoded() == [a, b, a, b]
    encoder.encode(of(a, b))
    assert encoded() == []


def test_only_new_series_are_encoded_when_series_come_and_go(
    encoded: Callable[[], list[Any]],
) -> None:
    """Series that go, come or change places leave what is kept of the others alone."""
    a, b, c, d = ({"k": each} for each in "abcd")
    encoder = MetricsEncoder()
    encoder.encode(of(a, b, c))
    encoded()
    data = of(d, c, a)
    assert canonical(encoder.encode(data)) == encoded_officially(data)
    assert encoded() == [d, d]


def test_attributes_are_encoded_once_also_in_batches(encoded: Callable[[], list[Any]]) -> None:
    """What is kept of a metric that is in several requests is kept for each of them."""
    labels = [{"k": each} for each in "abcde"]
    encoder = MetricsEncoder()
    assert len(encoder.batches(of(*labels), 3)) == 4
    assert len(encoded()) == 10
    encoder.batches(of(*labels), 3)
    assert encoded() == []


def test_equal_attributes_of_another_series_are_not_mistaken(
    encoded: Callable[[], list[Any]],
) -> None:
    """A copy of a series' attributes is encoded anew, for all that is known of it."""
    a = {"k": "a"}
    encoder = MetricsEncoder()
    encoder.encode(of(a))
    encoded()
    encoder.encode(of(a.copy()))
    assert encoded() == [a, a]


def changed(**changes: Any) -> MetricsData:
    """Return one collection of a histogram whose attributes object is always the same."""
    point = distribution(LABELS, [1, 2], (1.0,))
    return collected(histogram("h", replace(point, **changes)), resource=RESOURCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"start_time_unix_nano": 1},
        {"time_unix_nano": 2},
        {"explicit_bounds": (2.0,)},
        {"explicit_bounds": (2.0, 3.0)},
        {"bucket_counts": [3, 4, 5]},
        {"max": None},
    ],
)
def test_what_changes_beside_kept_attributes(changes: dict[str, Any]) -> None:
    """Whatever else of a point changes arrives although its attributes are kept."""
    encoder = MetricsEncoder()
    for data in (changed(), changed(**changes), changed()):
        assert canonical(encoder.encode(data)) == encoded_officially(data)


def test_resource_and_scope_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What never changes in a process is encoded for the first collection only."""
    calls: list[object] = []

    def count(name: str) -> None:
        encode = getattr(official, name)
        monkeypatch.setattr(official, name, lambda each: calls.append(each) or encode(each))

    count("encode_resource")
    count("encode_scope")
    encoder = MetricsEncoder()
    for _ in range(3):
        encoder.encode(of({}))
    assert calls == [RESOURCE, SCOPE]


@pytest.mark.parametrize("left", [0, 1])
def test_nothing_is_left_of_series_that_are_gone(left: int) -> None:
    """Under churn of attributes objects only those of the last collection are held."""
    stays = [Labels(k="stays")] * left
    encoder = MetricsEncoder()
    seen: list[weakref.ref[Labels]] = []
    for turn in range(20):
        new = [Labels(turn=turn, number=number) for number in range(5)]
        seen.extend(map(weakref.ref, new))
        encoder.encode(of(*stays, *new))
        del new
    gc.collect()
    assert sum(each() is not None for each in seen) == 5
    encoder.encode(of(*stays))
    gc.collect()
    assert sum(each() is not None for each in seen) == 0


def test_nothing_is_left_of_resources_and_scopes_that_are_gone() -> None:
    """Of scopes and resources, too, only those of the last collection are held."""
    encoder = MetricsEncoder()
    for turn in range(20):
        scope = InstrumentationScope(f"scope {turn}")
        encoder.encode(collected(counter("c"), scope=scope, resource=Resource({"turn": turn})))
    size = len(encoder._kept)
    encoder.encode(collected(counter("c")))
    assert len(encoder._kept) == size == 3


def test_collections_may_be_encoded_at_once() -> None:
    """Threads that share an encoder get the bytes of their own collections."""
    labels = [{"k": str(index)} for index in range(50)]
    every = [of(*labels[start:]) for start in range(20)] * 10
    wanted = [MetricsEncoder().encode(data) for data in every]
    encoder = MetricsEncoder()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(encoder.encode, every)) == wanted
