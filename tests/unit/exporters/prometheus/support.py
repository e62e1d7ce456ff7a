"""Collected data built by hand, and expositions read back by prometheus_client."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text_families

from butterfly_otel.exporters.prometheus.translating.conflicts import openmetrics_names
from butterfly_otel.exporters.prometheus.writing.encode import openmetrics_lines, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.metrics import Exemplar
    from prometheus_client import Metric as ClientMetric

    from butterfly_otel.exporters.prometheus.model.families import Family

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
OPENMETRICS_0_0_1 = "application/openmetrics-text;version=0.0.1"
OPENMETRICS_UTF8 = f"{OPENMETRICS};escaping=allow-utf-8"
SCOPE = InstrumentationScope("scope")
START = 1_700_000_000_000_000_000


def encode_text(families: Iterable[Family]) -> bytes:
    """Return families whose names don't clash in text format 0.0.4."""
    return "".join(map(text_lines, families)).encode()


def encode_openmetrics(families: Iterable[Family]) -> bytes:
    """Return families whose names don't clash in OpenMetrics 1.0."""
    listed = list(families)
    names = openmetrics_names(listed, ())
    lines = [openmetrics_lines(family, names[family.name]) for family in listed]
    return "".join((*lines, "# EOF\n")).encode()


def number(
    attributes: Mapping[str, Any], value: float, exemplars: Sequence[Exemplar] = ()
) -> NumberDataPoint:
    """Return a point of a counter or a gauge."""
    return NumberDataPoint(attributes, START, START, value, list(exemplars))


def counter(
    name: str,
    *points: NumberDataPoint,
    unit: str = "",
    help_text: str = "",
    monotonic: bool = True,
    temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
) -> Metric:
    """Return a sum; one point of value 1 without attributes by default."""
    data = Sum(list(points) or [number({}, 1)], temporality, monotonic)
    return Metric(name, help_text, unit, data)


def gauge(name: str, *points: NumberDataPoint, unit: str = "", help_text: str = "") -> Metric:
    """Return a gauge; one point of value 1 without attributes by default."""
    return Metric(name, help_text, unit, Gauge(list(points) or [number({}, 1)]))


def distribution(
    attributes: Mapping[str, Any],
    counts: Sequence[int],
    bounds: Sequence[float],
    total: float = 1.5,
    exemplars: Sequence[Exemplar] = (),
) -> HistogramDataPoint:
    """Return a point of a histogram."""
    return HistogramDataPoint(
        attributes, START, START, sum(counts), total, counts, bounds, 0, 9, list(exemplars)
    )


def histogram(
    name: str,
    *points: HistogramDataPoint,
    unit: str = "",
    help_text: str = "",
    temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
) -> Metric:
    """Return a histogram; one point with the bounds 1 and 5 by default."""
    default = [distribution({}, [1, 2, 3], (1.0, 5.0))]
    return Metric(name, help_text, unit, Histogram(list(points) or default, temporality))


def collected(
    *metrics: Metric,
    scope: InstrumentationScope = SCOPE,
    resource: Resource | None = None,
    more: Sequence[tuple[InstrumentationScope, Sequence[Metric]]] = (),
) -> MetricsData:
    """Return what a reader receives; without a resource, so without ``target_info``."""
    scopes = [ScopeMetrics(each, list(found), "") for each, found in ((scope, metrics), *more)]
    return MetricsData([ResourceMetrics(resource or Resource({}), scopes, "")])


def parse_text(body: bytes) -> dict[str, ClientMetric]:
    """Parse a text exposition; fail on duplicates, which the parser lets pass."""
    _check_comments(body)
    # The parser gives every counter a _total, so what is a duplicate is seen in the text only.
    lines = [line for line in body.decode().split("\n") if line and not line.startswith("#")]
    assert not _repeated(line.rpartition(" ")[0] for line in lines)
    families = list(parse_text_families(body.decode()))
    for family in families:
        _check_cumulative(family)
    return {family.name: family for family in families}


def parse_openmetrics(body: bytes) -> dict[str, ClientMetric]:
    """Parse an OpenMetrics exposition; fail on duplicates, which the parser lets pass."""
    _check_comments(body)
    families = list(parse_openmetrics_families(body.decode()))  # type: ignore[no-untyped-call]
    assert not _repeated(
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in families
        for sample in family.samples
    )
    assert not _repeated(family.name for family in families)
    for family in families:
        _check_cumulative(family)
    return {family.name: family for family in families}


def _check_comments(body: bytes) -> None:
    comments = [line for line in body.decode().split("\n") if line.startswith("# ")]
    unquoted = [line.split(" ", 3)[1:3] for line in comments]
    assert not _repeated(tuple(each) for each in unquoted if not each[-1].startswith('"'))


def _repeated(items: Iterable[object]) -> list[object]:
    return [item for item, times in Counter(items).items() if times > 1]


def _check_cumulative(family: ClientMetric) -> None:
    if family.type != "histogram":
        return
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            rest = {key: value for key, value in sample.labels.items() if key != "le"}
            key = tuple(sorted(rest.items()))
            buckets.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
    for found in buckets.values():
        assert found[-1][0] == float("inf")
        assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(found))


def samples(family: ClientMetric) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return a parsed family's samples by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for sample in family.samples
    }
