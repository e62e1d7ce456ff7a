"""What is compared with what, and which ratio is to be reached: data, no code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Runs in a process of its own, in this order.
GROUPS = (
    *("api", "handles", "attributes", "labels", "tracing", "deltas", "numbers"),
    "free_threaded",
    *("churn", "decorators", "noop", "scrape", "first", "observed", "exemplars", "start"),
    *("processes", "sharing"),
    *("otlp", "memory", "anatomy", "scale"),
)

#: What turns our engine's MetricsData into the bytes of an OTLP request: module and class.
OUR_ENCODER = "butterfly_otel.exporters.otlp_wire:MetricsEncoder"

SDK = "opentelemetry-sdk"
PROMETHEUS = "prometheus_client"
AUTOMETRICS = "autometrics"
OFFICIAL = "opentelemetry-exporter-prometheus"

_COUNTER_API = "`counter.add(1, {3 attributes})`, OTel API"
_HANDLE = "typed handle `.add(1, …3 labels…)`"
_SCRAPE = "scrape of 22,000 samples, text"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        work: What is done.
        group: The process it is measured in.
        ours: Key of our subject.
        peer: Key of the subject it is compared with.
        against: What that is.
        target: The ratio to be reached; None where it is shown for information only.
        direction: ``at least``: how many times the peer's figure is ours. ``at most``: how
            many times our figure is the peer's.
        unit: ``ns`` an execution, ``ns a sample``, or ``B`` a series.
        optional: Whether the row is left out where the peer is not installed.
    """

    work: str
    group: str
    ours: str
    peer: str
    against: str
    target: float | None
    direction: Literal["at least", "at most"] = "at least"
    unit: Literal["ns", "ns a sample", "B"] = "ns"
    optional: bool = False


def _memory(what: str, key: str, target: float | None) -> Row:
    peer = f"prometheus_{key}"
    return Row(what, "memory", f"ours_{key}", peer, PROMETHEUS, target, "at most", "B")


def _scrape_with_collection(peer: str, against: str) -> Row:
    work = f"{_SCRAPE}, garbage collection on"
    return Row(work, "scrape", "ours_scrape_collecting", f"{peer}_collecting", against, None)


def _decorated(kind: str, against: str) -> tuple[Row, ...]:
    work = f"overhead of `@request`, {kind} no-op"
    group, ours = "decorators", f"ours_{kind}"
    hand = "the same measurements by hand, bound handles"
    return (
        Row(work, group, ours, f"by_hand_{kind}", hand, 2, "at most"),
        Row(work, group, ours, f"prometheus_{kind}", f"{PROMETHEUS} {against}", 1),
        Row(work, group, ours, f"autometrics_{kind}", f"{AUTOMETRICS} decorator", 1, optional=True),
    )


def _traced(
    key: str, where: str, child: float, labels: float | None, sdk: float
) -> tuple[Row, ...]:
    group, bound, handle = "tracing", f"{key}_bound", f"{key}_handle"
    inc = f"{PROMETHEUS} `.labels(**kw).inc()`"
    return (
        Row(
            f"bound `.add(1)`, {where}",
            group,
            bound,
            f"{key}_child",
            f"{PROMETHEUS} bound child `.inc()`",
            child,
        ),
        Row(
            f"typed handle `.add(1, …3 labels…)`, {where}",
            group,
            handle,
            f"{key}_labels",
            inc,
            labels,
        ),
        Row(f"{_COUNTER_API}, {where}", group, f"{key}_api", f"{key}_sdk", SDK, sdk),
    )


def _number(what: str, ours: str, peer: str, against: str) -> Row:
    return Row(what, "numbers", f"number_{ours}", f"number_{peer}", against, None)


def _attributes(what: str, key: str, target: float) -> Row:
    work = f"`counter.add(1, …)` on a meter of one's own: {what}"
    return Row(work, "attributes", f"ours_{key}", f"sdk_{key}", SDK, target)


def _over_budget(what: str, key: str, target: float) -> Row:
    work = f"typed handle `.add(1, …)`, a label over its budget, {what}"
    against = f"{PROMETHEUS} `.labels(**kw).inc()`"
    return Row(
        work, "labels", f"ours_over_budget_{key}", f"prometheus_labels_{key}", against, target
    )


def _free_threaded(what: str, key: str, peer: str, against: str, target: float) -> tuple[Row, Row]:
    group = "free_threaded"
    alone, both = f"{what}, without a GIL", f"{what}, without a GIL, two threads, a series each"
    one, two, same = f"free_{key}_one", f"free_{key}_two", "the same in one thread"
    return (
        Row(alone, group, f"free_{key}", f"free_{peer}", f"{PROMETHEUS} {against}", target),
        Row(both, group, two, one, same, 1.1, "at most"),
    )


_FINDING = (
    _attributes("an int among strings", "int", 6),
    _attributes("bool, float and int", "mixed", 6),
    _attributes("a sequence of strings", "strings", 6),
    _attributes("no attributes", "bare", 12),
    _attributes("one that a View drops", "dropped", 15),
    _attributes("new ones beyond the limit", "overflow", 1),
    Row(
        "`counter.add(1, {3 attributes})` on the contract's meter",
        "labels",
        "ours_contract",
        "sdk_contract",
        SDK,
        6,
    ),
    _over_budget("the same value again", "same", 1),
    _over_budget("a new value each time", "new", 0.3),
    Row(
        "a new series by a typed handle",
        "churn",
        "ours_new",
        "prometheus_new",
        f"{PROMETHEUS} `.labels(**kw).set()`",
        2,
        "at most",
    ),
    Row(
        "`.remove(…)` of one of 3,000 series",
        "churn",
        "ours_removal",
        "prometheus_removal",
        f"{PROMETHEUS} `.remove(…)`",
        5,
        "at most",
    ),
)

