"""The live view, by rich: an optional extra, so this module is imported only where it is."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from butterfly_otel.demo.pipeline import HOT
from butterfly_otel.demo.plain import is_behind, line
from butterfly_otel.demo.window import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from butterfly_otel.demo.window import Status
    from butterfly_otel.demo.world import Node

_BARS = "▁▂▃▄▅▆▇█"
#: Seconds between two drawings, each of which takes some 30 ms.
_DRAW_EVERY = 0.5
#: Lines of the three panels and the last line, of frame and head around the nodes, and around
#: the events; least and most lines of nodes and events; width of the sparkline.
_PANELS, _AROUND_NODES, _AROUND_EVENTS = 9, 4, 2
_LEAST_NODES, _LEAST_EVENTS, _MOST_EVENTS = 3, 1, 8
_SPARKS = 12
#: From these on a value is shown as a warning.
_SLOW, _FAILING, _LONG_QUEUE, _FULL, _DOUBTFUL = 5.0, 0.05, 100, 0.9, 0.5
_BAD = "bold red"


class LiveView:
    """Shows the cluster in the terminal, again and again."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._next = 0.0

    def begin(self, status: Status) -> None:
        """Take over the screen."""
        self._live.start()
        self.update(status)

    def update(self, status: Status) -> None:
        """Draw how things are, unless that has just been done."""
        if monotonic() < self._next:
            return
        self._next = monotonic() + _DRAW_EVERY
        self._live.update(draw(status, self._console.height), refresh=True)

    def end(self, status: Status) -> None:
        """Give the screen back and leave one line on it."""
        self._live.stop()
        self._console.print(Text(line(status)))
        after = time_text(status.cluster.clock)
        self._console.print(f"stopped after {after} of simulated time")


