"""What a load test has found: plain numbers, and what is wrong with them."""

from __future__ import annotations

from dataclasses import field

from butterfly_otel.process.frozen import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """What became of a metric that was offered more than its budgets.

    ``offered = kept + overflowed + refused``, each counted where it came out. Of counters and
    histograms these are measurements; of gauges, which hold one value, distinct label sets, those
    of one collection where callbacks observe them.

    Attributes:
        metric: Its name.
        flood: The scenario.
        sets: Distinct label sets offered.
        offered: What was offered.
        kept: What is exported under the labels that were given, or was until its series ended.
        overflowed: What is exported under ``other`` or on OpenTelemetry's overflow point.
        refused: What was refused because no metric can hold it.
        ended: What of ``kept`` had series that have ended.
        series: The most series of a page, the overflow point included.
        budget: As many as the catalogue allows.
        samples: Their lines.
        limit: As many as the catalogue allows.
        calls: Measurements that were timed.
        seconds: What they took.
        memory: Bytes by which the process grew; None where the system does not tell.
        late_growth: Bytes of these after half of the sets.
        scrape_seconds: What the last page took.
        wrong: What differs from what the contract makes of the same sets.
    """

    metric: str
    flood: str
    sets: int
    offered: int
    kept: int
    overflowed: int
    refused: int
    ended: int
    series: int
    budget: int
    samples: int
    limit: int
    calls: int
    seconds: float
    memory: int | None
    late_growth: int | None
    scrape_seconds: float
    wrong: tuple[str, ...] = ()

    @property
    def nanoseconds(self) -> float:
        """What a call costs."""
        return self.seconds * 1e9 / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What one process found of its nodes of the cluster.

    Attributes:
        nodes: Nodes it has.
        offered: Label sets offered, by metric.
        kept: Series exported as they were given, by metric.
        folded: Series that several sets share, by metric.
        refused: Values refused, by metric.
        samples: Lines by metric.
        calls: Measurements that were timed, twice.
        first_seconds: What they took when each of them began a series.
        seconds: What they took the second time.
        memory: Bytes by which the process grew, by pipelines, series and pages.
        page_seconds: What a page takes, the slowest node's, when it has been asked before.
        page_bytes: The largest page.
        bytes: All pages together.
    """

    nodes: int
    offered: dict[str, int]
    kept: dict[str, int]
    folded: dict[str, int]
    refused: dict[str, int]
    samples: dict[str, int]
    calls: int
    first_seconds: float
    seconds: float
    memory: int | None
    page_seconds: float
    page_bytes: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """What a Prometheus has of the cluster.

    Attributes:
        version: Its version.
        targets: Nodes that it could scrape.
        failed: Nodes that it could not, each with what it says.
        samples: Samples of one round of scrapes.
        head_series: Series in its head block.
        memory: Bytes by which it grew from its start.
        slowest: Seconds of the slowest scrape, as it timed it.
        rounds: Rounds of scrapes it has done.
    """

    version: str
    targets: int
    failed: tuple[str, ...]
    samples: int
    head_series: int
    memory: int
    slowest: float
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """What a healthy cluster was found to cost, beside what ``sizes`` predicts.

    Attributes:
        nodes: Nodes of the cluster.
        driven: Nodes of it that were driven; the others are like them.
        processes: Processes that had them.
        found: What all of them found together.
        predicted: Samples predicted for the driven nodes, by metric.
        predicted_series: All of them, ``target_info`` included.
        predicted_memory: Bytes that Prometheus takes for them at first, without the headroom
            that `sizes` adds for series that come and go, rules and queries.
        whole_series: Predicted for the whole cluster.
        scraped: What a Prometheus has of it; None where there was none.
    """

    nodes: int
    driven: int
    processes: int
    found: Shared
    predicted: dict[str, int]
    predicted_series: int
    predicted_memory: int
    whole_series: int
    scraped: Scraped | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a load test has found.

    Attributes:
        command: What was asked for.
        factor: By how much a prediction may be off.
        cluster: The healthy cluster; None where it was not asked for.
        floods: What went beyond, metric by metric.
        broken: What is wrong, a sentence each.
    """

    command: str
    factor: float
    cluster: Clustered | None
    floods: tuple[Flooded, ...]
    broken: tuple[str, ...] = field(default_factory=tuple)
