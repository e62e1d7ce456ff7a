"""The contract written a second time, by hand-made examples."""

from __future__ import annotations

from butterfly_otel import catalog
from butterfly_otel.catalog.model import Label, Metric
from butterfly_otel.loadtest.expected import Expected
from butterfly_otel.views.streams import Stream

PEER = Label(key="peer", kind="identity", help="A peer.", budget=2)
STATUS = Label(key="status", kind="closed", help="A status.", values=("up", "down"))
NODE = Label(key="node_id", kind="identity", help="The node.", budget=5, default="node_id")
LATEST = Label(key="checkpoint", kind="unbounded", help="An id.", budget=2, keep="latest")


def metric(*labels: Label, instrument: str = "counter", limit: int | None = None) -> Expected:
    """Return what the contract makes of a metric with these labels."""
    made = Metric(
        name="butterfly_example",
        type="gauge" if instrument == "gauge" else "counter",
        instrument=instrument,  # type: ignore[arg-type]
        why="An example.",
        unit="{thing}",
        help="An example.",
        category="requests",
        labels=labels,
        query="butterfly_example",
        limit=limit,
    )
    return Expected(Stream.of(made), "node-1", "compute")


def test_beyond_a_budget_is_other() -> None:
    """The first values keep their places, and what comes later adds up in one series."""
    found = metric(PEER)
    for peer in ("a", "b", "c", "d", "a"):
        found.measure((peer,), 1)
    assert found.series == {("a",): 2, ("b",): 1, ("other",): 2}
    assert found.violations == {("peer", "over_budget"): 2}
    assert found.overflow is None


def test_outside_a_vocabulary_is_other_and_what_is_left_out_has_its_default() -> None:
    """A closed label has no budget, and the node's own name needs not be given."""
    found = metric(NODE, STATUS)
    found.measure((None, "up"), 1)
    found.measure((None, "sideways"), 1)
    assert found.series == {("node-1", "up"): 1, ("node-1", "other"): 1}
    assert found.violations == {("status", "unknown_value"): 1}


def test_beyond_the_limit_of_a_stream_is_the_overflow_point() -> None:
    """Values that are in their budgets make more combinations than there may be series."""
    found = metric(PEER, STATUS, limit=3)
    for peer in ("a", "b"):
        for status in ("up", "down"):
            found.measure((peer, status), 1)
    assert len(found.series) == 3
    assert found.overflow == 1
    assert not found.violations


def test_the_latest_end_the_series_of_the_oldest() -> None:
    """Of an id of which the latest are kept, the oldest ends, with what its series had."""
    found = metric(LATEST)
    for name in ("one", "two", "two", "three"):
        found.measure((name,), 1)
    assert found.series == {("two",): 2, ("three",): 1}
    assert (found.ended, found.ended_series) == (1, 1)


def test_a_series_that_ends_gives_its_places_back() -> None:
    """The next value finds one, and is exported as it is."""
    found = metric(PEER)
    found.measure(("a",), 1)
    found.measure(("b",), 1)
    found.end(("a",))
    found.measure(("c",), 1)
    assert found.series == {("b",): 1, ("c",): 1}
    assert not found.violations


def test_a_gauge_has_its_last_value() -> None:
    """It does not add up."""
    found = metric(PEER, instrument="gauge")
    found.measure(("a",), 3)
    found.measure(("a",), 2)
    assert found.series == {("a",): 2}


def test_what_is_not_observed_again_gives_its_places_back_after_the_collection() -> None:
    """In the collection itself, those of the last one are still taken."""
    found = metric(PEER, instrument="observable_gauge")
    for peers in (("a", "b"), ("c", "d"), ("e", "f")):
        found.begin_collection()
        for peer in peers:
            found.measure((peer,), 1)
        found.end_collection()
    assert found.series == {("e",): 1, ("f",): 1}
    assert found.violations == {("peer", "over_budget"): 2}


def test_it_is_of_every_metric_of_the_catalogue() -> None:
    """Each can be measured, with its defaults alone or known values."""
    for each in catalog.ALL:
        found = Expected(Stream.of(each), "node-1", "compute")
        labels = tuple(
            None if label.default else (label.values or ("a",))[0] for label in each.labels
        )
        found.measure(labels, 1)
        assert not found.violations
        assert len(found.series) == 1
