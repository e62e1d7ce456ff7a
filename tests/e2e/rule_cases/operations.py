"""Stories of the alerts on the monitoring itself."""

from __future__ import annotations

from .model import AlertCase, Fire, s

A, B = {"instance": "a", "job": "butterfly-x"}, {"instance": "b", "job": "butterfly-x"}
OTHER = {"instance": "a", "job": "node"}
#: Every metric that has to be there, on one target or the other.
REQUIRED = {
    s("butterfly_requests_total", **A): "1x200",
    s("butterfly_cluster_size", state="active", **A): "3x200",
    s("butterfly_quorum_size", **A): "2x200",
    s("butterfly_consensus_leader_changes_total", **A): "1x200",
    s("butterfly_connection_active", from_node="n1", to_node="n2", **B): "1x200",
    s("butterfly_memory_allocated_bytes", node_id="n1", pool="model", **B): "1x200",
}

TARGET_DOWN = AlertCase(
    "ButterflyTargetDown",
    "one of two, until it is up; another job's is none of ours, nor is a short outage",
    {
        s("up", **A): "1x4 0x16 1x40",
        s("up", **B): "1x4 0x4 1x52",
        s("up", **OTHER): "0x60",
    },
    {
        "150s": (),
        "4m": (
            Fire(
                dict(A),
                "a can't be scraped",
                "Prometheus can't scrape a of job butterfly-x.",
            ),
        ),
        "6m": (),
    },
)

PUSH_STOPPED = AlertCase(
    "ButterflyPushStopped",
    "a node that pushed and stopped, for half an hour; not one that is scraped, nor another job's",
    {
        s("target_info", **A): "1x20 stale",
        s("target_info", **B): "1x240",
        s("target_info", instance="c", job="butterfly-x"): "1x20 stale",
        s("up", instance="c", job="butterfly-x"): "0x240",
        s("target_info", **OTHER): "1x20 stale",
    },
    {
        "6m": (),
        "8m": (
            Fire(
                dict(A),
                "a no longer pushes",
                "a (job butterfly-x) has pushed its metrics within the last half hour, and does so"
                " no more.",
            ),
        ),
        "40m": (),
    },
)

_NOTHING = Fire(
    {},
    "Nothing of Butterfly is monitored",
    "Prometheus has no target that answers, and no push, whose job matches butterfly.*: no other"
    " alert can fire.",
)
JOB_ABSENT = (
    AlertCase(
        "ButterflyJobAbsent",
        "from the start, until a target is up: one that is down is no help, nor are other jobs",
        {
            s("up", **OTHER): "1x80",
            s("target_info", **OTHER): "1x80",
            s("up", **A): "_x32 0x15 1x32",
        },
        {"4m": (), "6m": (_NOTHING,), "11m": (_NOTHING,), "13m": ()},
        severity="critical",
    ),
    AlertCase(
        "ButterflyJobAbsent",
        "nodes that push are monitored",
        {s("target_info", instance="n", job="butterfly/node"): "1x40 stale"},
        {"6m": (), "10m": (), "16m": (_NOTHING,)},
        severity="critical",
    ),
)


def _missing(metric: str) -> Fire:
    return Fire(
        {"metric": metric},
        f"{metric} is missing",
        f"No target reports {metric}, which a healthy cluster always has:"
        " alerts that need it can't fire.",
    )


_QUEUED = s("butterfly_tasks_queued", node_id="n1", **B)
METRIC_ABSENT = (
    AlertCase(
        "ButterflyMetricAbsent",
        "the one that no target has, until one has it",
        {**REQUIRED, s("up", **A): "1x200", _QUEUED: "_x80 1x120"},
        {"9m": (), "15m": (_missing("butterfly_tasks_queued"),), "21m": ()},
    ),
    AlertCase(
        "ButterflyMetricAbsent",
        "each of them, of nodes that push",
        {s("target_info", **A): "1x200"},
        {
            "15m": (
                *(_missing(name.partition("{")[0]) for name in REQUIRED),
                _missing("butterfly_tasks_queued"),
            )
        },
    ),
    AlertCase(
        "ButterflyMetricAbsent",
        "without any target that works it is another alert's turn",
        {s("up", **A): "0x200", s("up", **OTHER): "1x200", s("target_info", **OTHER): "1x200"},
        {"15m": ()},
    ),
)


def _overflow(instance: str, metric: str) -> Fire:
    return Fire(
        {"job": "butterfly-x", "instance": instance, "metric": metric},
        f"{metric} has too many series on {instance}",
        f"{instance} (job butterfly-x) has reached its limit of series of {metric};"
        " what is beyond it is no longer told apart.",
    )


