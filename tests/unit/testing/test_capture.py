"""Capturing: questions about what was measured, and everything undone afterwards."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from opentelemetry import metrics as otel

import butterfly_otel
from butterfly_otel import CatalogError, ConfigurationError, LabelError, memory, metrics
from butterfly_otel.memory.books import POOLS
from butterfly_otel.testing import Captured, HistogramValue, Violation, capture_metrics


def test_values_are_found_by_name_handle_and_bound_instrument() -> None:
    """The three ways to name a series give the same; labels of this node may be left out."""
    bound = metrics.requests_total.bind(method="inference", status="success")
    with capture_metrics(node_role="compute") as captured:
        bound.add(2)
        name = "butterfly_requests_total"
        assert captured.value(name, method="inference", status="success") == 2
        assert captured.value(metrics.requests_total, node_role="compute") == 2
        assert captured.value(bound) == 2
        assert captured.value(name, status="error") is None


def test_this_node_is_meant_where_several_nodes_have_the_same_labels() -> None:
    """A label with a default means this node's, unless it is given."""
    with capture_metrics(node_id="a") as captured:
        metrics.tokens_processed_total.add(1, model="m")
        metrics.tokens_processed_total.add(5, model="m", node_id="b")
        assert captured.value(metrics.tokens_processed_total, model="m") == 1
        assert captured.value(metrics.tokens_processed_total, node_id="b") == 5
        assert captured.total(metrics.tokens_processed_total, model="m") == 6
        assert len(captured.series(metrics.tokens_processed_total)) == 2


def test_a_histogram_has_count_sum_and_cumulative_buckets() -> None:
    """Buckets are those of `le`; asking a histogram for a value says what to ask instead."""
    seconds = metrics.request_duration_seconds
    with capture_metrics() as captured:
        for value in (0.25, 0.5, 3):
            seconds.record(value, method="inference")
        found = captured.histogram(seconds, method="inference")
        assert found is not None
        assert (found.count, found.sum) == (3, 3.75)
        assert (found.buckets[0.1], found.buckets[0.5], found.buckets[float("inf")]) == (0, 2, 3)
        with pytest.raises(TypeError, match=r"is a histogram: ask for its histogram\(\)"):
            captured.value(seconds)
        metrics.consensus_election_duration_seconds.record(1)
        metrics.requests_total.add(1, method="inference", status="error")
        with pytest.raises(TypeError, match=r"is no histogram but a counter"):
            captured.histogram(metrics.requests_total)


def test_deltas_count_from_the_mark() -> None:
    """A delta is the change since the last mark, since the start before there was one."""
    seconds = metrics.request_duration_seconds
    with capture_metrics() as captured:
        requests = metrics.requests_total.bind(method="inference", status="success")
        requests.add(3)
        seconds.record(2, method="inference")
        assert captured.delta(requests) == 3
        captured.mark()
        assert captured.delta(requests) == 0
        requests.add(4)
        seconds.record(0.5, method="inference")
        assert captured.delta(requests) == 4
        assert captured.delta(metrics.pipeline_stalls_total) == 0
        grown = captured.histogram_delta(seconds)
        assert (grown.count, grown.sum, grown.buckets[0.5], grown.buckets[5.0]) == (1, 0.5, 1, 1)
        assert captured.histogram_delta(
            metrics.consensus_election_duration_seconds
        ) == HistogramValue(0, 0.0, {})


def test_a_question_without_an_answer_is_a_mistake_of_the_test() -> None:
    """No such metric, label or value of a label: an error, so that no assertion is vain."""
    with capture_metrics() as captured:
        with pytest.raises(CatalogError, match=r"did you mean butterfly_requests_total\?"):
            captured.value("butterfly_request_total")
        with pytest.raises(CatalogError, match=r"has no label 'stat'; the contract gives it node_"):
            captured.value(metrics.requests_total, stat="error")
        with pytest.raises(CatalogError, match=r"can't have status='sucess'; the contract has "):
            captured.value(metrics.requests_total, status="sucess")
        assert captured.value("my_own_metric", colour="red") is None


def test_several_series_are_listed_with_the_labels_that_tell_them_apart() -> None:
    """A question that means two series is answered by neither."""
    with capture_metrics() as captured:
        metrics.requests_total.add(1, method="inference", status="success")
        metrics.requests_total.add(1, method="inference", status="error")
        with pytest.raises(AssertionError, match=r"is 2 series; say which by status, or ask for"):
            captured.value(metrics.requests_total, method="inference")


def test_wrong_labels_raise_unless_the_capture_is_lenient() -> None:
    """Strict by default; in production mode violations are counted, and told by what they are."""
    wrong: dict[str, str] = {"method": "inference", "status": "sucess"}
    with capture_metrics(), pytest.raises(LabelError, match="sucess"):
        metrics.requests_total.add(1, **wrong)  # type: ignore[arg-type]
    with capture_metrics(strict=False) as captured:
        assert captured.violations == ()
        metrics.requests_total.add(1, **wrong)  # type: ignore[arg-type]
        metrics.tokens_processed_total.add(-1, model="m")
        assert captured.violations == (
            Violation("label", "butterfly_requests_total", "status", "unknown_value", 1),
            Violation("value", "butterfly_tokens_processed_total", "", "negative", 1),
        )
        assert captured.value(metrics.requests_total, status="other") == 1


