"""The pytest plugin, in pytest runs of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ("pytester",)

TEST = """
import asyncio
import pytest
from butterfly_otel import metrics, request
from butterfly_otel.testing import assert_metric, capture_metrics as capture

@request(method="inference")
def serve(pause=lambda: None):
    pause()

@pytest.mark.butterfly_metrics(node_role="compute")
class TestMarked:
    def test_settings_come_from_the_marker(self, butterfly_metrics):
        serve()
        assert_metric(metrics.requests_total, 1, node_role="compute", status="success")

    @pytest.mark.butterfly_metrics(strict=False)
    def test_the_nearest_marker_wins(self, butterfly_metrics):
        config = butterfly_metrics.runtime.config
        assert (config.node_role, config.strict) == ("compute", False)

@pytest.mark.parametrize("number", range(6))
def test_isolated(butterfly_metrics, number):
    assert butterfly_metrics.series() == []
    serve()
    assert_metric(metrics.requests_total, 1, status="success")

def test_clock(butterfly_metrics, butterfly_clock):
    serve(lambda: butterfly_clock.advance(1.5))
    assert butterfly_metrics.histogram(metrics.request_duration_seconds).sum == 1.5
    [point] = butterfly_metrics._reader.get_metrics_data().resource_metrics[0].scope_metrics[
        0].metrics[0].data.data_points
    assert point.start_time_unix_nano == 1_735_689_600 * 10**9

def test_function(capture_metrics):
    captured = capture_metrics(node_id="a", node_role="observer")
    metrics.pipeline_depth.set(1)
    assert captured.value(metrics.pipeline_depth, node_id="a") == 1

def test_context_manager():
    with capture():
        serve()
        assert_metric(metrics.requests_total, 1, status="success")

def test_coroutine(butterfly_metrics):
    asyncio.run(asyncio.sleep(0, serve()))
    assert_metric(metrics.requests_total, 1, status="success")
"""

FAILING = """
from butterfly_otel import metrics
from butterfly_otel.testing import assert_metric

def test_counts(butterfly_metrics):
    metrics.requests_total.add(2, method="inference", status="success")
    assert_metric(metrics.requests_total, 1, method="inference", status="error")
"""

#: What a person sees of a failure, from the test's own line on.
SHOWN = """\
>       assert_metric(metrics.requests_total, 1, method="inference", status="error")
E       AssertionError: butterfly_requests_total{method="inference", status="error"} has no series, expected 1 (unit: request)
E       
E       The only one there is:
E         {method="inference", node_role="coordinator", status="success"}  2    status is "success", not "error"

test_failing.py:6: AssertionError
"""  # noqa: E501, W291 - word for word


def _run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("--strict-markers", "-W", "error", *arguments)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_fixtures_and_marker(pytester: pytest.Pytester, workers: str) -> None:
    """Every fixture works without an import, in one process and under pytest-xdist."""
    pytester.makepyfile(test_it=TEST)
    _run(pytester, "-n", workers).assert_outcomes(passed=12)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_failure_shows_the_tests_line_and_what_there_is(
    pytester: pytest.Pytester, workers: str
) -> None:
    """No frame of the kit stands between the assertion and its explanation."""
    pytester.makepyfile(test_failing=FAILING)
    result = _run(pytester, "-n", workers, "--color=no")
    result.assert_outcomes(failed=1)
    assert SHOWN in result.stdout.str()


def test_a_mistake_in_a_test_shows_the_tests_line(pytester: pytest.Pytester) -> None:
    """Neither what the contract has not nor a second capture is shown by frames of the kit."""
    pytester.makepyfile(
        test_wrong="""
        from butterfly_otel import metrics
        from butterfly_otel.testing import assert_metric

        def test_label(butterfly_metrics):
            assert_metric(metrics.requests_total, 1, metod="inference")

        def test_twice(butterfly_metrics, capture_metrics):
            capture_metrics()
        """
    )
    result = _run(pytester, "-n", "0", "--color=no", "--tb=short")
    result.assert_outcomes(failed=2)
    shown = result.stdout.str()
    assert "selection.py" not in shown
    assert "isolation.py" not in shown
    assert "captured already, since test_wrong.py::test_twice (setup)" in shown


def test_a_leak_of_a_failing_test_reaches_no_other(pytester: pytest.Pytester) -> None:
    """What a test that fails has left configured and registered is undone like the rest."""
    pytester.makepyfile(
        """
        import butterfly_otel
        from butterfly_otel import metrics

        def test_one(butterfly_metrics):
            metrics.tasks_queued.observe(lambda: 5)
            butterfly_otel.shutdown()
            butterfly_otel.configure(node_id="x", node_role="observer", exporter="none",
                                     handle_signals=False)
            raise RuntimeError

        def test_two(butterfly_metrics):
            assert butterfly_metrics.value(metrics.tasks_queued) is None
        """
    )
    _run(pytester, "-n", "0").assert_outcomes(passed=1, failed=1)


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    """`-p no:butterfly_otel` leaves a pytest without its fixtures, and nothing breaks."""
    pytester.makepyfile("def test_it(butterfly_metrics): pass\ndef test_other(): pass")
    result = _run(pytester, "-p", "no:butterfly_otel", "-n", "0")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'butterfly_metrics' not found"])


def test_the_fixtures_explain_themselves(pytester: pytest.Pytester) -> None:
    """`pytest --fixtures` and `--markers` say what there is."""
    result = _run(pytester, "--fixtures", "--markers", "-n", "0")
    result.stdout.fnmatch_lines(["@pytest.mark.butterfly_metrics(*settings*): settings with*"])
    result = _run(pytester, "--fixtures", "-n", "0")
    for name in ("butterfly_clock", "capture_metrics", "butterfly_metrics"):
        result.stdout.fnmatch_lines([f"{name} -- *", "    ?* *"])


def test_the_plugin_imports_nothing_until_it_is_used() -> None:
    """A pytest run that needs no fixture of ours loads neither OpenTelemetry nor the catalogue."""
    program = (
        "import pytest, sys\n"
        "import butterfly_otel.testing.plugin\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus'))"
        " or name.startswith('butterfly_otel.') and name.split('.')[1] not in"
        " ('version', 'testing')])"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "[]\n"
