"""What can be chosen when rules are generated, with the specification's values as defaults."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+$", re.IGNORECASE)
#: What stands for an alert's name in the URL of the runbooks.
_ALERT = "{alert}"
#: Labels that the rules themselves give to what they record or fire, or tell targets apart by.
_TAKEN = frozenset({"alertname", "severity", "slo", "job", "instance", "le"})
#: Longest scrape interval: beyond it, Prometheus forgets a sample before the next one comes.
_LONGEST_SCRAPE = 120.0
#: With a longer interval a scrape may take no longer: the default of `scrape_timeout` is 10 s.
_SLOWEST_SCRAPE = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where each alert begins. Ratios are from 0 to 1.

    Attributes:
        error_ratio: HighErrorRate: failed requests, of all of a role and method.
        latency_seconds: HighLatency: P99 of inference requests. Also what the latency SLO
            calls fast, so it is a boundary of ``butterfly_request_duration_seconds``.
        leader_changes: FrequentLeaderChanges: elections in an hour.
        memory_ratio: HighMemoryUsage: memory in use, of the node's limit.
        gpu_celsius: GPUOverheating.
        gpu_throttled_ratio: GPUThrottled: of the last quarter of an hour, how much.
        gpu_nvlink_errors: GPUNvlinkErrors: errors a minute.
        gpu_pcie_replays: GPUPcieReplays: replays a minute; 8 is what NVIDIA's own health checks
            (DCGM) take for too many.
        gpu_memory_ratio: GPUMemoryNearlyFull: memory in use, of what is used and free.
        queued_tasks: QueueBuildup: tasks waiting on a node.
        isolated_ratio: NodeIsolated: connections of a node that are down.
        availability: Objective of the availability SLO: requests that succeed.
        fast_requests: Objective of the latency SLO: inference requests that are fast.
        tokens_per_second: LowThroughput: what the cluster makes while it has work.
        scrape_ratio: ButterflyScrapeSlow: duration of a scrape, of the interval, or of 15 s
            where that is longer: Prometheus ends a scrape after 10 s unless it is told otherwise.
        collector_seconds: ButterflyCollectorStale: age of a collector's last reading.
        export_error_ratio: ButterflyExporterFailing: failed pushes, of all.
    """

    error_ratio: float = 0.05
    latency_seconds: float = 5.0
    leader_changes: float = 5.0
    memory_ratio: float = 0.9
    gpu_celsius: float = 85.0
    gpu_throttled_ratio: float = 0.5
    gpu_nvlink_errors: float = 1.0
    gpu_pcie_replays: float = 8.0
    gpu_memory_ratio: float = 0.97
    queued_tasks: float = 100.0
    isolated_ratio: float = 0.5
    availability: float = 0.999
    fast_requests: float = 0.99
    tokens_per_second: float = 1000.0
    scrape_ratio: float = 0.5
    collector_seconds: float = 60.0
    export_error_ratio: float = 0.1

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            ratio = each.name.endswith("_ratio") or each.name in {"availability", "fast_requests"}
            if not 0 < value < (1 if ratio else float("inf")):
                wanted = "between 0 and 1" if ratio else "above 0"
                msg = f"threshold {each.name} is {value:g}; give a number {wanted}"
                raise ConfigurationError(msg)
        bounds = catalog.BY_NAME["butterfly_request_duration_seconds"].buckets
        if self.latency_seconds not in bounds:
            msg = (
                f"threshold latency_seconds is {self.latency_seconds:g}, which is no boundary of"
                f" butterfly_request_duration_seconds, so requests that are faster can't be"
                f" counted; give one of {', '.join(f'{bound:g}' for bound in bounds)}"
            )
            raise ConfigurationError(msg)

    def changed(self, pairs: Iterable[str]) -> Thresholds:
        """Return these thresholds with some replaced, each given as ``NAME=VALUE``.

        Raises:
            ConfigurationError: When a name is unknown or a value is no number in its range.
        """
        known = [each.name for each in fields(self)]
        chosen: dict[str, float] = {}
        for pair in pairs:
            name, _, text = pair.partition("=")
            if name not in known:
                msg = f"there is no threshold {name!r}; there are {', '.join(known)}"
                raise ConfigurationError(msg)
            try:
                chosen[name] = float(text)
            except ValueError:
                msg = f"threshold {name} is {text!r}; write {name}=NUMBER"
                raise ConfigurationError(msg) from None
        return replace(self, **chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """For whom rules are generated.

    Attributes:
        thresholds: Where each alert begins.
        extra_labels: Labels that every recorded series and every alert gets.
        selector: Matchers that every selector gets, such as ``cluster="a"``: where one
            Prometheus watches several clusters, each has rules of its own.
        by: Labels that tell clusters apart, such as ``cluster``: where series of several meet,
            as in a storage, each rule keeps these labels, so one set of rules serves them all.
        jobs: Regular expression of the ``job`` label of everything that is Butterfly's.
        required: Metrics of which a healthy cluster always has a series.
        scrape_interval: Seconds between two scrapes; no rate looks at less than four.
        speed: How many times as fast as real time what is watched runs, such as a demo:
            every ``for`` and every window is as many times shorter.
        dotted_labels: Also look for labels under OpenTelemetry's own names. Prometheus 3
            stores them so with ``translation_strategy: NoTranslation``; Prometheus 2 can't
            load such rules.
        runbooks: Where the runbooks are: a URL, without a slash at the end, of a folder that has
            them as ``ALERT.md``, or one with ``{alert}`` in the place of an alert's name. Empty
            where they are nowhere to link to: alerts then name the command that shows them.

    Raises:
        ConfigurationError: When one of them is wrong.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    extra_labels: tuple[tuple[str, str], ...] = ()
    selector: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    jobs: str = "butterfly.*"
    required: tuple[str, ...] = (
        "butterfly_requests_total",
        "butterfly_cluster_size",
        "butterfly_quorum_size",
        "butterfly_consensus_leader_changes_total",
        "butterfly_connection_active",
        "butterfly_memory_allocated_bytes",
        "butterfly_tasks_queued",
    )
    scrape_interval: float = 15.0
    speed: float = 1.0
    dotted_labels: bool = False
    runbooks: str = ""

    def __post_init__(self) -> None:
        _check_labels(self.extra_labels)
        _check_matchers(self.selector)
        _check_by(self.by, self.extra_labels)
        unknown = [name for name in self.required if name not in catalog.BY_NAME]
        if unknown or not self.required:
            what = f"{unknown[0]!r} is no metric" if unknown else "no metric is required"
            msg = f"{what}; require metrics of the contract (`butterfly-otel catalog` lists them)"
            raise ConfigurationError(msg)
        if not 0 < self.scrape_interval <= _LONGEST_SCRAPE:
            msg = (
                f"the scrape interval is {self.scrape_interval:g} s; give what Prometheus is set"
                f" to, at most {_LONGEST_SCRAPE:g} s"
            )
            raise ConfigurationError(msg)
        if not 0 < self.speed < float("inf"):
            msg = f"the speed is {self.speed:g}; give a number above 0"
            raise ConfigurationError(msg)
        _check_regex("jobs", self.jobs)
        if self.runbooks and not _URL.match(self.runbooks):
            msg = (
                f"runbooks are at {self.runbooks!r}, which is not a URL; give one that a browser"
                " can open, such as https://docs.example.org/runbooks, or none"
            )
            raise ConfigurationError(msg)

    def runbook_url(self, alert: str, where: str = "") -> str:
        """Return the URL of an alert's runbook.

        Args:
            alert: Its name, or what stands for it.
            where: What stands for `runbooks` up to the alert, without a slash at the end.
        """
        start, placeholder, end = self.runbooks.partition(_ALERT)
        if not placeholder:
            return f"{where or start}/{alert}.md"
        return f"{where + '/' * start.endswith('/') if where else start}{alert}{end}"

    @property
    def runbooks_start(self) -> str:
        """What all URLs of runbooks begin with, without a slash at the end."""
        return self.runbooks.partition(_ALERT)[0].removesuffix("/")

    @property
    def slow_scrape(self) -> float:
        """Seconds from which a scrape is slow."""
        return round(self.thresholds.scrape_ratio * min(self.scrape_interval, _SLOWEST_SCRAPE), 9)


def parse_labels(pairs: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Read labels given as ``NAME=VALUE``.

    Raises:
        ConfigurationError: When one has no ``=``.
    """
    labels: list[tuple[str, str]] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            msg = f"{pair!r} is no label; write NAME=VALUE, such as team=inference"
            raise ConfigurationError(msg)
        labels.append((name, value))
    return tuple(labels)


def _check_labels(labels: tuple[tuple[str, str], ...]) -> None:
    of_contract = {key for metric in catalog.ALL for key in metric.label_keys}
    names = [name for name, _ in labels]
    for name, value in labels:
        if names.count(name) > 1:
            msg = f"the label {name!r} is given {names.count(name)} times; give it once"
            raise ConfigurationError(msg)
        if _LABEL.fullmatch(name) is None or name.startswith("__"):
            msg = f"{name!r} is no name of a label; use letters, digits and underscores"
            raise ConfigurationError(msg)
        if name in _TAKEN or name in of_contract:
            msg = f"the label {name!r} would replace one the rules or the metrics have; rename it"
            raise ConfigurationError(msg)
        if not value:
            msg = f"the label {name!r} has no value, and an empty label is none; write {name}=VALUE"
            raise ConfigurationError(msg)


def _check_by(names: tuple[str, ...], extra: tuple[tuple[str, str], ...]) -> None:
    given = {name for name, _ in extra}
    for name in names:
        if names.count(name) > 1:
            msg = f"rules are told {names.count(name)} times to keep the label {name!r}; do it once"
            raise ConfigurationError(msg)
        if name in given:
            msg = f"the extra label {name!r} would replace the one that rules keep; give one"
            raise ConfigurationError(msg)
    _check_labels(tuple((name, "kept") for name in names))


def _check_matchers(matchers: tuple[str, ...]) -> None:
    for matcher in matchers:
        found = _MATCHER.fullmatch(matcher)
        if found is None:
            msg = f"{matcher!r} is no matcher; write one of a selector, such as 'cluster=\"a\"'"
            raise ConfigurationError(msg)
        try:
            value = json.loads(found[3])
        except ValueError:
            msg = f"{matcher!r} has an escape that PromQL does not know; write \\\\ for a backslash"
            raise ConfigurationError(msg) from None
        if found[2] in {"=~", "!~"}:
            _check_regex(matcher, value)


def _check_regex(what: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"{what} has {pattern!r}, which is no regular expression: {error}"
        raise ConfigurationError(msg) from None