def test_the_exposition_is_what_a_scrape_gives() -> None:
    """Both formats, from the same capture; the lint is that of `butterfly-otel check`."""
    with capture_metrics() as captured:
        metrics.requests_total.add(1, method="inference", status="success")
        line = '{method="inference",node_role="coordinator",status="success"} 1.0\n'
        assert "\nbutterfly_requests_total" + line in captured.exposition()
        text = captured.exposition(openmetrics=True)
        assert "# TYPE butterfly_requests counter\n" in text
        assert text.endswith("# EOF\n")
        assert [each for each in captured.lint() if each.severity != "info"] == []
        assert captured.lint(openmetrics=True)[-1].rule == "coverage"


def test_metrics_of_the_application_are_captured_too() -> None:
    """What is measured by OpenTelemetry's own API on another meter is there under its name."""
    proxy = otel.get_meter("app").create_counter("jobs", unit="{job}")
    for _ in range(2):  # each capture anew, though OpenTelemetry sets its provider only once
        with capture_metrics() as captured:
            proxy.add(2, {"kind": "batch"})
            otel.get_meter("other").create_counter("more").add(1)
            assert captured.value("jobs", kind="batch") == 2
            assert captured.value("more") == 1
            assert captured.series()[0].unit == "{job}"


def test_everything_is_undone() -> None:
    """Configuration, callbacks, pools, environment, global provider: as they were before."""
    before = otel.get_meter_provider()
    once, proxy = otel._internal._METER_PROVIDER_SET_ONCE, otel._internal._PROXY_METER_PROVIDER
    state = once._done, proxy._real_meter_provider
    os.environ["BUTTERFLY_NODE_ID"] = "outside"
    older = metrics.tasks_queued.observe(lambda: 1)
    with memory.pool("buffer") as kept:
        with capture_metrics(node_id="inside", env={"OTEL_SERVICE_NAME": "by-env"}) as captured:
            assert captured.runtime.config.service_name == "by-env"
            assert "BUTTERFLY_NODE_ID" not in os.environ
            assert otel.get_meter_provider() is not before
            os.environ["OTEL_SDK_DISABLED"] = "true"
            metrics.tasks_queued.observe(lambda: 2)
            memory.pool("model").add(7)
        assert POOLS.pools == (kept,)
    assert POOLS.peak == 0
    assert metrics.tasks_queued.registrations == (older,)
    older.unregister()
    assert os.environ.pop("BUTTERFLY_NODE_ID") == "outside"
    assert "OTEL_SDK_DISABLED" not in os.environ
    assert otel.get_meter_provider() is before
    assert (once._done, proxy._real_meter_provider) == state
    assert butterfly_otel.runtime.lifecycle.current() is None
    assert not metrics.requests_total.attached


def test_an_error_in_the_block_undoes_everything_as_well() -> None:
    """A failing test leaves nothing to the next one; neither does a wrong setting."""
    for settings in ({}, {"engine": "steam"}):
        with pytest.raises((RuntimeError, ConfigurationError)), capture_metrics(**settings):
            raise RuntimeError
    with capture_metrics() as captured:
        assert captured.series() == []


def test_captures_can_be_neither_nested_nor_parallel() -> None:
    """The error says where the other capture began and what to do."""
    said: list[str] = []

    def capture() -> None:
        with pytest.raises(ConfigurationError) as caught, capture_metrics():
            pass
        said.append(str(caught.value))

    with capture_metrics() as captured:
        capture()
        thread = threading.Thread(target=capture)
        thread.start()
        thread.join()
        metrics.consensus_election_duration_seconds.record(1)  # goes on, unharmed
        assert len(captured.series(metrics.consensus_election_duration_seconds)) == 1
    assert len(said) == 2
    assert all("test_capture.py:" in each and "pytest-xdist" in each for each in said)


def test_what_is_configured_outside_is_not_overridden() -> None:
    """A capture never takes a running application's configuration away."""
    butterfly_otel.configure(
        node_id="app", node_role="observer", exporter="none", handle_signals=False
    )
    with (
        pytest.raises(ConfigurationError, match=r"as node_id='app', outside .*\.shutdown\(\)"),
        capture_metrics(),
    ):
        pass
    assert butterfly_otel.shutdown()


def test_what_was_measured_is_still_there_after_a_shutdown() -> None:
    """Code under test may shut the SDK down; what it measured before can still be read."""
    with capture_metrics() as captured:
        metrics.consensus_election_duration_seconds.record(1)
        butterfly_otel.shutdown()
        assert len(captured.series()) == 1


def test_a_series_that_was_removed_is_gone() -> None:
    """What is asked for is what there is now, also where nothing is left."""
    with capture_metrics() as captured:
        metrics.tokens_processed_total.add(1, model="m")
        assert captured.value(metrics.tokens_processed_total) == 1
        metrics.tokens_processed_total.remove(model="m")
        assert captured.value(metrics.tokens_processed_total) is None


def test_it_works_in_a_coroutine() -> None:
    """Tasks that run meanwhile are captured like everything else."""

    @butterfly_otel.request(method="inference")
    async def serve() -> None:
        await asyncio.sleep(0)

    async def main() -> Captured:
        with capture_metrics() as captured:
            await asyncio.gather(serve(), serve())
            assert captured.value(metrics.requests_total, status="success") == 2
        return captured

    asyncio.run(main())
