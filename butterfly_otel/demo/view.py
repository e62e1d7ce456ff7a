"""The live view, by rich: an optional extra, so this module is imported only where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from butterfly_otel.demo.pipeline import HOT
from butterfly_otel.demo.plain import line
from butterfly_otel.demo.window import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from butterfly_otel.demo.window import Status
    from butterfly_otel.demo.world import Node

_BARS = "▁▂▃▄▅▆▇█"
#: Lines of the view that are not rows of the table of nodes, and least rows it gets.
_OTHER_LINES, _LEAST_ROWS, _EVENTS = 27, 3, 5
#: From these on a value is shown as a warning.
_SLOW, _FAILING, _LONG_QUEUE, _FULL, _DOUBTFUL = 5.0, 0.05, 100, 0.9, 0.5
_BAD = "bold red"


class LiveView:
    """Shows the cluster in the terminal, again and again."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def begin(self, status: Status) -> None:
        """Take over the screen."""
        self._live.start()
        self.update(status)

    def update(self, status: Status) -> None:
        """Draw how things are."""
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
    rows = max(_LEAST_ROWS, height - _OTHER_LINES)
    return Group(_head(status), columns, _nodes(status, rows), _events(status), _foot())


def _head(status: Status) -> Panel:
    text = Text()
    if status.endpoint is None:
        text.append("metrics are not served; pass --exporter prometheus or both", "dim")
    else:
        text.append("metrics     ", "bold")
        text.append(status.endpoint, "cyan underline")
        text.append(f"\ntry         curl -s {status.endpoint} | grep butterfly_requests")
    for name, address in status.addresses.items():
        text.append(f"\n{name:<11} ", "bold")
        text.append(address, "cyan")
    for warning in status.warnings:
        text.append(f"\nwarning     {warning}", "yellow")
    nodes = len(status.cluster.world.nodes)
    clock = time_text(status.cluster.clock)
    title = f"Butterfly, simulated · {nodes} nodes · {clock} · speed {status.speed:g}"
    if status.reached < 0.9 * status.speed and status.cluster.clock > status.speed:
        title += f" (reaches {status.reached:.1f})"
    return Panel(text, title=title, title_align="left", border_style="cyan")


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
    return _facts(
        "Cluster",
        [
            ("leader", world.leader.node_id if world.leader else "none", ""),
            ("term", f"{max(raft.term for raft in cluster.consensus.state.values())}", ""),
            (
                "voters",
                f"{sizes['active']} of {size.coordinators}, quorum {size.quorum}",
                _BAD if few else "",
            ),
            ("degraded", f"{sizes['degraded']}, recovering {sizes['recovering']}", ""),
            ("commit lag", f"{lag} entries", ""),
            ("links up", f"{up} of {len(world.links)}", "yellow" if cut else ""),
        ],
    )


def _work(status: Status) -> Panel:
    window = status.window
    rates = list(window.token_rates.items())[:3]
    facts = [("tokens", f"{window.token_rate:.0f} /s", "bold")]
    facts += [(f"  {model}", f"{rate:.0f} /s", "") for model, rate in rates]
    facts += [("", _sparkline(list(window.history)[-26:]), "green")]
    facts += [("sent", f"{window.bytes_rate / 1e6:.0f} MB/s", "")]
    return _facts("Work", facts[:6])


def _nodes(status: Status, rows: int) -> Table:
    table = Table(box=box.SIMPLE, expand=True, pad_edge=False)
    table.add_column("compute node")
    for name in ("CPU", "memory", "GPU", "°C", "queued", "trust", "state"):
        table.add_column(name, justify="left" if name == "state" else "right")
    nodes = status.cluster.world.compute
    troubled = {node for fault in status.cluster.faults.active for node in fault.victims}
    # Those in trouble first where there is no room for all.
    ranked = sorted(nodes, key=lambda node: (node not in troubled, node.index))[:rows]
    for node in sorted(ranked, key=lambda node: node.index):
        table.add_row(*_row(node, status))
    if len(nodes) > rows:
        table.add_row(Text(f"and {len(nodes) - rows} more", "dim"))
    return table


def _row(node: Node, status: Status) -> list[Text]:
    full = node.memory_used / node.memory_limit
    hottest = max((gpu.temperature for gpu in node.gpus), default=0.0)
    busy = sum(gpu.utilization for gpu in node.gpus) / max(1, len(node.gpus))
    faults = [fault.kind for fault in status.cluster.faults.active if node in fault.victims]
    state = "down" if not node.up else "recovering" if not node.works else "works"
    return [
        Text(node.node_id),
        Text(f"{node.cpu:.0%}"),
        Text(f"{full:.0%}", _BAD if full > _FULL else ""),
        Text(f"{busy:.0%}"),
        Text(f"{hottest:.0f}", _BAD if hottest > HOT else ""),
        Text(f"{node.queued}", _BAD if node.queued > _LONG_QUEUE else ""),
        Text(f"{node.reputation:.2f}", _BAD if node.reputation < _DOUBTFUL else ""),
        Text(", ".join((state, *faults)), "yellow" if faults or not node.works else "green"),
    ]


def _events(status: Status) -> Panel:
    clock = status.cluster.clock
    text = Text()
    for fault in status.cluster.faults.active:
        left = max(0.0, fault.ends - clock)
        text.append(f"{fault.kind}: {fault.detail}, {left:.0f} s left\n", "bold yellow")
    notes = list(status.window.notes)[-_EVENTS:]
    for at, note in reversed(notes):
        text.append(f"{time_text(at)}  {note}\n", "dim")
    text.rstrip()
    text.no_wrap = True
    return Panel(text, title="Faults and events", title_align="left", border_style="yellow")


def _foot() -> Text:
    return Text("Ctrl-C stops it", "dim")


def _facts(title: str, facts: Sequence[tuple[str, str, str]]) -> Panel:
    grid = Table.grid(expand=True)
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    for name, value, style in facts:
        grid.add_row(name, Text(value, style))
    return Panel(grid, title=title, title_align="left")


def _sparkline(values: Iterable[float]) -> str:
    shown = list(values)
    most = max(shown, default=0.0) or 1.0
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in shown)
