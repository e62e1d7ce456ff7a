"""Category 4 of the specification: traffic and connections between nodes."""

from __future__ import annotations

from butterfly_otel.catalog.labels import (
    FROM_NODE,
    FROM_PEER,
    MESSAGE_TYPE,
    NODE_ID,
    PROTOCOL,
    TO_NODE,
    TO_SELF,
    closed,
)
from butterfly_otel.catalog.model import Metric

NETWORK_BYTES_SENT = Metric(
    name="butterfly_network_bytes_sent",
    type="counter",
    instrument="counter",
    why="Increased by the size of each message sent; it never falls.",
    across="sum",
    across_why="Each process counts what it has sent itself.",
    unit="By",
    help="Bytes this node has sent to a peer; a counter despite its name.",
    category="communication",
    labels=(FROM_NODE, TO_NODE, PROTOCOL),
    query=(
        "sum by (from_node, to_node)"
        ' (rate({__name__=~"butterfly_network_bytes_sent(_total)?"}[5m]))'
    ),
)

NETWORK_BYTES_RECEIVED = Metric(
    name="butterfly_network_bytes_received",
    type="counter",
    instrument="counter",
    why="Increased by the size of each message received; it never falls.",
    across="sum",
    across_why="Each process counts what it has received itself.",
    unit="By",
    help="Bytes this node has received from a peer; a counter despite its name.",
    category="communication",
    labels=(FROM_PEER, TO_SELF, PROTOCOL),
    query=(
        "sum by (to_node, protocol)"
        ' (rate({__name__=~"butterfly_network_bytes_received(_total)?"}[5m]))'
    ),
)

NETWORK_MESSAGES_SENT_TOTAL = Metric(
    name="butterfly_network_messages_sent_total",
    type="counter",
    instrument="counter",
    why="Counted once for each message sent; it never falls.",
    across="sum",
    across_why="Each process counts what it has sent itself.",
    unit="{message}",
    help="Messages this node has sent to a peer, by what they carry.",
    category="communication",
    labels=(FROM_NODE, TO_NODE, MESSAGE_TYPE),
    query="sum by (message_type) (rate(butterfly_network_messages_sent_total[5m]))",
)

NETWORK_MESSAGES_RECEIVED_TOTAL = Metric(
    name="butterfly_network_messages_received_total",
    type="counter",
    instrument="counter",
    why="Counted once for each message received; it never falls.",
    across="sum",
    across_why="Each process counts what it has received itself.",
    unit="{message}",
    help="Messages this node has received from a peer, by what they carry.",
    category="communication",
    labels=(FROM_PEER, TO_SELF, MESSAGE_TYPE),
    query="sum by (message_type) (rate(butterfly_network_messages_received_total[5m]))",
)

CONNECTION_ERRORS_TOTAL = Metric(
    name="butterfly_connection_errors_total",
    type="counter",
    instrument="counter",
    why="Counted once for each failure of a connection; it never falls.",
    across="sum",
    across_why="Each process counts the errors of its own connections.",
    unit="{error}",
    help="Failures of connections from this node to a peer, by kind.",
    category="communication",
    labels=(
        FROM_NODE,
        TO_NODE,
        closed(
            "error_type",
            "timeout",
            "refused",
            "reset",
            "encryption_error",
            help="Kind of failure.",
        ),
    ),
    query="sum by (error_type) (rate(butterfly_connection_errors_total[5m]))",
)

CONNECTION_LATENCY_SECONDS = Metric(
    name="butterfly_connection_latency_seconds",
    type="histogram",
    instrument="histogram",
    why="A latency whose distribution matters.",
    across="sum",
    across_why="Each process times its own connections; buckets add up.",
    unit="s",
    help="Round-trip time of each exchange with a peer, as this node measures it.",
    category="communication",
    labels=(FROM_NODE, TO_NODE),
    buckets=(0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0),
    query=(
        "topk(10, histogram_quantile(0.99, sum by (from_node, to_node, le)"
        " (rate(butterfly_connection_latency_seconds_bucket[5m]))))"
    ),
)

CONNECTION_ACTIVE = Metric(
    name="butterfly_connection_active",
    type="gauge",
    instrument="gauge",
    why="Set to 1 when the connection comes up and to 0 when it goes down.",
    across="max",
    across_why="A node is connected to a peer as long as one of its processes is.",
    unit="{connection}",
    help="Whether the connection to a peer that this node expects is up (1) or down (0).",
    category="communication",
    labels=(FROM_NODE, TO_NODE),
    query="min by (from_node, to_node) (butterfly_connection_active) == 0",
)

QUIC_STREAMS_ACTIVE = Metric(
    name="butterfly_quic_streams_active",
    type="gauge",
    instrument="observable_up_down_counter",
    why="The QUIC stack knows its streams; they are read when metrics are collected and add up.",
    across="sum",
    across_why="Each process has streams of its own; those of the living add up.",
    unit="{stream}",
    help="QUIC streams open on this node, over all its connections.",
    category="communication",
    labels=(NODE_ID,),
    query="sum by (node_id) (butterfly_quic_streams_active)",
)

QUIC_CONGESTION_WINDOW_BYTES = Metric(
    name="butterfly_quic_congestion_window_bytes",
    type="gauge",
    instrument="observable_gauge",
    why="The congestion control owns the window; it is read when metrics are collected.",
    across="sum",
    across_why="It is a sum over connections, and each process has its own.",
    unit="By",
    help="Congestion windows of this node's QUIC connections, added up.",
    category="communication",
    labels=(NODE_ID,),
    query="deriv(butterfly_quic_congestion_window_bytes[5m]) < 0",
)

QUIC_RTT_SECONDS = Metric(
    name="butterfly_quic_rtt_seconds",
    type="gauge",
    instrument="observable_gauge",
    why="The QUIC stack keeps the estimate; it is read when metrics are collected, not additive.",
    across="latest",
    across_why="Each estimate is right when it is made, so the newest is the best.",
    unit="s",
    help="Smoothed round-trip time to a peer, as this node's QUIC stack estimates it.",
    category="communication",
    labels=(FROM_NODE, TO_NODE),
    query="topk(10, max by (from_node, to_node) (butterfly_quic_rtt_seconds))",
)

QUIC_PACKET_LOSS_RATIO = Metric(
    name="butterfly_quic_packet_loss_ratio",
    type="gauge",
    instrument="observable_gauge",
    why="A ratio of two counts that the QUIC stack keeps; ratios do not add up.",
    across="max",
    across_why="Ratios do not add up; the worst connection is what one looks for.",
    unit="1",
    help="Share of the packets sent to a peer that were lost, from 0 to 1.",
    category="communication",
    labels=(FROM_NODE, TO_NODE),
    query="max by (from_node, to_node) (butterfly_quic_packet_loss_ratio) > 0.05",
)

METRICS: tuple[Metric, ...] = (
    NETWORK_BYTES_SENT,
    NETWORK_BYTES_RECEIVED,
    NETWORK_MESSAGES_SENT_TOTAL,
    NETWORK_MESSAGES_RECEIVED_TOTAL,
    CONNECTION_ERRORS_TOTAL,
    CONNECTION_LATENCY_SECONDS,
    CONNECTION_ACTIVE,
    QUIC_STREAMS_ACTIVE,
    QUIC_CONGESTION_WINDOW_BYTES,
    QUIC_RTT_SECONDS,
    QUIC_PACKET_LOSS_RATIO,
)
