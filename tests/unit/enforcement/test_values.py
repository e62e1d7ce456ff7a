"""Measured values: what a metric can hold, and what happens to everything else."""

from __future__ import annotations

import decimal
import fractions
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from butterfly_otel import MeasurementError, metrics
from butterfly_otel.process.values import clean_value

Start = Callable[..., Any]
INVALID = "butterfly_otel_invalid_measurements_total"


class Scalar:
    """A number of another library, known by its ``__float__``."""

    def __float__(self) -> float:
        """Return the number."""
        return 2.5


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        (1, 1),
        (0.5, 0.5),
        (True, 1),
        (decimal.Decimal("1.25"), 1.25),
        (fractions.Fraction(1, 2), 0.5),
        (Scalar(), 2.5),
        ("1", "not_a_number"),
        (b"1", "not_a_number"),
        (None, "not_a_number"),
        (1j, "not_a_number"),
        ([], "not_a_number"),
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (10**400, "not_finite"),
        (-1, "negative"),
        (-0.0, -0.0),
    ],
)
def test_clean_value(value: object, cleaned: object) -> None:
    """Numbers are converted, everything else is named for what it is."""
    assert clean_value(value, negative_allowed=False) == cleaned


def test_negative_values_are_fine_where_the_metric_allows_them() -> None:
    """A gauge takes what a counter refuses."""
    assert clean_value(-3, negative_allowed=True) == -3


@pytest.mark.parametrize(
    ("value", "reason"), [("x", "not_a_number"), (math.nan, "not_finite"), (-1, "negative")]
)
def test_an_invalid_value_is_counted_and_never_raises(
    start: Start, value: Any, reason: str
) -> None:
    """In production an invalid value changes nothing but the counter of such values."""
    measured = start()
    metrics.requests_total.add(value, method="inference", status="success")
    metrics.requests_total.bind(method="inference", status="success").add(value)
    assert measured.points("butterfly_requests_total") == []
    assert measured.value(INVALID, metric="butterfly_requests_total", reason=reason) == 2


def test_an_invalid_value_raises_in_strict_mode(start: Start) -> None:
    """In strict mode the error names metric, value and reason."""
    start(strict=True)
    with pytest.raises(MeasurementError, match=r"butterfly_batch_size.*'x'.*not a number"):
        metrics.batch_size.set("x")  # type: ignore[arg-type]


def test_dec_of_something_that_is_no_number_is_counted(start: Start) -> None:
    """Not even the negation in dec() raises."""
    measured = start()
    metrics.requests_in_flight.dec("x", method="inference")  # type: ignore[arg-type]
    assert sum(measured.values(INVALID).values()) == 1


def test_invalid_observations_are_left_out(start: Start) -> None:
    """A callback's NaN is not exported and is counted; its other values are."""
    measured = start()
    gauge = metrics.gpu_utilization_ratio
    with gauge.observe(
        lambda: [gauge.observation(math.nan, gpu_id=0), gauge.observation(0.5, gpu_id=1)]
    ):
        [point] = measured.points("butterfly_gpu_utilization_ratio")
    assert point.attributes["gpu_id"] == "1"
    assert sum(measured.values(INVALID).values()) == 1


class ZeroDimensional(Scalar):
    """Says that it can be iterated, as a NumPy array or a tensor of one number does."""

    def __iter__(self) -> Iterator[float]:
        """Raise."""
        raise TypeError("iteration over a 0-d array")


def test_a_callback_may_return_a_number_of_another_library(start: Start) -> None:
    """It is one value, even where it pretends to be several."""
    measured = start()
    number: Any = ZeroDimensional()
    with metrics.cluster_size.observe(lambda: number):
        assert set(measured.values("butterfly_cluster_size").values()) == {2.5}
