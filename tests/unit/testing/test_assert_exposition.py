"""Comparing expositions: what matters, what does not, and the diff."""

from __future__ import annotations

from pathlib import Path

import pytest

import butterfly_otel
from butterfly_otel import metrics
from butterfly_otel.testing import assert_exposition, capture_metrics

ACTUAL = """\
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{kind="b",at="x"} 2.0
jobs_total{kind="a",at="x"} 1e3
# TYPE wait_seconds histogram
wait_seconds_bucket{le="5.0"} 1.0
wait_seconds_bucket{le="10.0"} 2.0
wait_seconds_bucket{le="+Inf"} 2.0
wait_seconds_count 2.0
wait_seconds_sum 7.25
"""


def test_order_spelling_and_help_do_not_matter() -> None:
    """Families, series and labels in any order, numbers in any spelling, no HELP, indented."""
    assert_exposition(
        ACTUAL,
        """
        # a comment
        # TYPE wait_seconds histogram
        wait_seconds_sum 7.25
        wait_seconds_count 2
        wait_seconds_bucket{le="10"} 2
        wait_seconds_bucket{le="+Inf"} 2 1700000000000
        wait_seconds_bucket{le="5"} 1
        jobs_total{at="x",  kind="a"} 1000
        jobs_total{at="x",kind="b"} 2
        """,
    )


def test_the_diff_is_short_and_in_one_spelling() -> None:
    """What is equal is written alike on both sides, so that only differences show."""
    with pytest.raises(AssertionError) as caught:
        assert_exposition(
            ACTUAL,
            """
            # HELP jobs_total Work.
            # TYPE jobs_total gauge
            jobs_total{kind="a",at="x"} 1000
            jobs_total{kind="c",at="x"} 2
            wait_seconds_bucket{le="5"} 1
            wait_seconds_bucket{le="10"} 2
            wait_seconds_bucket{le="+Inf"} 2
            wait_seconds_count 2
            wait_seconds_sum 7.5
            """,
        )
    assert (
        str(caught.value)
        == """\
the exposition is not as expected:
--- expected
+++ actual
@@ -1,9 +1,9 @@
-# HELP jobs_total Work.
-# TYPE jobs_total gauge
+# HELP jobs_total Jobs.
+# TYPE jobs_total counter
 jobs_total{at="x",kind="a"} 1000
-jobs_total{at="x",kind="c"} 2
+jobs_total{at="x",kind="b"} 2
 wait_seconds_bucket{le="5"} 1
 wait_seconds_bucket{le="10"} 2
 wait_seconds_bucket{le="+Inf"} 2
 wait_seconds_count 2
-wait_seconds_sum 7.5
+wait_seconds_sum 7.25"""
    )


def test_metrics_choose_what_is_compared() -> None:
    """Whole families, by the name of the family or of its samples; else all of them are."""
    expected = "wait_seconds_sum 7.25"
    with pytest.raises(AssertionError, match="jobs_total"):
        assert_exposition(ACTUAL, expected)
    with pytest.raises(AssertionError, match=r"\+wait_seconds_count 2"):
        assert_exposition(ACTUAL, expected, metrics=["wait_seconds"])
    assert_exposition(ACTUAL, 'jobs_total{kind="a",at="x"} 1000', metrics=[], subset=True)
    two = 'jobs_total{kind="a",at="x"} 1000\njobs_total{kind="b",at="x"} 2'
    assert_exposition(ACTUAL, two, metrics=["jobs_total"])
    with pytest.raises(AssertionError, match="-gone 1"):
        assert_exposition(ACTUAL, two + "\ngone 1", metrics=["jobs_total", "gone"])


def test_a_subset_ignores_what_else_there_is() -> None:
    """Only what is expected is looked for; it has to be there with its value."""
    assert_exposition(ACTUAL, "wait_seconds_sum 7.25", subset=True)
    with pytest.raises(AssertionError, match=r"-wait_seconds_sum 7\n\+wait_seconds_sum 7.25"):
        assert_exposition(ACTUAL, "wait_seconds_sum 7", subset=True)
    with pytest.raises(AssertionError, match="-wait_seconds_max 1"):
        assert_exposition(ACTUAL, "wait_seconds_max 1", subset=True)


def test_a_counter_of_openmetrics_is_known_by_its_samples() -> None:
    """Its family has another name, which nothing that is expected has to say."""
    actual = "# TYPE jobs counter\njobs_total 2.0\n# TYPE wait gauge\nwait 1\n# EOF\n"
    assert_exposition(actual, "jobs_total 2", subset=True)
    assert_exposition(actual, "jobs_total 1.9\nwait 1", tolerance=0.2)
    with pytest.raises(AssertionError, match=r"-jobs_total 3\n\+jobs_total 2"):
        assert_exposition(actual, "jobs_total 3", subset=True)


def test_tolerance_and_special_values() -> None:
    """Values may be off by the tolerance; NaN is NaN, infinities are themselves."""
    assert_exposition("a 0.30000000000000004\nb NaN\nc +Inf", "a 0.3\nb nan\nc Inf")
    assert_exposition("a 5", "a 5.4", tolerance=0.5)
    for actual, expected in (("a 5", "a 5.6"), ("a NaN", "a 1"), ("a +Inf", "a -Inf")):
        with pytest.raises(AssertionError):
            assert_exposition(actual, expected, tolerance=0.5)


def test_what_is_no_exposition_is_told_apart() -> None:
    """A mistake in what is expected is the test's, one in what is there a failure."""
    with pytest.raises(ValueError, match="what is expected is no exposition: line 1"):
        assert_exposition("a 1", "a one")
    with pytest.raises(AssertionError, match="line 2 of the exposition: "):
        assert_exposition("a 1\nb{", "a 1")
    with pytest.raises(AssertionError, match=r'the series a\{x="1"\} is there twice'):
        assert_exposition('a{x="1"} 1\na{x="1"} 1', "a 1")


def test_files_urls_and_captures_are_read(tmp_path: Path) -> None:
    """What is compared may stand in a file, be served, or be captured."""
    expected = tmp_path / "expected.txt"
    line = 'butterfly_requests_total{method="inference",status="error",node_role="coordinator"} 1'
    expected.write_text(line)
    with capture_metrics(exporter="prometheus", prometheus_port=0) as captured:
        metrics.requests_total.add(1, method="inference", status="error")
        actual = tmp_path / "actual.txt"
        actual.write_text(captured.exposition())
        url = captured.runtime.prometheus_url
        assert url is not None
        for each in (captured, actual, url):
            assert_exposition(each, expected, metrics=[metrics.requests_total], lint=True)
            assert_exposition(each, expected, subset=True)
            assert_exposition(each, f"# TYPE butterfly_requests_total counter\n{line}", subset=True)
        butterfly_otel.shutdown()
        with pytest.raises(AssertionError, match="cannot be reached"):
            assert_exposition(url, expected)
    with pytest.raises(AssertionError, match=r"missing\.txt cannot be read"):
        assert_exposition(tmp_path / "missing.txt", expected)


def test_the_contract_can_be_asked_for() -> None:
    """With lint, what is there must also be true to the contract."""
    text = 'butterfly_requests_total{method="inference",status="sucess",node_role="compute"} 1\n'
    assert_exposition(text, text)
    with pytest.raises(AssertionError, match=r"(?s)not true to the contract:.*line 1: label-value"):
        assert_exposition(text, text, lint=True)
