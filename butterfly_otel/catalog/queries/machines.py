"""Example queries on communication and on the resources of nodes."""

from __future__ import annotations

from butterfly_otel.catalog.queries.model import Query

_COMMUNICATION = (
    Query(
        subject="butterfly_network_bytes_sent",
        tells="Bytes a second on the wire: each is counted once, where it is sent.",
        expr='sum(rate({__name__=~"butterfly_network_bytes_sent(_total)?"}[5m]))',
    ),
    Query(
        subject="butterfly_network_bytes_sent",
        tells="Bytes a second of each connection.",
        expr=(
            "sum by (from_node, to_node)"
            ' (rate({__name__=~"butterfly_network_bytes_sent(_total)?"}[5m]))'
        ),
    ),
    Query(
        subject="butterfly_network_bytes_received",
        tells="Bytes a second of all interfaces: each counts where it is sent and received.",
        expr=(
            'sum(rate({__name__=~"butterfly_network_bytes_sent(_total)?"}[5m]))'
            ' + sum(rate({__name__=~"butterfly_network_bytes_received(_total)?"}[5m]))'
        ),
    ),
    Query(
        subject="butterfly_network_bytes_received",
        tells="Bytes a second that each node receives, by protocol.",
        expr=(
            "sum by (to_node, protocol)"
            ' (rate({__name__=~"butterfly_network_bytes_received(_total)?"}[5m]))'
        ),
        own=True,
    ),
    Query(
        subject="butterfly_network_messages_sent_total",
        tells="Messages a second that are sent, by type.",
        expr="sum by (message_type) (rate(butterfly_network_messages_sent_total[5m]))",
    ),
    Query(
        subject="butterfly_network_messages_received_total",
        tells="Messages a second that arrive, by type.",
        expr="sum by (message_type) (rate(butterfly_network_messages_received_total[5m]))",
        own=True,
    ),
    Query(
        subject="butterfly_connection_errors_total",
        tells="Connection errors a second, by type.",
        expr="sum by (error_type) (rate(butterfly_connection_errors_total[5m]))",
    ),
    Query(
        subject="butterfly_connection_latency_seconds",
        tells="P99 of the latency of each connection; a matrix of all of them.",
        expr=(
            "histogram_quantile(0.99, sum by (from_node, to_node, le)"
            " (rate(butterfly_connection_latency_seconds_bucket[5m])))"
        ),
    ),
    Query(
        subject="butterfly_connection_latency_seconds",
        tells="The ten slowest connections.",
        expr=(
            "topk(10, histogram_quantile(0.99, sum by (from_node, to_node, le)"
            " (rate(butterfly_connection_latency_seconds_bucket[5m]))))"
        ),
        own=True,
    ),
    Query(
        subject="butterfly_connection_active",
        tells="Connections that are down.",
        expr="min by (from_node, to_node) (butterfly_connection_active) == 0",
        always=False,
    ),
    Query(
        subject="butterfly_quic_streams_active",
        tells="Open QUIC streams of each node.",
        expr="sum by (node_id) (butterfly_quic_streams_active)",
        own=True,
    ),
    Query(
        subject="butterfly_quic_congestion_window_bytes",
        tells="Nodes whose congestion window shrinks, and by how many bytes a second.",
        expr="deriv(butterfly_quic_congestion_window_bytes[5m]) < 0",
        always=False,
    ),
    Query(
        subject="butterfly_quic_rtt_seconds",
        tells="Round-trip time of each connection.",
        expr="max by (from_node, to_node) (butterfly_quic_rtt_seconds)",
    ),
    Query(
        subject="butterfly_quic_rtt_seconds",
        tells="The ten connections with the longest round trips.",
        expr="topk(10, max by (from_node, to_node) (butterfly_quic_rtt_seconds))",
        own=True,
    ),
    Query(
        subject="butterfly_quic_packet_loss_ratio",
        tells="Connections that lose more than 5 % of their packets.",
        expr="max by (from_node, to_node) (butterfly_quic_packet_loss_ratio) > 0.05",
        always=False,
    ),
)

_RESOURCES = (
    Query(
        subject="butterfly_memory_allocated_bytes",
        tells="Memory in use on each node.",
        expr="sum by (node_id) (butterfly_memory_allocated_bytes)",
    ),
    Query(
        subject="butterfly_memory_allocated_bytes",
        tells="Memory in use by each pool, on all nodes together.",
        expr="sum by (pool) (butterfly_memory_allocated_bytes)",
    ),
    Query(
        subject="butterfly_memory_peak_bytes",
        tells="The ten nodes that have used most memory since they started.",
        expr="topk(10, max by (node_id) (butterfly_memory_peak_bytes))",
        own=True,
    ),
    Query(
        subject="butterfly_memory_fragmentation_ratio",
        tells="Nodes that use less than 70 % of the memory they have reserved.",
        expr="min by (node_id) (butterfly_memory_fragmentation_ratio) < 0.7",
        always=False,
    ),
    Query(
        subject="butterfly_cpu_usage_ratio",
        tells="Average CPU usage; each node counts once, however many cores it reports.",
        expr="avg(avg by (node_id) (avg_over_time(butterfly_cpu_usage_ratio[5m])))",
    ),
    Query(
        subject="butterfly_cpu_usage_ratio",
        tells="CPU usage of each node.",
        expr="avg by (node_id) (butterfly_cpu_usage_ratio)",
    ),
    Query(
        subject="butterfly_cpu_throttle_events_total",
        tells="How often a second each node is throttled.",
        expr="sum by (node_id) (rate(butterfly_cpu_throttle_events_total[5m]))",
    ),
    Query(
        subject="butterfly_gpu_utilization_ratio",
        tells="Average utilisation of all GPUs.",
        expr="avg(avg_over_time(butterfly_gpu_utilization_ratio[5m]))",
    ),
    Query(
        subject="butterfly_gpu_utilization_ratio",
        tells="GPUs that are idle for more than half of the time.",
        expr="avg by (node_id, gpu_id) (avg_over_time(butterfly_gpu_utilization_ratio[5m])) < 0.5",
        always=False,
    ),
    Query(
        subject="butterfly_gpu_memory_bytes",
        tells="Share of each GPU's memory in use; what the driver reserves is in neither state.",
        expr=(
            'sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes{state="used"})'
            " / sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes)"
        ),
    ),
    Query(
        subject="butterfly_gpu_temperature_celsius",
        tells="GPUs above 85 °C.",
        expr="max by (node_id, gpu_id) (butterfly_gpu_temperature_celsius) > 85",
        always=False,
    ),
    Query(
        subject="butterfly_gpu_compute_unit_active",
        tells="Average number of busy units of a GPU, by kind.",
        expr="avg by (unit_type) (avg_over_time(butterfly_gpu_compute_unit_active[5m]))",
        own=True,
    ),
    Query(
        subject="butterfly_disk_checkpoint_bytes",
        tells="Disk space of all checkpoints.",
        expr="sum(butterfly_disk_checkpoint_bytes)",
    ),
    Query(
        subject="butterfly_disk_write_duration_seconds",
        tells="P99 of writes, by what is written.",
        expr=(
            "histogram_quantile(0.99, sum by (operation, le)"
            " (rate(butterfly_disk_write_duration_seconds_bucket[5m])))"
        ),
    ),
    Query(
        subject="butterfly_disk_io_errors_total",
        tells="Disk errors a second of each node.",
        expr="sum by (node_id, operation) (rate(butterfly_disk_io_errors_total[5m]))",
    ),
)
QUERIES = (*_COMMUNICATION, *_RESOURCES)
