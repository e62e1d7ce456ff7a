"""Assertions: when they hold, and word for word what they say when they don't."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from butterfly_otel import CatalogError, metrics
from butterfly_otel.testing import (
    Captured,
    assert_histogram,
    assert_metric,
    assert_no_metric,
    assert_no_violations,
    capture_metrics,
)

REQUESTS = metrics.requests_total
SECONDS = metrics.request_duration_seconds


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Capture three series and a histogram."""
    with capture_metrics() as captured:
        REQUESTS.add(3, method="inference", status="success")
        REQUESTS.add(1, method="checkpoint", status="error")
        metrics.pipeline_depth.set(7)
        for value in (0.25, 0.5, 3.0):
            SECONDS.record(value, method="inference")
        yield captured


@pytest.mark.usefixtures("captured")
def test_what_is_true_holds() -> None:
    """Values, counts of histograms, tolerances, absent series."""
    assert_metric(REQUESTS, 3, method="inference", status="success")
    assert_metric("butterfly_pipeline_depth", 7.0)
    assert_metric(metrics.pipeline_depth, 7.4, tolerance=0.5)
    assert_metric(SECONDS, 3)
    assert_histogram(SECONDS, count=3, sum=3.75, buckets={0.1: 0, 0.5: 2, 5: 3})
    assert_histogram(SECONDS, sum=3.7, tolerance=0.1)
    assert_no_metric(REQUESTS, method="inference", status="error")
    assert_no_violations()


FAILURES: list[tuple[Callable[[], None], str]] = [
    (
        lambda: assert_metric(REQUESTS, 1, method="inference", status="error"),
        """\
butterfly_requests_total{method="inference", status="error"} has no series, expected 1 (unit: request)

2 series of butterfly_requests_total, the nearest first:
  {method="checkpoint", node_role="coordinator", status="error"}   1    method is "checkpoint", not "inference"
  {method="inference", node_role="coordinator", status="success"}  3    status is "success", not "error\"""",
    ),
    (
        lambda: assert_metric(REQUESTS, 4, method="inference"),
        """\
butterfly_requests_total{method="inference"} is 3, not 4 (unit: request)

2 series of butterfly_requests_total, the nearest first:
  {method="inference", node_role="coordinator", status="success"}  3
  {method="checkpoint", node_role="coordinator", status="error"}   1    method is "checkpoint", not "inference\"""",
    ),
    (
        lambda: assert_metric(metrics.pipeline_depth, 8, tolerance=0.5),
        "butterfly_pipeline_depth is 7, not 8 (give or take 0.5) (unit: stage)",
    ),
    (
        lambda: assert_metric(metrics.tasks_assigned_total, 1),
        (
            "butterfly_tasks_assigned_total was never measured, expected 1 (unit: task); measured"
            " were butterfly_pipeline_depth, butterfly_request_duration_seconds,"
            " butterfly_requests_total"
        ),
    ),
    (
        lambda: assert_metric(SECONDS, 4),
        "butterfly_request_duration_seconds is 3, not 4 values recorded",
    ),
    (
        lambda: assert_histogram(
            SECONDS, count=4, sum=3.5, buckets={0.5: 1, 5.0: 3, 0.7: 2}, method="inference"
        ),
        """\
butterfly_request_duration_seconds{method="inference"} differs:
  count 3, not 4
  sum 3.75, not 3.5
  at most 0.5: 2, not 1
  no bucket le=0.7; there are 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10 and +Inf

It has count 3, sum 3.75 (2 at most 0.5, 1 at most 5)""",
    ),
    (
        lambda: assert_histogram(SECONDS, count=1, method="checkpoint"),
        """\
butterfly_request_duration_seconds{method="checkpoint"} has no series, expected a histogram

The only one there is:
  {method="inference", node_role="coordinator"}  count 3, sum 3.75 (2 at most 0.5, 1 at most 5)\
    method is "inference", not "checkpoint\"""",
    ),
    (
        lambda: assert_no_metric(REQUESTS, method="inference"),
        """\
butterfly_requests_total{method="inference"} should have no series, and has 1:
  {method="inference", node_role="coordinator", status="success"}  3""",
    ),
]


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize(("check", "said"), FAILURES)
def test_a_failure_says_what_there_is_instead(check: Callable[[], None], said: str) -> None:
    """Each failure has the nearest series, what is different about them, and the unit."""
    with pytest.raises(AssertionError) as caught:
        check()
    assert str(caught.value) == said


def test_many_series_are_cut() -> None:
    """Ten series are listed, the others counted."""
    with capture_metrics():
        for number in range(12):
            metrics.tokens_processed_total.add(1, model=f"m{number:02}")
        with pytest.raises(AssertionError) as caught:
            assert_metric(metrics.tokens_processed_total, 1, model="m99")
    assert str(caught.value).endswith("\n  and 2 more")
    assert str(caught.value).count("\n") == 13


@pytest.mark.usefixtures("captured")
def test_an_assertion_about_nothing_is_a_mistake() -> None:
    """A misspelt name or label never makes an assertion true; neither does the wrong kind."""
    with pytest.raises(CatalogError):
        assert_no_metric("butterfly_request_total")
    with pytest.raises(CatalogError):
        assert_no_metric(REQUESTS, status="sucess")
    with pytest.raises(TypeError, match=r"butterfly_pipeline_depth is no histogram"):
        assert_histogram(metrics.pipeline_depth, count=1)


def test_without_a_capture_the_assertion_says_so() -> None:
    """Outside of a capture there is nothing to ask."""
    with pytest.raises(AssertionError, match="nothing is captured: use the fixture"):
        assert_metric(REQUESTS, 1)


def test_violations_are_listed() -> None:
    """In production mode a test may still insist that nothing broke the contract."""
    with capture_metrics(strict=False):
        for _ in range(2):
            REQUESTS.add(1, method="inference", status="sucess")  # type: ignore[arg-type]
        with pytest.raises(AssertionError) as caught:
            assert_no_violations()
    assert str(caught.value) == (
        "measurements broke the contract:\n"
        "  butterfly_requests_total: label status unknown_value (2 times)"
    )
