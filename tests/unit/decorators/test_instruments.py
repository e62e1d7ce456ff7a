"""Decorators on OpenTelemetry's own instruments, and handles whose labels are given beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import metrics as api

from butterfly_otel import (
    ConfigurationError,
    arg,
    counted,
    metrics,
    outcome,
    result,
    timed,
    tracked,
)
from butterfly_otel.testing import Captured, Clock, capture_metrics


def _values(captured: Captured, name: str) -> dict[tuple[str, ...], object]:
    return {tuple(each.labels.values()): each.value for each in captured.series(name)}


@pytest.mark.parametrize(("unit", "expected"), [("s", 2.0), ("ms", 2000.0), ("us", 2_000_000.0)])
def test_time_is_recorded_in_the_instruments_unit(unit: str, expected: float) -> None:
    """Seconds become what the histogram has been created with."""
    clock = Clock()
    with capture_metrics(clock=clock) as captured:
        histogram = api.get_meter("mine").create_histogram("waits", unit)

        @timed(histogram, labels={"queue": arg("queue")})
        def wait(queue: str) -> None:
            del queue
            clock.advance(2)

        wait("short")
        found = captured.histogram("waits", queue="short")
    assert found is not None
    assert (found.count, found.sum) == (1, expected)


def test_instruments_made_before_configure_tell_their_unit() -> None:
    """A stand-in of OpenTelemetry's API becomes a real instrument later, and so does this."""
    meter = api.get_meter("early")
    histogram = meter.create_histogram("early_waits", "ms")
    decorator = timed(histogram)
    with pytest.raises(ConfigurationError, match="early_sizes has the unit 'By'"):
        timed(meter.create_histogram("early_sizes", "By"))
    assert decorator is not None


def test_a_unit_that_is_not_told_is_refused() -> None:
    """Nobody knows what to record then."""
    with capture_metrics():
        histogram = api.get_meter("mine").create_histogram("plain")
        with pytest.raises(ConfigurationError, match="plain has the unit ''; use one of s, ms"):
            timed(histogram)


def test_calls_are_counted_by_how_they_end() -> None:
    """Labels may be known at the end only, and amounts come from results."""
    with capture_metrics() as captured:
        counter = api.get_meter("mine").create_counter("answers")
        words = api.get_meter("mine").create_counter("words")

        @counted(counter, labels={"status": outcome(), "kind": "text"})
        @counted(words, amount=result(len))
        def answer(*, fail: bool) -> list[str]:
            if fail:
                raise ValueError
            return ["a", "b"]

        answer(fail=False)
        with pytest.raises(ValueError):  # noqa: PT011 - raised above
            answer(fail=True)
        assert captured.value("answers", status="success") == 1
        assert captured.value("answers", status="error") == 1
        assert captured.value("words") == 2


def test_calls_are_tracked_while_they_run() -> None:
    """Up and down with the same attributes."""
    with capture_metrics() as captured:
        counter = api.get_meter("mine").create_up_down_counter("running")

        @tracked(counter, labels={"model": arg("model")})
        def run(model: str) -> object:
            del model
            return captured.value("running", model="m")

        assert run("m") == 1
        assert captured.value("running", model="m") == 0


def test_handles_take_their_labels_beside_them() -> None:
    """As ``bind`` would, also from the call."""

    @counted(metrics.tokens_processed_total, labels={"model": arg("model")})
    def generate(model: str) -> None:
        del model

    with capture_metrics() as captured:
        generate("llama")
        assert captured.value(metrics.tokens_processed_total, model="llama") == 1


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "kind": (
        lambda: timed(api.get_meter("m").create_counter("c")),  # type: ignore[arg-type]
        "timed needs a histogram: .*OpenTelemetry's Histogram; .* is not one",
    ),
    "handle": (
        lambda: counted(metrics.request_duration_seconds),  # type: ignore[arg-type]
        "counted needs a counter: ",
    ),
    "label": (
        lambda: counted(metrics.tokens_processed_total, labels={"modle": "m"}),
        "butterfly_tokens_processed_total has no label 'modle'; it has model, node_id",
    ),
    "lacking": (
        lambda: timed(metrics.layer_compute_duration_seconds, labels={"model": "m"}),
        "butterfly_layer_compute_duration_seconds needs the labels layer_id too",
    ),
    "twice": (
        lambda: counted(metrics.tokens_processed_total.bind(model="m"), labels={"model": "n"}),
        "which has its labels; pass the handle instead, or leave labels out",
    ),
    "late": (
        lambda: tracked(
            api.get_meter("m").create_up_down_counter("u"), labels={"status": outcome()}
        ),
        "tracked needs its labels when a call starts",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_mistakes_are_found_where_they_are_written(make: Callable[[], Any], message: str) -> None:
    """Before anything is configured or called."""
    with pytest.raises(ConfigurationError, match=message):
        make()