ROWS = (
    Row(_COUNTER_API, "api", "ours_counter", "sdk_counter", SDK, 30),
    Row(
        _COUNTER_API,
        "api",
        "ours_counter",
        "prometheus_counter",
        f"{PROMETHEUS} `.labels(**kw).inc()`",
        8,
    ),
    Row(
        "`histogram.record(v, {2 attributes})`, OTel API",
        "api",
        "ours_histogram",
        "sdk_histogram",
        SDK,
        25,
    ),
    Row(
        _HANDLE,
        "handles",
        "ours_handle",
        "prometheus_labels",
        f"{PROMETHEUS} `.labels(**kw).inc()`",
        12,
    ),
    Row(
        _HANDLE,
        "handles",
        "ours_handle",
        "prometheus_child",
        f"{PROMETHEUS} bound child `.inc()`",
        1.5,
    ),
    Row(
        "bound `.add(1)`",
        "handles",
        "ours_bound",
        "prometheus_child",
        f"{PROMETHEUS} bound child `.inc()`",
        6,
    ),
    Row(
        "bound `.record(v)`, 9 buckets",
        "handles",
        "ours_bound_histogram",
        "prometheus_child_histogram",
        f"{PROMETHEUS} bound child `.observe(v)`",
        6,
    ),
    *_traced("traced", "tracing on, no span", 0.9, 2.5, 7),
    *_traced("unsampled", "in a span that is not sampled", 0.9, 2.5, 7),
    *_traced("sampled", "in a sampled span", 0.35, None, 4),
    Row(f"{_COUNTER_API}, one reader of deltas", "deltas", "ours_delta", "sdk_delta", SDK, 5),
    _number("bound `.add(True)`", "bool", "one", "bound `.add(1)`"),
    _number("bound `.add(2**31)`", "large", "one", "bound `.add(1)`"),
    _number("bound `.record(3)`", "int", "float", "bound `.record(3.0)`"),
    *_free_threaded("bound `.add(1)`", "bound", "child", "bound child `.inc()`", 0.5),
    *_free_threaded(_HANDLE, "handle", "labels", "`.labels(**kw).inc()`", 2),
    *_FINDING,
    *_decorated("async", "in `with` blocks"),
    *_decorated("sync", "decorators"),
    Row(
        "no-op handle `.add(1, …3 labels…)` before `configure()`",
        "noop",
        "ours_noop",
        "sdk_noop",
        f"{SDK} `counter.add(1, {{3 attributes}})`, no reader",
        30,
    ),
    Row(
        _SCRAPE,
        "scrape",
        "ours_scrape",
        "official_scrape",
        f"{OFFICIAL} and `generate_latest`",
        12,
    ),
    Row(
        _SCRAPE,
        "scrape",
        "ours_scrape",
        "prometheus_scrape",
        f"{PROMETHEUS} `generate_latest`",
        25,
    ),
    Row(
        "scrape of 22,000 samples, protobuf",
        "scrape",
        "ours_scrape_protobuf",
        "ours_scrape_text",
        "the same in text",
        1.2,
        "at most",
    ),
    _scrape_with_collection("official_scrape", f"{OFFICIAL} and `generate_latest`"),
    _scrape_with_collection("prometheus_scrape", f"{PROMETHEUS} `generate_latest`"),
    Row(
        f"the first {_SCRAPE}",
        "first",
        "ours_first",
        "prometheus_first",
        f"{PROMETHEUS} `generate_latest`",
        12,
    ),
    Row(
        "scrape of 1,000 observed series of the contract",
        "observed",
        "ours_observed",
        "prometheus_observed",
        f"{PROMETHEUS} custom collector",
        1,
    ),
    Row(
        "scrape of 2,200 samples with exemplars of as many spans everywhere, text",
        "exemplars",
        "ours_exemplars_text",
        "ours_plain_text",
        "butterfly-otel without exemplars",
        1.2,
        "at most",
    ),
    Row(
        "scrape of 2,200 samples with exemplars of as many spans everywhere, OpenMetrics",
        "exemplars",
        "ours_exemplars_openmetrics",
        "prometheus_exemplars_openmetrics",
        f"{PROMETHEUS} `generate_latest`, OpenMetrics",
        3,
    ),
    Row(
        "scrape of 8 processes of 2,000 series each, all that they do to answer included",
        "processes",
        "ours_processes",
        "prometheus_processes",
        f"{PROMETHEUS} multi-process mode, `generate_latest`",
        8,
    ),
    Row(
        f"{_COUNTER_API}, in one of several processes",
        "sharing",
        "member",
        "alone",
        "the same in a process of its own",
        1.1,
        "at most",
    ),
    Row(
        "start of a process with pull, processor time",
        "start",
        "ours_start",
        "sdk_start",
        f"{SDK}, {OFFICIAL} and its server",
        1.3,
        "at most",
    ),
    Row(
        "OTLP collect and encode, 11,000 points",
        "otlp",
        "ours_otlp",
        "sdk_otlp",
        f"{SDK} and official encoder",
        3,
    ),
    _memory("memory of a counter series", "counter_memory", 1 / 2),
    _memory("memory of a histogram series, 9 buckets", "histogram_memory", 1 / 3),
    _memory("memory of a counter series, after a scrape", "counter_scraped", None),
    _memory("memory of a histogram series, after a scrape", "histogram_scraped", None),
    Row(
        "a sample of a scrape at 1,000,000 samples",
        "scale",
        "ours_large",
        "ours_small",
        "butterfly-otel at 10,000 samples",
        1.5,
        "at most",
        "ns a sample",
    ),
)
