"""Drives every metric of the contract with every label, and says what must come out.

The expectation is worked out from the checked-in facts of the specification and plain
arithmetic, not from what the SDK or an exporter makes of it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from butterfly_otel import metrics
from butterfly_otel.handles.handles import ObservableHandle

FACTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "specification.json").read_text(encoding="utf-8")
)["metrics"]

#: A sample's identity as Prometheus has it: name and labels, ``le`` as a number.
Series = tuple[str, frozenset[tuple[str, str]]]

#: Two values for each label without a closed vocabulary, one of them hard to escape.
_VALUES: dict[str, tuple[str, str]] = {
    "node_id": ("compute-node-1", "compute-node-2"),
    "from_node": ("compute-node-1", "coordinator-1"),
    "to_node": ("compute-node-2", "coordinator-2"),
    "from_coordinator": ("coordinator-1", "coordinator-2"),
    "layer_id": ("0", "199"),
    "model": ("llama-70b", 'a "quoted" \\ back\\slash\nand line ü'),
    "error_type": ("timeout", "byzantine_fault"),
    "gpu_id": ("0", "7"),
    "core": ("0", "63"),
    "node_pair": ("compute-node-1_compute-node-2", "a_b"),
    "node_id_pair": ("compute-node-1_compute-node-2", "a_b"),
    "barrier_id": ("barrier_1", "barrier_2"),
    "task_id": ("task_001", "task_002"),
    "checkpoint_id": ("ckpt_001", "ckpt_002"),
}


@dataclass
class Expected:
    """What an exposition of the driven contract must hold."""

    samples: dict[Series, float] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, labels: dict[str, str], value: float) -> None:
        """Expect one sample."""
        self.samples[series(name, labels)] = value


def series(name: str, labels: dict[str, str]) -> Series:
    """Return a sample's identity; ``le`` is compared as a number, empty labels are absent."""
    kept = {key: value for key, value in labels.items() if value}
    if "le" in kept:
        kept["le"] = repr(float(kept["le"]))
    return name, frozenset(kept.items())


def drive(stack: ExitStack) -> Expected:
    """Measure every metric through its handle; callbacks are undone when ``stack`` closes."""
    expected = Expected()
    handles = {handle.metric.name: handle for handle in metrics.ALL}
    for number, fact in enumerate(FACTS):
        handle = handles[fact["name"]]
        expected.types[fact["name"]] = fact["type"]
        rows = [dict(zip(_keys(fact), row, strict=True)) for row in _rows(fact)]
        values = [_value(fact, number, index) for index in range(len(rows))]
        if isinstance(handle, ObservableHandle):
            stack.enter_context(_observe(handle, rows, values))
        for row, value in zip(rows, values, strict=True):
            if fact["type"] == "histogram":
                _histogram(expected, fact, row, _records(fact))
                for each in _records(fact):
                    handle.record_values(tuple(row.values()), each)  # type: ignore[union-attr]
                continue
            expected.add(fact["name"], row, value)
            if not isinstance(handle, ObservableHandle):
                handle.record_values(tuple(row.values()), value)  # type: ignore[attr-defined]
    return expected


def _bounds(fact: dict[str, Any]) -> list[float]:
    return [float(bound) for bound in fact["buckets"] if bound != "+Inf"]


def _keys(fact: dict[str, Any]) -> list[str]:
    return [label["name"] for label in fact["labels"]]


def _rows(fact: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield every combination: whole vocabularies, two values of everything else."""
    columns: list[Sequence[str]] = [
        _VALUES[label["name"]] if label["examples"] else label["values"] for label in fact["labels"]
    ]
    yield from product(*columns)


def _value(fact: dict[str, Any], number: int, index: int) -> float:
    """Return a value that no other series of this contract has, where that may be."""
    if fact["name"] == "butterfly_connection_active":
        return index % 2
    if fact["name"].endswith("_ratio"):
        return (number + 1) / 100 + index / 10_000
    return float(1000 * (number + 1) + index)


def _records(fact: dict[str, Any]) -> list[float]:
    """Return values on each boundary, between boundaries, and beyond the last."""
    bounds = _bounds(fact)
    between = [(low + high) / 2 for low, high in zip([0.0, *bounds], bounds, strict=False)]
    return [*bounds, *between, bounds[-1] * 3]


def _histogram(
    expected: Expected, fact: dict[str, Any], row: dict[str, str], records: list[float]
) -> None:
    bounds = _bounds(fact)
    counts = [0] * (len(bounds) + 1)
    for each in records:
        counts[bisect_left(bounds, each)] += 1
    for position, bound in enumerate([*bounds, float("inf")]):
        expected.add(
            f"{fact['name']}_bucket", {**row, "le": repr(bound)}, sum(counts[: position + 1])
        )
    expected.add(f"{fact['name']}_count", row, len(records))
    expected.add(f"{fact['name']}_sum", row, sum(records))


def _observe(handle: ObservableHandle, rows: list[dict[str, str]], values: list[float]) -> Any:
    observations = [
        handle._observation(value, tuple(row.values()))
        for row, value in zip(rows, values, strict=True)
    ]
    return handle.observe(lambda: observations)
