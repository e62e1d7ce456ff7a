"""Communication: traffic, connections, round trips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.operate.dashboards.model import Dashboard, Panel, Row, Step, Target
from butterfly_otel.operate.dashboards.scope import Scope, fold, spread, top

if TYPE_CHECKING:
    from butterfly_otel.operate.dashboards.options import Options

_SENT, _RECEIVED = "butterfly_network_bytes_sent", "butterfly_network_bytes_received"
_LATENCY, _PAIR = "butterfly_connection_latency_seconds", "{{from_node}} → {{to_node}}"
_LOSSY = 0.05


def dashboard(options: Options) -> Dashboard:
    """Return the dashboard."""
    scope = Scope(options, ("node",))
    return Dashboard(
        slug="communication",
        title="Communication",
        description=(
            "What goes over the wire, and which connections are slow, lossy or down. A thousand"
            " nodes have a million pairs, so of pairs only the top ten are shown; the variable"
            " Node chooses the end that reports."
        ),
        choices=scope.choices,
        rows=(_traffic(scope), _connections(scope), _times(scope), _quic(scope)),
    )


def _traffic(scope: Scope) -> Row:
    return Row(
        "Traffic",
        (
            Panel(
                title="On the wire",
                description="Bytes a second that are sent: each counts once.",
                unit="binBps",
                targets=(Target(
                    expr=f"sum by (protocol) ({scope.byte_rate(_SENT)})", legend="{{protocol}}"
                ),),
                stacked=True,
            ),
            Panel(
                title="Sent and received",
                description="Bytes a second that all nodes send and that all receive. What is"
                " sent and not received is lost, or sent to somebody who is not monitored.",
                unit="binBps",
                targets=(
                    Target(expr=f"sum({scope.byte_rate(_SENT)})", legend="sent"),
                    Target(expr=f"sum({scope.byte_rate(_RECEIVED)})", legend="received"),
                ),
            ),
            Panel(
                title="Messages by type",
                description="Messages a second that are sent, by what they carry.",
                unit="mps",
                targets=(Target(
                    expr=scope.summed("message_type", "butterfly_network_messages_sent_total"),
                    legend="{{message_type}}",
                ),),
                stacked=True,
            ),
            Panel(
                title="Messages that do not arrive",
                description="Messages a second that are sent and not received, by type. Around 0"
                " it is only that some are under way.",
                unit="mps",
                targets=(Target(
                    expr=f"{scope.summed('message_type', 'butterfly_network_messages_sent_total')}"
                    " - "
                    f"{scope.summed('message_type', 'butterfly_network_messages_received_total')}",
                    legend="{{message_type}}",
                ),),
                least=None,
            ),
        ),
    )  # fmt: skip


def _connections(scope: Scope) -> Row:
    up = fold("min", "from_node, to_node") + f"({scope.series('butterfly_connection_active')})"
    return Row(
        "Connections",
        (
            Panel(
                title="Connections down",
                description="Connections that are not up, now.",
                unit="none",
                targets=(Target(expr=f"count({up} == 0) or count({up}) * 0"),),
                kind="stat",
                width=6,
                steps=(Step(None, "green"), Step(1, "red")),
                alerts=("NetworkPartition", "NodeIsolated"),
            ),
            Panel(
                title="Share of a node's connections that are up",
                description="Of the connections that each node reports; the ten worst nodes, now."
                " Below the line, a node is as good as cut off.",
                unit="percentunit",
                targets=(Target(
                    expr=f"bottomk(10, avg by (from_node) ({up}))", legend="{{from_node}}"
                ),),
                kind="bars",
                width=9,
                most=1,
                steps=(
                    Step(None, "red"), Step(1 - scope.limits.isolated_ratio, "orange"),
                    Step(1, "green"),
                ),
                alerts=("NodeIsolated",),
            ),
            Panel(
                title="Connection errors by type",
                description="Errors a second. Refused and reset point to a node that is down,"
                " time-outs to the network between.",
                unit="cps",
                targets=(Target(
                    expr=scope.summed("error_type", "butterfly_connection_errors_total"),
                    legend="{{error_type}}",
                ),),
                width=9,
                stacked=True,
                empty="No connection has failed",
            ),
        ),
    )  # fmt: skip


def _times(scope: Scope) -> Row:
    rtt = scope.series("butterfly_quic_rtt_seconds")
    loss = scope.series("butterfly_quic_packet_loss_ratio")
    return Row(
        "Latency and loss",
        (
            Panel(
                title="Latency",
                description="P99 and P50 over all connections, with exemplars.",
                unit="s",
                targets=scope.quantiles("", _LATENCY),
            ),
            Panel(
                title="Latencies",
                description="How many measurements a second have which latency. A second band is"
                " a part of the network that is farther away.",
                unit="s",
                targets=scope.buckets(_LATENCY),
                kind="heatmap",
            ),
            Panel(
                title="Slowest connections",
                description="P99 of the latency of the ten slowest connections, now.",
                unit="s",
                targets=(Target(
                    expr=top(scope.quantile(0.99, "from_node, to_node", _LATENCY)), legend=_PAIR
                ),),
                kind="bars",
                width=8,
            ),
            Panel(
                title="Longest round trips",
                description="QUIC's own estimate of the round-trip time, now.",
                unit="s",
                targets=(Target(
                    expr=top(f"max by (from_node, to_node) ({rtt})"), legend=_PAIR
                ),),
                kind="bars",
                width=8,
            ),
            Panel(
                title="Most packets lost",
                description="Share of packets that a connection loses, now. From 5 % on,"
                " throughput suffers.",
                unit="percentunit",
                targets=(Target(
                    expr=top(f"max by (from_node, to_node) ({loss})"), legend=_PAIR
                ),),
                kind="bars",
                width=8,
                steps=(Step(None, "green"), Step(_LOSSY, "red")),
            ),
        ),
    )  # fmt: skip


def _quic(scope: Scope) -> Row:
    window = scope.series("butterfly_quic_congestion_window_bytes")
    streams = scope.series("butterfly_quic_streams_active")
    return Row(
        "QUIC",
        (
            Panel(
                title="Congestion window",
                description="Bytes that a node may have under way: of the node with most, with"
                " least, and the mean.",
                unit="bytes",
                targets=spread(f"min by (node_id) ({window})"),
                width=8,
            ),
            Panel(
                title="Change of the congestion window",
                description="Bytes a second by which the window of the node grows, or shrinks,"
                " most: a window that keeps shrinking is congestion.",
                unit="binBps",
                targets=(
                    Target(
                        expr=f"max(deriv({window}[$__rate_interval]))", legend="grows fastest"
                    ),
                    Target(
                        expr=f"min(deriv({window}[$__rate_interval]))", legend="shrinks fastest"
                    ),
                ),
                width=8,
                least=None,
            ),
            Panel(
                title="Open streams",
                description="Of the node with most, with least, and the mean.",
                unit="none",
                targets=spread(f"sum by (node_id) ({streams})"),
                width=8,
            ),
        ),
    )  # fmt: skip