_OVER = {"otel_metric_overflow": "true"}
CARDINALITY_OVERFLOW = AlertCase(
    "ButterflyCardinalityOverflow",
    "each metric of each target once, a histogram too; not others' metrics; it ends with a restart",
    {
        s("butterfly_connection_active", **_OVER, **A): "1x40 stale",
        s("butterfly_connection_active", from_node="n", to_node="m", **B): "1x80",
        s("butterfly_layer_compute_duration_seconds_bucket", le="1.0", **_OVER, **B): "1x80",
        s("butterfly_layer_compute_duration_seconds_bucket", le="+Inf", **_OVER, **B): "1x80",
        s("butterfly_layer_compute_duration_seconds_sum", **_OVER, **B): "1x80",
        s("butterfly_layer_compute_duration_seconds_count", **_OVER, **B): "1x80",
        s("http_requests_total", **_OVER, **A): "1x80",
        s("butterfly_tasks_queued", otel_metric_overflow="false", **A): "1x80",
    },
    {
        "4m": (),
        "8m": (
            _overflow("a", "butterfly_connection_active"),
            _overflow("b", "butterfly_layer_compute_duration_seconds_count"),
        ),
        "11m": (_overflow("b", "butterfly_layer_compute_duration_seconds_count"),),
    },
)


def violations(metric: str, label: str, reason: str, **target: str) -> str:
    """Return a counter of violations."""
    name = "butterfly_otel_label_violations_total"
    return s(name, metric=metric, label=label, reason=reason, **target)


def _violation(instance: str, reason: str, count: str, metric: str = "m", label: str = "l") -> Fire:
    return Fire(
        {
            "job": "butterfly-x",
            "instance": instance,
            "metric": metric,
            "label": label,
            "reason": reason,
        },
        f"{instance} measures with labels that break the contract",
        f"{instance} (job butterfly-x) gave {metric} a wrong label {label} ({reason})"
        f" {count} times within ten minutes.",
    )


LABEL_VIOLATIONS = (
    AlertCase(
        "ButterflyLabelViolations",
        "those that come, of each kind and target, and the first of its kind; then no more",
        {
            s("up", **A): "1x120",
            s("up", **B): "1x120",
            violations("m", "l", "missing", **A): "9x40 12x80",
            violations("m", "l", "missing", **B): "9x120",
            violations("m", "l", "too_long", **B): "_x40 2x80",
            violations("m", "k", "too_long", **B): "_x40 1x80",
            violations("q", "l", "too_long", **B): "_x40 1x80",
        },
        {
            "9m": (),
            "10m30s": (
                _violation("a", "missing", "3"),
                _violation("b", "too_long", "2"),
                _violation("b", "too_long", "1", label="k"),
                _violation("b", "too_long", "1", metric="q"),
            ),
            "23m": (),
        },
    ),
    AlertCase(
        "ButterflyLabelViolations",
        "what a new target has counted is old, and so is what is counted before a restart",
        {
            s("up", **A): "_x40 1x80",
            violations("m", "l", "missing", **A): "_x40 5x80",
            s("up", **B): "1x120",
            violations("m", "l", "missing", **B): "5x60 0x60",
        },
        {"10m15s": (), "12m": (), "18m": ()},
    ),
)


def invalid(metric: str, reason: str, **target: str) -> str:
    """Return a counter of refused values."""
    return s("butterfly_otel_invalid_measurements_total", metric=metric, reason=reason, **target)


def _refused(instance: str, metric: str, reason: str, count: str) -> Fire:
    return Fire(
        {"job": "butterfly-x", "instance": instance, "metric": metric, "reason": reason},
        f"{instance} keeps measuring what {metric} can't hold",
        f"{metric} of {instance} (job butterfly-x) refused {count} values within ten minutes"
        f" ({reason}): they are in no series.",
    )


INVALID_MEASUREMENTS = (
    AlertCase(
        "ButterflyInvalidMeasurements",
        "while values are refused, one in eight minutes or over a restart; then no more",
        {
            invalid("m", "negative", **A): "9x20 10+1x140 150x80",
            invalid("m", "not_finite", **A): "9x20 10+2x40 0+2x99 198x80",
            invalid("q", "not_a_number", **B): "0x31 1x31 2x31 3x130",
        },
        {
            "19m": (),
            "22m": (_refused("a", "m", "negative", "40"), _refused("a", "m", "not_finite", "78")),
            "30m": (
                _refused("a", "m", "negative", "40"),
                _refused("a", "m", "not_finite", "80"),
                _refused("b", "q", "not_a_number", "1"),
            ),
            "36m": (_refused("a", "m", "negative", "40"), _refused("a", "m", "not_finite", "80")),
            "52m": (),
        },
    ),
    AlertCase(
        "ButterflyInvalidMeasurements",
        "not for one stray value, the first or a later one, nor a burst, nor after a restart",
        {
            invalid("m", "negative", **A): "7x40 8x160",
            invalid("m", "not_finite", **A): "_x40 1x160",
            invalid("q", "negative", **A): "0x40 9000x160",
            invalid("m", "negative", **B): "9000x40 0x60 1x100",
        },
        {"11m": (), "16m": (), "21m": (), "26m": (), "41m": ()},
    ),
)


def callback_errors(metric: str, **target: str) -> str:
    """Return a counter of callbacks that raised."""
    return s("butterfly_otel_callback_errors_total", metric=metric, **target)


