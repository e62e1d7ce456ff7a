"""The whole load test: the healthy cluster, then what goes beyond it, then the verdict."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from butterfly_otel.demo import prometheus
from butterfly_otel.loadtest import judging, server
from butterfly_otel.loadtest.cluster import Share, plan
from butterfly_otel.loadtest.flooding import flood_metric
from butterfly_otel.loadtest.model import Clustered, Report
from butterfly_otel.loadtest.quiet import quiet
from butterfly_otel.loadtest.workers import LoadError, Workers
from butterfly_otel.operate import sizes
from butterfly_otel.process.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from butterfly_otel.loadtest.cluster import Plan
    from butterfly_otel.loadtest.model import Flooded, Scraped
    from butterfly_otel.loadtest.scenarios import Flood
    from butterfly_otel.operate.sizes import Shape
    from butterfly_otel.views.streams import Stream

    #: Told what is being done, and how much of it.
    Tell = Callable[[str], None]


_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a load test is to do.

    Attributes:
        streams: The metrics, and what is exported of them.
        shape: The cluster.
        command: How that was asked for, for the report.
        cluster: Whether to drive the healthy cluster.
        driven: How many of its nodes are driven; None for all.
        floods: What goes beyond the budgets.
        sets: Label sets that each metric is offered, in each of them.
        processes: Processes that share the work.
        prometheus: The executable of a Prometheus that scrapes the nodes; None for none.
        port: Where it listens; 0 takes a free one.
        interval: Seconds between two scrapes of one node.
        rounds: Scrapes of each node.
        factor: By how much a prediction may be off.
    """

    streams: Sequence[Stream]
    shape: Shape
    command: str = "butterfly-otel loadtest"
    cluster: bool = True
    driven: int | None = None
    floods: Sequence[Flood] = ()
    sets: int = 10_000
    processes: int = 1
    prometheus: str | None = None
    port: int = 0
    interval: float = 5.0
    rounds: int = 3
    factor: float = judging.FACTOR


def run_loadtest(options: Options, tell: Tell = lambda _what: None) -> Report:
    """Run a load test to its end.

    Args:
        options: What it is to do.
        tell: Told what it is doing.

    Raises:
        ConfigurationError: When Prometheus does not start, or does not come round in time.
        LoadError: When a process has ended before it was done.
    """
    broken: list[str] = []
    cluster = None
    with quiet():
        if options.cluster:
            cluster = _cluster(options, tell)
            broken += judging.judge_cluster(cluster, options.factor)
        floods = tuple(_floods(options, tell))
    for each in floods:
        broken += judging.judge_flood(each, options.factor)
    return Report(
        command=options.command,
        factor=options.factor,
        cluster=cluster,
        floods=floods,
        broken=tuple(broken),
    )


def _cluster(options: Options, tell: Tell) -> Clustered:
    of = plan(options.streams, options.shape, options.driven)
    tell(f"cluster: driving {len(of.nodes)} of {options.shape.nodes} nodes")
    with ExitStack() as stack:
        share: Share | Workers
        share = Share(of) if options.processes == 1 else Workers(of, options.processes)
        stack.callback(share.close)
        found = share.drive()
        scraped = None
        if options.prometheus is not None:
            scraped = _scraped(options, share, len(of.nodes), tell)
    predicted = _predicted(of)
    series = sum(predicted.values()) + len(of.nodes)
    return Clustered(
        nodes=options.shape.nodes,
        driven=len(of.nodes),
        processes=options.processes,
        found=found,
        predicted=predicted,
        predicted_series=series,
        predicted_memory=series * sizes.BYTES_A_SERIES // sizes.HEADROOM,
        whole_series=sizes.cluster_series(options.shape, options.streams),
        scraped=scraped,
    )


def _scraped(options: Options, share: Share | Workers, nodes: int, tell: Tell) -> Scraped:
    binary = options.prometheus or ""
    text = server.config_text(share.serve(), options.interval, sizes.sample_limit(options.streams))
    with prometheus.running(binary, text, options.port) as address:
        tell(f"cluster: Prometheus on {address} scrapes {nodes} nodes {options.rounds} times")
        last = [-1]

        def told(seen: int) -> None:
            if seen != last[0]:
                last[0] = seen
                tell(f"cluster: {seen} of {nodes} nodes have been scraped")

        return server.Server(address).scraped(nodes, options.rounds, options.interval, told)


def _predicted(of: Plan) -> dict[str, int]:
    found: dict[str, int] = {}
    for role in sizes.ROLES:
        count = sum(1 for _, each in of.nodes if each == role)
        for name, series in sizes.node_series(role, of.shape, of.streams).items():
            found[name] = found.get(name, 0) + series * count
    return found


def _floods(options: Options, tell: Tell) -> Iterator[Flooded]:
    """Flood every metric in every way asked for, in the catalogue's order."""
    work: list[tuple[Flood, Stream]]
    work = [(flood, stream) for flood in options.floods for stream in options.streams]
    if options.processes == 1:
        for number, (flood, stream) in enumerate(work, 1):
            what = f"{flood}: {stream.metric.name} ({number} of {len(work)})"
            tell(what)
            yield flood_metric(stream, flood, options.sets, _millions(what, tell))
        return
    with _pool(options.processes) as pool:
        jobs = {
            pool.submit(_flood_quietly, stream, flood, options.sets): (flood, stream)
            for flood, stream in work
        }
        for number, job in enumerate(as_completed(jobs), 1):
            flood, stream = jobs[job]
            tell(f"{flood}: {stream.metric.name} ({number} of {len(work)})")
        yield from (job.result() for job in jobs)


def _millions(what: str, tell: Tell) -> Callable[[int], None]:
    """Return what tells of every million of label sets."""
    told = [0]

    def progress(done: int) -> None:
        if done >= told[0] + _MILLION:
            told[0] = done
            tell(f"{what}: {done:,} label sets")

    return progress


def _flood_quietly(stream: Stream, flood: Flood, sets: int) -> Flooded:
    with quiet():
        return flood_metric(stream, flood, sets)


@contextmanager
def _pool(processes: int) -> Generator[ProcessPoolExecutor, None, None]:
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            yield pool
    except BrokenProcessPool as error:
        msg = (
            "a process of the load test has ended, perhaps for want of memory; use fewer, by"
            " --processes"
        )
        raise LoadError(msg) from error
