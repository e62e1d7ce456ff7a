"""A healthy cluster: nodes with the label sets that they would have, measured, read and served."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Observation

from butterfly_otel.exporters.prometheus import Server, serve
from butterfly_otel.exporters.prometheus.serving.site import Request, Response, Route
from butterfly_otel.loadtest import memory
from butterfly_otel.loadtest.model import Shared
from butterfly_otel.loadtest.node import Node
from butterfly_otel.loadtest.scenarios import cluster_sets
from butterfly_otel.operate import sizes
from butterfly_otel.process import timing
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.loadtest.page import Page
    from butterfly_otel.operate.sizes import Role, Shape
    from butterfly_otel.views.streams import Stream

HOST: Final = "127.0.0.1"
#: Nodes behind one server: Prometheus may hold a connection for each, and a server takes 64.
_NODES_A_SERVER: Final = 32
#: Seconds between two rounds in which each node measures everything once more.
_BEAT: Final = 1.0


class Plan(NamedTuple):
    """What is driven.

    Attributes:
        streams: The metrics, and what is exported of them.
        shape: The whole cluster.
        nodes: The nodes of it that are driven, with their roles.
    """

    streams: tuple[Stream, ...]
    shape: Shape
    nodes: tuple[tuple[str, Role], ...]


class Target(NamedTuple):
    """Where a node's metrics are."""

    node_id: str
    address: str
    path: str


def plan(streams: Sequence[Stream], shape: Shape, driven: int | None = None) -> Plan:
    """Return which nodes of a cluster are driven: all, or so many, of each role its share."""
    wanted = shape.nodes if driven is None else max(1, min(driven, shape.nodes))
    counts: dict[Role, int] = {}
    few: tuple[Role, ...] = ("coordinator", "observer")
    for role in few:
        share = shape.count(role) * wanted / shape.nodes
        counts[role] = min(shape.count(role), max(1, round(share)), wanted - sum(counts.values()))
    counts["compute"] = min(shape.compute, wanted - sum(counts.values()))
    nodes: list[tuple[str, Role]] = []
    for role in sizes.ROLES:
        for number in range(1, counts[role] + 1):
            nodes.append((f"load-{role}-{number}", role))  # noqa: PERF401 - the type of the role
    return Plan(tuple(streams), shape, tuple(nodes))


