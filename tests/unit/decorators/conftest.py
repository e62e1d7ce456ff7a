"""What the tests of the decorators read: the four metrics of a request, and the extension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class Red:
    """The RED set of one method as it has been measured so far."""

    def __init__(self, measured: Any, method: str = "inference", role: str = "coordinator") -> None:
        self.measured = measured
        self.labels = {"method": method, "node_role": role}

    def total(self, status: str) -> float:
        """Return how many requests ended so."""
        return self._value("butterfly_requests_total", status=status)

    @property
    def ok(self) -> float:
        """How many succeeded."""
        return self.total("success")

    @property
    def failed(self) -> float:
        """How many failed."""
        return self.total("error")

    @property
    def in_flight(self) -> float:
        """How many are in flight."""
        return self._value("butterfly_requests_in_flight")

    @property
    def errors(self) -> dict[str, float]:
        """How many failed by error type."""
        values = self.measured.values("butterfly_request_errors_total")
        return {
            dict(key)["error_type"]: value
            for key, value in values.items()
            if self.labels.items() <= dict(key).items()
        }

    def seconds(self, name: str = "butterfly_request_duration_seconds") -> tuple[int, float]:
        """Return the count and the sum of durations."""
        points = [
            point
            for point in self.measured.points(name)
            if self.labels.items() <= point.attributes.items()
        ]
        return sum(point.count for point in points), sum(point.sum for point in points)

    @property
    def timed(self) -> int:
        """How many durations were recorded."""
        return self.seconds()[0]

    @property
    def first_items(self) -> int:
        """How many times to a first item were recorded."""
        return self.seconds("butterfly_otel_request_first_item_seconds")[0]

    def _value(self, name: str, **labels: str) -> float:
        return self.measured.value(name, **self.labels, **labels) or 0


@pytest.fixture
def red(start: Callable[..., Any]) -> Red:
    """Return the RED set of inference on a strict coordinator: nothing may break the contract."""
    return Red(start(strict=True))