def draw(status: Status, height: int) -> Group:
    """Return the whole view, for a terminal of so many lines."""
    columns = Table.grid(expand=True)
    for _ in range(3):
        columns.add_column(ratio=1)
    columns.add_row(_requests(status), _consensus(status), _work(status))
    head = _head(status)
    head_lines = head.plain.count("\n") + 3
    left = height - head_lines - _PANELS - _AROUND_NODES - _AROUND_EVENTS
    nodes = len(status.cluster.world.compute)
    events = min(_MOST_EVENTS, max(_LEAST_EVENTS, left - nodes, left // 3))
    rows = max(_LEAST_NODES, left - events)
    top = Panel(head, title=_title(status), title_align="left", border_style="cyan")
    foot = Text("Ctrl-C stops it", "dim")
    return Group(top, columns, _nodes(status, rows), _events(status, events), foot)


def _title(status: Status) -> str:
    cluster = status.cluster
    nodes, clock = len(cluster.world.nodes), time_text(cluster.clock)
    title = f"Butterfly, simulated · {nodes} nodes · {clock} · speed {status.speed:g}"
    return f"{title} (reaches {status.reached:.1f})" if is_behind(status) else title


def _head(status: Status) -> Text:
    text = _text("")
    if status.endpoint is None:
        text.append("metrics are not served; pass --exporter prometheus or both", "dim")
    else:
        if status.page is not None:
            text.append("page        ", "bold")
            text.append(f"{status.page}\n", "cyan underline")
        text.append("metrics     ", "bold")
        text.append(status.endpoint, "cyan underline")
        text.append(f"\ntry         curl -s {status.endpoint} | grep butterfly_requests")
    for name, address in status.addresses.items():
        text.append(f"\n{name:<11} ", "bold")
        text.append(address, "cyan")
    for warning in status.warnings:
        text.append(f"\nwarning     {warning}", "yellow")
    return text


def _requests(status: Status) -> Panel:
    window, workload = status.window, status.cluster.workload
    slow, failing = window.latency(0.99) > _SLOW, window.error_ratio > _FAILING
    return _facts(
        "Inference",
        [
            ("requests", f"{window.request_rate:.1f} /s", ""),
            ("errors", f"{window.error_ratio:.2%}", _BAD if failing else ""),
            ("P50", f"{window.latency(0.5):.2f} s", ""),
            ("P99", f"{window.latency(0.99):.2f} s", _BAD if slow else ""),
            ("in flight", f"{len(workload.waiting) + len(workload.running)}", ""),
            ("waiting", f"{len(workload.waiting)}", ""),
        ],
    )


def _consensus(status: Status) -> Panel:
    cluster, world = status.cluster, status.cluster.world
    sizes, size = cluster.sizes(), world.size
    rafts = [cluster.consensus.state[node.node_id] for node in world.voters]
    lag = max((raft.log for raft in rafts), default=0) - min((r.commit for r in rafts), default=0)
    up = sum(link.up for link in world.links.values())
    few, cut = sizes["active"] < size.quorum, up < len(world.links)
    voters = f"{sizes['active']}/{size.coordinators}, need {size.quorum}"
    idle = sizes["degraded"] + sizes["recovering"]
    return _facts(
        "Cluster",
        [
            ("leader", world.leader.node_id if world.leader else "none", ""),
            ("term", f"{max(raft.term for raft in cluster.consensus.state.values())}", ""),
            ("voters", voters, _BAD if few else ""),
            ("idle", f"{idle} nodes", "yellow" if idle else ""),
            ("lag", f"{lag} entries", ""),
            ("links", f"{up} of {len(world.links)}", "yellow" if cut else ""),
        ],
    )


def _work(status: Status) -> Panel:
    window = status.window
    rates = list(window.token_rates.items())[:3]
    facts = [("tokens", f"{window.token_rate:.0f} /s", "bold")]
    facts += [(f"  {model}", f"{rate:.0f} /s", "") for model, rate in rates]
    facts += [("", _sparkline(list(window.history)[-_SPARKS:]), "green")]
    facts += [("sent", f"{window.bytes_rate / 1e6:.0f} MB/s", "")]
    return _facts("Work", facts)


def _nodes(status: Status, rows: int) -> Table:
    table = Table(box=box.SIMPLE, expand=True, pad_edge=False)
    table.add_column("compute node")
    for name in ("CPU", "memory", "GPU", "°C", "queued", "trust", "state"):
        table.add_column(name, justify="left" if name == "state" else "right")
    nodes = status.cluster.world.compute
    troubled = {node for fault in status.cluster.faults.active for node in fault.victims}
    # Those in trouble first where there is no room for all.
    room = rows if len(nodes) <= rows else rows - 1
    ranked = sorted(nodes, key=lambda node: (node not in troubled, node.index))[:room]
    for node in sorted(ranked, key=lambda node: node.index):
        table.add_row(*_row(node, status))
    if len(nodes) > room:
        table.add_row(Text(f"and {len(nodes) - room} more", "dim"))
    return table


def _row(node: Node, status: Status) -> list[Text]:
    faults = [fault.kind for fault in status.cluster.faults.active if node in fault.victims]
    state = "works" if node.works else "recovering" if node.up else "down"
    style = "yellow" if faults or not node.works else "green"
    first, last = Text(node.node_id), _text(", ".join((state, *faults)), style)
    if not node.up:
        return [first, *(Text("-", "dim") for _ in range(6)), last]
    full = node.memory_used / node.memory_limit
    hottest = max((gpu.temperature for gpu in node.gpus), default=0.0)
    busy = sum(gpu.utilization for gpu in node.gpus) / max(1, len(node.gpus))
    return [
        first,
        Text(f"{node.cpu:.0%}"),
        Text(f"{full:.0%}", _BAD if full > _FULL else ""),
        Text(f"{busy:.0%}"),
        Text(f"{hottest:.0f}", _BAD if hottest > HOT else ""),
        Text(f"{node.queued}", _BAD if node.queued > _LONG_QUEUE else ""),
        Text(f"{node.reputation:.2f}", _BAD if node.reputation < _DOUBTFUL else ""),
        last,
    ]


def _events(status: Status, rows: int) -> Panel:
    clock = status.cluster.clock
    lines = [
        (f"{each.kind}: {each.detail}, {max(0.0, each.ends - clock):.0f} s left", "bold yellow")
        for each in status.cluster.faults.active
    ]
    lines += [(f"{time_text(at)}  {note}", "dim") for at, note in reversed(status.window.notes)]
    text = _text("")
    for number, (content, style) in enumerate(lines[:rows]):
        text.append("\n" if number else "")
        text.append(content, style)
    return Panel(text, title="Faults and events", title_align="left", border_style="yellow")


def _facts(title: str, facts: Sequence[tuple[str, str, str]]) -> Panel:
    grid = Table.grid(expand=True)
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    for name, value, style in facts:
        grid.add_row(name, _text(value, style))
    return Panel(grid, title=title, title_align="left")


def _text(content: str, style: str = "") -> Text:
    """Return text that is cut rather than broken where there is no room for it."""
    return Text(content, style, no_wrap=True, overflow="ellipsis")


def _sparkline(values: Iterable[float]) -> str:
    shown = list(values)
    most = max(shown, default=0.0) or 1.0
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in shown)