class Share:
    """The nodes that one process has of a cluster. Used by one thread.

    Args:
        of: What is driven.
        number: Which process this is, from 0.
        processes: How many there are.
    """

    def __init__(self, of: Plan, number: int = 0, processes: int = 1) -> None:
        self._plan = of
        self._before = memory.resident()
        self._nodes = [
            Node([each for each in of.streams if sizes.reports(each, role)], node_id, role)
            for node_id, role in of.nodes[number::processes]
        ]
        self._roles = dict(of.nodes)
        self._servers: list[Server] = []
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    def drive(self) -> Shared:
        """Measure everything, read every page, count, and measure everything once more."""
        calls, first, again = 0, 0.0, 0.0
        for node in self._nodes:
            for stream in node.streams:
                if stream.metric.observable:
                    node.observe(stream.metric.name, self._observations(node, stream.metric))
            began = self._measure_all(node)
            calls, first = calls + began[0], first + began[1]
        found = self._gather()
        for node in self._nodes:
            again += self._measure_all(node)[1]
        return replace(found, calls=calls, first_seconds=first, seconds=again)

    def serve(self) -> list[Target]:
        """Serve every node, and let each measure everything again every second from now on."""
        targets: list[Target] = []
        for first in range(0, len(self._nodes), _NODES_A_SERVER):
            group = self._nodes[first : first + _NODES_A_SERVER]
            site = {f"/{node.node_id}/metrics": Route(_page_of(node)) for node in group}
            server = serve(group[0].reader, HOST, 0, site=site)
            self._servers.append(server)
            targets += [
                Target(node.node_id, f"{HOST}:{server.port}", f"/{node.node_id}/metrics")
                for node in group
            ]
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        return targets

    def close(self) -> None:
        """End all of it."""
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        for server in self._servers:
            server.close()
        for node in self._nodes:
            node.close()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            for node in self._nodes:
                for stream in node.streams:
                    if self._ended.is_set():
                        return
                    self._measure_metric(node, stream.metric)

    def _measure_all(self, node: Node) -> tuple[int, float]:
        """Measure all of a node that is measured by calls; return how many, and seconds."""
        done = [self._measure_metric(node, stream.metric) for stream in node.streams]
        return sum(calls for calls, _ in done), sum(seconds for _, seconds in done)

    def _measure_metric(self, node: Node, metric: Metric) -> tuple[int, float]:
        if metric.observable:
            return 0, 0.0
        sets, measure = list(self._sets(node, metric)), node.measure(metric.name)
        started = timing.perf_counter()
        for attributes in sets:
            measure(1, attributes)
        return len(sets), timing.perf_counter() - started

    def _sets(self, node: Node, metric: Metric) -> Iterator[dict[str, str]]:
        keys = metric.label_keys
        for labels in cluster_sets(metric, self._roles[node.node_id], self._plan.shape):
            pairs = zip(keys, labels, strict=True)
            yield {key: value for key, value in pairs if value is not None}

    def _observations(self, node: Node, metric: Metric) -> Callable[[], list[Observation]]:
        return lambda: [Observation(1, attributes) for attributes in self._sets(node, metric)]

    def _gather(self) -> Shared:
        names = [stream.metric.name for stream in self._plan.streams]
        counts = {part: dict.fromkeys(names, 0) for part in ("offered", "kept", "folded")}
        refused, samples = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        slowest, largest, total = 0.0, 0, 0
        for node in self._nodes:
            # The first page, in which each callback has been asked once: what it observes again
            # is replaced and counted again.
            page = node.page()
            started = timing.perf_counter()
            node.render()
            slowest = max(slowest, timing.perf_counter() - started)
            largest, total = max(largest, page.bytes), total + page.bytes
            for stream in node.streams:
                name, found = stream.metric.name, page.exported(stream)
                offered = self._offered(node, stream)
                counts["offered"][name] += offered
                counts["kept"][name] += len(found.given)
                counts["folded"][name] += _folded(page, stream, offered)
                refused[name] += page.refused(stream.metric)
                samples[name] += found.samples
        return Shared(
            nodes=len(self._nodes),
            offered=counts["offered"],
            kept=counts["kept"],
            folded=counts["folded"],
            refused=refused,
            samples=samples,
            calls=0,
            first_seconds=0.0,
            seconds=0.0,
            memory=memory.grown(self._before, memory.resident()),
            page_seconds=slowest,
            page_bytes=largest,
            bytes=total,
        )

    def _offered(self, node: Node, stream: Stream) -> int:
        """Return how many label sets a node has offered, those that are dropped aside."""
        kept = {label.key for label in stream.labels}
        at = [at for at, key in enumerate(stream.metric.label_keys) if key in kept]
        sets = cluster_sets(stream.metric, self._roles[node.node_id], self._plan.shape)
        return len({tuple(labels[each] for each in at) for labels in sets})


def together(found: Sequence[Shared]) -> Shared:
    """Return what several processes have found as if it were one."""
    known = [each.memory for each in found if each.memory is not None]

    def added(part: str) -> dict[str, int]:
        total: dict[str, int] = {}
        for each in found:
            for name, count in getattr(each, part).items():
                total[name] = total.get(name, 0) + count
        return total

    return Shared(
        nodes=sum(each.nodes for each in found),
        offered=added("offered"),
        kept=added("kept"),
        folded=added("folded"),
        refused=added("refused"),
        samples=added("samples"),
        calls=sum(each.calls for each in found),
        first_seconds=sum(each.first_seconds for each in found),
        seconds=sum(each.seconds for each in found),
        memory=sum(known) if len(known) == len(found) else None,
        page_seconds=max(each.page_seconds for each in found),
        page_bytes=max(each.page_bytes for each in found),
        bytes=sum(each.bytes for each in found),
    )


def _folded(page: Page, stream: Stream, offered: int) -> int:
    """Return how many label sets share a series: of what adds up its value tells.

    Of a gauge the labels that were replaced do, or where there is an overflow point, the rest.
    """
    found = page.exported(stream)
    if stream.metric.instrument in {"counter", "up_down_counter", "histogram"}:
        return round(found.folded)
    if found.overflow is not None:
        return offered - len(found.given)
    return round(sum(page.violations(stream.metric).values()))


def _page_of(node: Node) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        content_type, body = node.reader.render(request.headers.get("accept"))
        return Response("200 OK", (("Content-Type", content_type),), body)

    return answer
