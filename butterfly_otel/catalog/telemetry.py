"""The SDK's own metrics: what it refused, dropped or could not export.

They are no part of the specification; ``butterfly_otel_label_violations_total`` is asked
for by docs/contract.md, Labels.
"""

from __future__ import annotations

from butterfly_otel.catalog.labels import closed
from butterfly_otel.catalog.model import Label, Metric

_METRIC = Label(
    key="metric", kind="bounded", help="Name of the metric that was measured.", budget=200
)

LABEL_VIOLATIONS_TOTAL = Metric(
    name="butterfly_otel_label_violations_total",
    type="counter",
    instrument="counter",
    why="Counted once for each label that had to be changed or dropped.",
    unit="{violation}",
    help="Labels that broke the contract and were replaced, shortened or dropped.",
    category="telemetry",
    labels=(
        _METRIC,
        Label(key="label", kind="open", help="Label that broke it.", budget=100),
        closed(
            "reason",
            "unknown_label",
            "unknown_value",
            "over_budget",
            "missing",
            "too_long",
            "invalid_text",
            help="What was wrong with it.",
        ),
    ),
    query="sum by (metric, label, reason) (increase(butterfly_otel_label_violations_total[10m]))",
)

INVALID_MEASUREMENTS_TOTAL = Metric(
    name="butterfly_otel_invalid_measurements_total",
    type="counter",
    instrument="counter",
    why="Counted once for each value that had to be ignored.",
    unit="{measurement}",
    help="Measured values that were ignored because no metric can hold them.",
    category="telemetry",
    labels=(
        _METRIC,
        closed(
            "reason", "not_a_number", "not_finite", "negative", help="Why the value was ignored."
        ),
    ),
    query="sum by (metric, reason) (increase(butterfly_otel_invalid_measurements_total[10m]))",
)

CALLBACK_ERRORS_TOTAL = Metric(
    name="butterfly_otel_callback_errors_total",
    type="counter",
    instrument="counter",
    why="Counted once for each observation callback that raised.",
    unit="{error}",
    help="Observation callbacks that raised an exception.",
    category="telemetry",
    labels=(_METRIC,),
    query="sum by (metric) (increase(butterfly_otel_callback_errors_total[10m]))",
)

EXPORTS_TOTAL = Metric(
    name="butterfly_otel_exports_total",
    type="counter",
    instrument="counter",
    why="Counted once for each batch handed to a push exporter.",
    unit="{export}",
    help="Batches handed to a push exporter, by outcome.",
    category="telemetry",
    labels=(
        Label(key="exporter", kind="bounded", help="Name of the exporter.", budget=10),
        closed("status", "success", "error", help="Whether the batch was taken."),
    ),
    query='sum by (exporter) (increase(butterfly_otel_exports_total{status="error"}[10m]))',
)

METRICS: tuple[Metric, ...] = (
    LABEL_VIOLATIONS_TOTAL,
    INVALID_MEASUREMENTS_TOTAL,
    CALLBACK_ERRORS_TOTAL,
    EXPORTS_TOTAL,
)
