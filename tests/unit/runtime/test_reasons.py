"""Reasons that code counts by are those that the catalogue's closed labels have."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from butterfly_otel.catalog import telemetry
from butterfly_otel.catalog.model import Metric
from butterfly_otel.exporters.prometheus.model.problems import Omission
from butterfly_otel.exporters.prometheus.securing.refusals import Refusal


@pytest.mark.parametrize(
    ("reasons", "metric"),
    [
        (Omission, telemetry.SCRAPE_OMISSIONS_TOTAL),
        (Refusal, telemetry.SCRAPE_REFUSALS_TOTAL),
    ],
    ids=["omissions", "refusals"],
)
def test_every_reason_is_in_the_catalogue(reasons: Any, metric: Metric) -> None:
    """Both places name the same; one that only one of them has could not be counted."""
    [label] = metric.labels
    assert get_args(reasons) == label.values
