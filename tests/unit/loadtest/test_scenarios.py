"""Which label sets a load test offers."""

from __future__ import annotations

from itertools import chain

import pytest

from butterfly_otel import catalog
from butterfly_otel.loadtest.scenarios import FLOODS, Flood, cluster_sets, known, rounds
from butterfly_otel.operate.sizes import ROLES, Shape, node_series, reports, samples
from butterfly_otel.views.overlays import apply_overlay
from butterfly_otel.views.streams import Stream, default_streams

ERRORS = Stream.of(catalog.BY_NAME["butterfly_connection_errors_total"])
CHECKPOINTS = Stream.of(catalog.BY_NAME["butterfly_checkpoint_size_bytes"])


@pytest.mark.parametrize("flood", FLOODS)
def test_each_label_set_is_offered_once(flood: Flood) -> None:
    """Sets are as many as asked for, each of them new, and the known one is not among them."""
    found = list(chain.from_iterable(each.sets for each in rounds(ERRORS, flood, 3000)))
    assert len(found) == len(set(found)) == 3000
    assert known(ERRORS.metric) not in found


def test_ids_break_one_label_at_a_time() -> None:
    """Of each label in turn the value is one that nobody knows; the others are in the budget."""
    always = known(ERRORS.metric)
    [first] = rounds(ERRORS, "ids", 6)
    differing = [
        [at for at, value in enumerate(labels) if value != always[at]] for labels in first.sets
    ]
    assert differing == [[0], [1], [2], [0], [1], [2]]


def test_limits_stay_within_every_budget_and_end() -> None:
    """There are as many sets as the budgets allow, less the one that is known."""
    stream = Stream.of(catalog.BY_NAME["butterfly_tensor_size_bytes"])
    found = list(chain.from_iterable(each.sets for each in rounds(stream, "limits", 10**9)))
    assert len(found) == 200 * 2 - 1
    for at, label in enumerate(stream.metric.labels):
        assert len({labels[at] for labels in found}) == label.seats - 1


def test_what_churns_lives_in_small_groups_that_end() -> None:
    """No more live at once than half of the smallest budget, and all of them end."""
    found = list(rounds(CHECKPOINTS, "churn", 100))
    assert all(each.ends and len(each.sets) <= 16 for each in found)
    assert sum(len(each.sets) for each in found) == 100


def test_a_dropped_label_does_not_vary() -> None:
    """With an overlay that drops an id, sets that differ by it alone would be one series."""
    streams = apply_overlay(default_streams(), "low-cardinality")
    [stream] = [each for each in streams if each.metric is CHECKPOINTS.metric]
    at = stream.metric.label_keys.index("checkpoint_id")
    for flood in FLOODS:
        [first, *_] = rounds(stream, flood, 10)
        assert {labels[at] for labels in first.sets} == {known(stream.metric)[at]}


def test_a_metric_without_labels_has_no_further_sets() -> None:
    """There is nothing to make up where nothing can differ."""
    stream = Stream.of(catalog.BY_NAME["butterfly_consensus_leader_changes_total"])
    for flood in FLOODS:
        assert list(rounds(stream, flood, 10)) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_healthy_node_has_the_sets_that_sizes_counts(role: str) -> None:
    """Within the budgets, label sets times lines are the samples that `sizes` predicts."""
    shape = Shape.of(50)
    predicted = node_series(role, shape)  # type: ignore[arg-type]
    for stream in default_streams():
        if reports(stream, role):  # type: ignore[arg-type]
            sets = list(cluster_sets(stream.metric, role, shape))  # type: ignore[arg-type]
            assert len(sets) == len(set(sets))
            assert len(sets) * samples(stream) == predicted[stream.metric.name]
