"""Methods of other libraries, asked of a handle: the error names the right call."""

from __future__ import annotations

import pytest

from butterfly_otel import metrics

BOUND = metrics.requests_total.bind(method="inference", status="success")
COUNTER = (
    "call inc(method=..., status=...) or add(amount, method=..., status=...),"
    " or bind(method=..., status=...) once where it is called often"
)


@pytest.mark.parametrize(
    ("handle", "name", "right"),
    [
        (metrics.requests_total, "labels", COUNTER),
        (metrics.requests_total, "set", COUNTER),
        (metrics.requests_in_flight, "track_inprogress", "inc(method=...), dec(method=...) or add"),
        (metrics.request_duration_seconds, "labels", "call record(value, method=...), or bind("),
        (metrics.request_duration_seconds, "observe", "call record(value, method=...), or bind("),
        (metrics.request_duration_seconds, "inc", "call record(value, method=...), or bind("),
        (metrics.batch_size, "inc", "call set(value"),
        (metrics.gpu_temperature_celsius, "set", "returns [observation(value, gpu_id=...), ...]"),
        (metrics.gpu_temperature_celsius, "labels", "returns [observation(value, gpu_id=...)"),
        (metrics.tasks_queued, "set", "pass observe() a function that returns the value"),
        (BOUND, "labels", "call inc() or add(amount)"),
        (BOUND, "observe", "call inc() or add(amount)"),
    ],
)
def test_the_error_names_the_right_call(handle: object, name: str, right: str) -> None:
    """It is an AttributeError, as Python's own is, and says what to write instead."""
    with pytest.raises(AttributeError) as caught:
        getattr(handle, name)
    assert f"has no {name}(); " in str(caught.value)
    assert right in str(caught.value)
    assert not hasattr(handle, name)
    assert not hasattr(type(handle), name)


def test_what_a_handle_has_is_found_without_a_hint() -> None:
    """Methods of the kind itself are plain functions, found as fast as those of any class."""
    for handle in metrics.ALL:
        assert type(handle).__getattribute__ is object.__getattribute__
        assert not hasattr(type(handle), "__getattr__")
    assert callable(metrics.tasks_queued.observe)
    assert callable(metrics.requests_in_flight.track)