def _unobserved(instance: str, metric: str, count: str) -> Fire:
    return Fire(
        {"job": "butterfly-x", "instance": instance, "metric": metric},
        f"{metric} of {instance} can't be observed",
        f"Observation callbacks of {metric} on {instance} (job butterfly-x) raised {count} times"
        " within five minutes: what they observe is missing.",
    )


CALLBACK_ERRORS = (
    AlertCase(
        "ButterflyCallbackErrors",
        "while callbacks raise, once in four minutes or over a restart; then no more",
        {
            callback_errors("g", **A): "_x8 1+1x112 113x80",
            callback_errors("h", **A): "_x8 2+2x40 0+2x71 142x80",
            callback_errors("g", **B): "0x15 1x15 2x15 3x15 4x15 5x120",
        },
        {
            "12m": (),
            "13m30s": (_unobserved("a", "g", "20"), _unobserved("a", "h", "38")),
            "17m": (
                _unobserved("a", "g", "20"),
                _unobserved("a", "h", "38"),
                _unobserved("b", "g", "1"),
            ),
            "27m": (_unobserved("a", "g", "20"), _unobserved("a", "h", "40")),
            "37m": (),
        },
    ),
    AlertCase(
        "ButterflyCallbackErrors",
        "not for one that raised once, the first time or later, nor after a restart",
        {
            callback_errors("g", **A): "7x40 8x120",
            callback_errors("h", **A): "_x40 1x120",
            callback_errors("g", **B): "90x40 0x40 1x80",
        },
        {"11m": (), "14m": (), "16m": (), "21m": (), "31m": ()},
    ),
)


def age(collector: str, **target: str) -> str:
    """Return the age of a collector's reading."""
    return s("butterfly_otel_collector_age_seconds", collector=collector, **target)


def _stale(instance: str, collector: str, since: str) -> Fire:
    return Fire(
        {"job": "butterfly-x", "instance": instance, "collector": collector},
        f"Collector {collector} on {instance} has stopped",
        f"Collector {collector} on {instance} (job butterfly-x) last read its hardware"
        f" {since} ago.",
    )


COLLECTOR_STALE = AlertCase(
    "ButterflyCollectorStale",
    "one collector of one node, until it reads again; a minute is granted, and a hiccup",
    {
        age("nvml", **A): "2x8 70x40 1x40",
        age("cpu", **A): "1x88",
        age("nvml", **B): "58x88",
        age("disk", **B): "2x8 90x4 1x76",
    },
    {"6m": (), "10m": (_stale("a", "nvml", "1m 10s"),), "13m": ()},
)


def exports(exporter: str, status: str, **target: str) -> str:
    """Return a counter of pushes."""
    return s("butterfly_otel_exports_total", exporter=exporter, status=status, **target)


def _failing(instance: str, exporter: str, share: str) -> Fire:
    return Fire(
        {"job": "butterfly-x", "instance": instance, "exporter": exporter},
        f"Exporter {exporter} of {instance} fails",
        f"{share} of what {exporter} of {instance} (job butterfly-x) pushed within ten minutes"
        " was not taken.",
    )


EXPORTER_FAILING = AlertCase(
    "ButterflyExporterFailing",
    "one exporter of one node, until pushes are taken again; 8 % may fail, old failures are over",
    {
        exports("otlp", "success", **A): "0+88x80 7040+100x80",
        exports("otlp", "error", **A): "0+12x80 960x80",
        exports("console", "success", **A): "0+100x160",
        exports("otlp", "success", **B): "0+92x160",
        exports("otlp", "error", **B): "0+8x160",
        exports("otlp", "success", instance="c", job="butterfly-x"): "0+100x160",
        exports("otlp", "error", instance="c", job="butterfly-x"): "90000x160",
    },
    {"4m": (), "12m": (_failing("a", "otlp", "12%"),), "24m": ()},
)


def took(**target: str) -> str:
    """Return the duration of scrapes."""
    return s("scrape_duration_seconds", **target)


SCRAPE_SLOW = AlertCase(
    "ButterflyScrapeSlow",
    "half of the interval, on average; one slow scrape is none, and other jobs' are not ours",
    {
        took(**A): "1x4 8.5x60 1x60",
        took(**B): "1x4 14 1x40 7x80",
        took(**OTHER): "14x124",
    },
    {
        "6m": (),
        "14m": (
            Fire(
                dict(A),
                "a is slow to scrape",
                "A scrape of a (job butterfly-x) takes 8.5s (threshold: 7.5 s).",
            ),
        ),
        "22m": (),
    },
)

CASES = (
    TARGET_DOWN,
    PUSH_STOPPED,
    *JOB_ABSENT,
    *METRIC_ABSENT,
    CARDINALITY_OVERFLOW,
    *LABEL_VIOLATIONS,
    *INVALID_MEASUREMENTS,
    *CALLBACK_ERRORS,
    COLLECTOR_STALE,
    EXPORTER_FAILING,
    SCRAPE_SLOW,
)
