"""Groups that time single measurements."""

from __future__ import annotations

from functools import partial

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

import butterfly_otel
from benchmarks import subjects as make
from benchmarks.measure import Settings, Subject, require_same_outcome, timings
from butterfly_otel import metrics

LABEL_NAMES = ("node_role", "method", "status")
THREE = '{"node_role": "coordinator", "method": "inference", "status": "success"}'
_KEYWORDS = 'node_role="coordinator", method="inference", status="success"'
HANDLE = f"metrics.requests_total.add(1, {_KEYWORDS})"
BY_LABELS = f"counter.labels({_KEYWORDS}).inc()"


def api(settings: Settings) -> dict[str, list[float]]:
    """Time counters and histograms by OpenTelemetry's API, and prometheus_client's labels."""
    counters: list[Subject] = []
    histograms: list[Subject] = []
    for key, ours in (("ours", True), ("sdk", False)):
        reader = InMemoryMetricReader()
        counter, histogram = make.instruments(make.provider([reader], ours=ours))
        counters.append(
            Subject(
                f"{key}_counter",
                f"counter.add(1, {THREE})",
                {"counter": counter},
                partial(make.otel_sum, reader, make.COUNTER_NAME),
            )
        )
        histograms.append(
            Subject(
                f"{key}_histogram",
                f'histogram.record({make.VALUE}, {{"method": "inference", "status": "success"}})',
                {"histogram": histogram},
                partial(make.otel_buckets, reader, make.HISTOGRAM_NAME),
            )
        )
    counters.append(prometheus_labels("prometheus_counter"))
    require_same_outcome("counters by the OTel API", counters)
    require_same_outcome("histograms by the OTel API", histograms)
    return timings([*counters, *histograms], settings)


def prometheus_labels(key: str) -> Subject:
    """Return prometheus_client's counter whose labels are given at each call."""
    counter = make.prometheus_counter(LABEL_NAMES, CollectorRegistry())
    return Subject(key, BY_LABELS, {"counter": counter}, partial(make.prometheus_sum, counter))


def handles(settings: Settings) -> dict[str, list[float]]:
    """Time typed handles and bound instruments, and prometheus_client's counterparts."""
    reader = configure()
    bound = metrics.requests_total.bind(
        node_role="coordinator", method="checkpoint", status="success"
    )
    duration = metrics.request_duration_seconds.bind(node_role="coordinator", method="inference")
    counter = make.prometheus_counter(LABEL_NAMES, CollectorRegistry())
    child = counter.labels(node_role="coordinator", method="inference", status="success")
    histogram = make.prometheus_histogram(("node_role", "method"), CollectorRegistry())
    observed = histogram.labels(node_role="coordinator", method="inference")
    counting = [
        Subject("ours_handle", HANDLE, {"metrics": metrics}, partial(total, reader, "inference")),
        Subject(
            "ours_bound", "bound.add(1)", {"bound": bound}, partial(total, reader, "checkpoint")
        ),
        prometheus_labels("prometheus_labels"),
        Subject(
            "prometheus_child",
            "child.inc()",
            {"child": child},
            partial(make.prometheus_sum, counter),
        ),
    ]
    observing = [
        Subject(
            "ours_bound_histogram",
            f"bound.record({make.VALUE})",
            {"bound": duration},
            partial(make.otel_buckets, reader, metrics.request_duration_seconds.metric.name),
        ),
        Subject(
            "prometheus_child_histogram",
            f"child.observe({make.VALUE})",
            {"child": observed},
            partial(make.prometheus_buckets, histogram),
        ),
    ]
    require_same_outcome("counters by handles", counting)
    require_same_outcome("histograms by handles", observing)
    try:
        return timings([*counting, *observing], settings)
    finally:
        butterfly_otel.shutdown()


def configure() -> InMemoryMetricReader:
    """Configure this package with a reader, and return that."""
    reader = InMemoryMetricReader()
    butterfly_otel.configure(
        node_id="coordinator-1",
        node_role="coordinator",
        exporter="none",
        zero_init=False,
        handle_signals=False,
        collectors="none",
        metric_readers=[reader],
    )
    return reader


def total(reader: InMemoryMetricReader, method: str) -> list[float]:
    """Return the requests of a method."""
    points = make.otel_points(reader, metrics.requests_total.metric.name)
    return [float(point.value) for point in points if point.attributes["method"] == method]


def noop(settings: Settings) -> dict[str, list[float]]:
    """Time a handle before ``configure()``, and the stock SDK without a reader."""
    stock = make.provider([], ours=False)
    counter, _ = make.instruments(stock)

    def nothing_by_handle() -> list[float]:
        reader = configure()
        try:
            return total(reader, "inference")
        finally:
            butterfly_otel.shutdown()

    def nothing_by_sdk() -> list[float]:
        reader = InMemoryMetricReader()
        stock.add_metric_reader(reader)
        try:
            return make.otel_sum(reader, make.COUNTER_NAME)
        finally:
            stock.remove_metric_reader(reader)

    nothing = [
        Subject("ours_noop", HANDLE, {"metrics": metrics}, nothing_by_handle),
        Subject("sdk_noop", f"counter.add(1, {THREE})", {"counter": counter}, nothing_by_sdk),
    ]
    require_same_outcome("no-ops", nothing)
    return timings(nothing, settings)
