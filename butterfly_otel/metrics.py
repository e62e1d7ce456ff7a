# Rendered from butterfly_otel/catalog by `butterfly-otel render`: edit the catalogue, not this.
"""The contract's metrics as typed handles: one class and one handle each.

Labels are keyword-only and typed, so a wrong one is an error in the editor. Labels that name
this process (``node_id``, ``node_role``, the local end of a connection) may be left out: their
value comes from :func:`butterfly_otel.configure`, before which every handle measures nothing.

Every method is thread-safe. In production mode none raises because of what it is passed; with
``configure(strict=True)`` they raise :class:`~butterfly_otel.LabelError` and
:class:`~butterfly_otel.MeasurementError`.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Literal

from butterfly_otel.process import tracing
from butterfly_otel.handles.bound import (
    BoundCounter,
    BoundGauge,
    BoundHistogram,
    BoundUpDownCounter,
    negated,
)
from butterfly_otel.handles.handles import (
    CounterHandle,
    GaugeHandle,
    HistogramHandle,
    ObservableHandle,
    UpDownCounterHandle,
    int_text,
)
from butterfly_otel.handles.lookups import APART
from butterfly_otel.handles.timer import Timer
from butterfly_otel.process.values import HIGHEST, ONE, SMALL

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.metrics import Observation



class RequestsTotal(CounterHandle):
    """Requests handled by this node, by method and outcome.

    ``butterfly_requests_total``, counter, unit ``{request}``.
    Counted once, when a request ends; it never falls.

    Labels:
        node_role: Role of the node that reports. One of coordinator, compute, observer.
        method: What the request asks for. One of inference, checkpoint, health_check.
        status: How the request ended. One of success, error.

    Example query::

        sum by (method, status) (rate(butterfly_requests_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_role: Literal["coordinator", "compute", "observer"] | None = None,
        method: Literal["inference", "checkpoint", "health_check"],
        status: Literal["success", "error"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][status][method]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method, status))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_role: Literal["coordinator", "compute", "observer"] | None = None,
        method: Literal["inference", "checkpoint", "health_check"],
        status: Literal["success", "error"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][status][method]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method, status))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_role: Literal["coordinator", "compute", "observer"] | None = None,
        method: Literal["inference", "checkpoint", "health_check"],
        status: Literal["success", "error"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_role, method, status))

    def remove(
        self,
        *,
        node_role: Literal["coordinator", "compute", "observer"] | None = None,
        method: Literal["inference", "checkpoint", "health_check"],
        status: Literal["success", "error"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_role, method, status))


requests_total = RequestsTotal("butterfly_requests_total")


class RequestsInFlight(UpDownCounterHandle):
    """Requests this node has begun and not yet ended.

    ``butterfly_requests_in_flight``, gauge, unit ``{request}``.
    Entered and left by concurrent calls, each of which knows only its own step.

    Labels:
        node_role: Role of the node that reports. One of coordinator, compute.
        method: What the request asks for. One of inference, checkpoint.

    Example query::

        max by (node_role) (quantile_over_time(0.99, butterfly_requests_in_flight[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> None:
        """Add ``amount``, which may be negative."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][method]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method))
        cell.record(amount)

    def inc(
        self,
        amount: float = 1,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> None:
        """Add ``amount``, by default one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][method]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method))
        cell.record(amount)

    def dec(
        self,
        amount: float = 1,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> None:
        """Subtract ``amount``, by default one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][method]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method))
        cell.record(negated(amount))

    def track(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> AbstractContextManager[None]:
        """Count one more for as long as a ``with`` block runs, however it ends."""
        return BoundUpDownCounter(self, (node_role, method)).track()

    def bind(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> BoundUpDownCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundUpDownCounter(self, (node_role, method))

    def remove(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_role, method))


requests_in_flight = RequestsInFlight("butterfly_requests_in_flight")


class RequestErrorsTotal(CounterHandle):
    """Requests that failed on this node, by kind of failure.

    ``butterfly_request_errors_total``, counter, unit ``{error}``.
    Counted once for each failed request; it never falls.

    Labels:
        node_role: Role of the node that reports. One of coordinator, compute.
        method: What the request asks for. One of inference, checkpoint.
        error_type: Kind of failure. Such as timeout, oom, network_error, byzantine_fault. At most
            50 distinct values.

    Example query::

        sum by (error_type) (rate(butterfly_request_errors_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
        error_type: str,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][method][error_type]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method, error_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
        error_type: str,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][method][error_type]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method, error_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
        error_type: str,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_role, method, error_type))

    def remove(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
        error_type: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_role, method, error_type))


request_errors_total = RequestErrorsTotal("butterfly_request_errors_total")


class RequestDurationSeconds(HistogramHandle):
    """Time from a request's submission to its completion.

    ``butterfly_request_duration_seconds``, histogram, unit ``s``.
    A latency whose distribution matters.

    Labels:
        node_role: Role of the node that reports. One of coordinator, compute.
        method: What the request asks for. One of inference, checkpoint.

    Buckets: 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0.

    Example query::

        histogram_quantile(0.99, sum by (node_role, method, le) (rate(butterfly_request_duration_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_role][method]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_role, method))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (node_role, method)).time()

    def bind(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (node_role, method))

    def remove(
        self,
        *,
        node_role: Literal["coordinator", "compute"] | None = None,
        method: Literal["inference", "checkpoint"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_role, method))


request_duration_seconds = RequestDurationSeconds("butterfly_request_duration_seconds")


class ConsensusTerm(ObservableHandle):
    """Raft term this node is in.

    ``butterfly_consensus_term``, gauge, unit ``{term}``.
    The Raft state owns the term; it is read when metrics are collected and not additive.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        max(butterfly_consensus_term) - min(butterfly_consensus_term)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


consensus_term = ConsensusTerm("butterfly_consensus_term")


class ConsensusLeaderChangesTotal(CounterHandle):
    """Leader elections this node has seen end; every coordinator counts each of them.

    ``butterfly_consensus_leader_changes_total``, counter, unit ``{election}``.
    Counted once for each change of leader that the node sees; it never falls.

    Example query::

        max(increase(butterfly_consensus_leader_changes_total[1h]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[()]
        except Exception:  # unknown, or no label value at all
            cell = self.find(())
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[()]
        except Exception:  # unknown, or no label value at all
            cell = self.find(())
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, ())

    def remove(
        self,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove(())


consensus_leader_changes_total = ConsensusLeaderChangesTotal("butterfly_consensus_leader_changes_total")


class ConsensusElectionDurationSeconds(HistogramHandle):
    """Time from the start of a leader election to its result.

    ``butterfly_consensus_election_duration_seconds``, histogram, unit ``s``.
    A duration whose distribution matters.

    Buckets: 0.1, 0.5, 1.0, 2.0, 5.0, 10.0.

    Example query::

        histogram_quantile(0.99, sum by (le) (rate(butterfly_consensus_election_duration_seconds_bucket[1h])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[()]
        except Exception:  # unknown, or no label value at all
            cell = self.find(())
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, ()).time()

    def bind(
        self,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, ())

    def remove(
        self,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove(())


consensus_election_duration_seconds = ConsensusElectionDurationSeconds("butterfly_consensus_election_duration_seconds")


class ConsensusLogEntriesTotal(ObservableHandle):
    """Entries now in this node's Raft log; a gauge despite its name.

    ``butterfly_consensus_log_entries_total``, gauge, unit ``{entry}``.
    The length of a log that compaction and truncation shorten, read from its owner.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        max(butterfly_consensus_log_entries_total) - min(butterfly_consensus_log_entries_total)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


consensus_log_entries_total = ConsensusLogEntriesTotal("butterfly_consensus_log_entries_total")


class ConsensusCommitIndex(ObservableHandle):
    """Index of the newest log entry this node knows to be committed.

    ``butterfly_consensus_commit_index``, gauge, unit ``{entry}``.
    The Raft state owns the index; it is read when metrics are collected and not additive.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        max(butterfly_consensus_commit_index) - min(butterfly_consensus_commit_index)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


consensus_commit_index = ConsensusCommitIndex("butterfly_consensus_commit_index")


class ConsensusAppliedIndex(ObservableHandle):
    """Index of the newest log entry this node has applied to its state machine.

    ``butterfly_consensus_applied_index``, gauge, unit ``{entry}``.
    The Raft state owns the index; it is read when metrics are collected and not additive.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        max by (node_id) (butterfly_consensus_commit_index) - max by (node_id) (butterfly_consensus_applied_index)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


consensus_applied_index = ConsensusAppliedIndex("butterfly_consensus_applied_index")


class ConsensusHeartbeatFailuresTotal(CounterHandle):
    """Heartbeats this node sent to a peer that were not answered in time.

    ``butterfly_consensus_heartbeat_failures_total``, counter, unit ``{failure}``.
    Counted once for each heartbeat without an answer; it never falls.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.

    Example query::

        sum by (from_node, to_node) (rate(butterfly_consensus_heartbeat_failures_total[5m])) > 0.1
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_node, to_node))

    def remove(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node))


consensus_heartbeat_failures_total = ConsensusHeartbeatFailuresTotal("butterfly_consensus_heartbeat_failures_total")


class ClusterSize(ObservableHandle):
    """Nodes of the cluster in each state as this node sees them; active counts voters only.

    ``butterfly_cluster_size``, gauge, unit ``{node}``.
    Each coordinator reads its own view of the membership; views do not add up.

    Labels:
        state: State the nodes are in. One of active, degraded, recovering.

    Example query::

        min by (state) (butterfly_cluster_size)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        state: Literal["active", "degraded", "recovering"],
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (state,))


cluster_size = ClusterSize("butterfly_cluster_size")


class QuorumSize(ObservableHandle):
    """Voting members that a decision needs, 2f+1.

    ``butterfly_quorum_size``, gauge, unit ``{node}``.
    Each coordinator derives it from the membership it knows; views do not add up.

    Example query::

        min(butterfly_cluster_size{state="active"}) - max(butterfly_quorum_size)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, ())


quorum_size = QuorumSize("butterfly_quorum_size")


class LayerComputeDurationSeconds(HistogramHandle):
    """Time one execution of a model layer takes on this node.

    ``butterfly_layer_compute_duration_seconds``, histogram, unit ``s``.
    A latency whose distribution matters.

    Labels:
        layer_id: Index of the model layer, from 0. At most 200 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        model: Name of the model. At most 20 distinct values.

    Buckets: 0.001, 0.01, 0.1, 0.5, 1.0, 5.0.

    Example query::

        topk(10, histogram_quantile(0.99, sum by (model, layer_id, le) (rate(butterfly_layer_compute_duration_seconds_bucket[5m]))))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        model: str,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][model][layer_id if type(layer_id) is str else int_text(layer_id)]
        except Exception:  # unknown, or no label value at all
            cell = self.find((layer_id if type(layer_id) is str else int_text(layer_id), node_id, model))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        model: str,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (layer_id if type(layer_id) is str else int_text(layer_id), node_id, model)).time()

    def bind(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        model: str,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (layer_id if type(layer_id) is str else int_text(layer_id), node_id, model))

    def remove(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        model: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((layer_id if type(layer_id) is str else int_text(layer_id), node_id, model))


layer_compute_duration_seconds = LayerComputeDurationSeconds("butterfly_layer_compute_duration_seconds")


class LayerMemoryBytes(GaugeHandle):
    """Memory a layer holds on this node, over all models, by what holds it.

    ``butterfly_layer_memory_bytes``, gauge, unit ``By``.
    Set by the code that runs the layer, the only one that knows what belongs to it.

    Labels:
        layer_id: Index of the model layer, from 0. At most 200 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        operation: What holds the memory. One of forward, activation, gradient.

    Example query::

        sum by (node_id, layer_id) (butterfly_layer_memory_bytes)
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        operation: Literal["forward", "activation", "gradient"],
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][operation][layer_id if type(layer_id) is str else int_text(layer_id)]
        except Exception:  # unknown, or no label value at all
            cell = self.find((layer_id if type(layer_id) is str else int_text(layer_id), node_id, operation))
        cell.record(value)

    def bind(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        operation: Literal["forward", "activation", "gradient"],
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (layer_id if type(layer_id) is str else int_text(layer_id), node_id, operation))

    def remove(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
        operation: Literal["forward", "activation", "gradient"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((layer_id if type(layer_id) is str else int_text(layer_id), node_id, operation))


layer_memory_bytes = LayerMemoryBytes("butterfly_layer_memory_bytes")


class TensorSizeBytes(HistogramHandle):
    """Size of each tensor that enters or leaves a layer.

    ``butterfly_tensor_size_bytes``, histogram, unit ``By``.
    A size whose distribution matters.

    Labels:
        layer_id: Index of the model layer, from 0. At most 200 distinct values.
        direction: Whether it enters or leaves the layer. One of input, output.

    Buckets: 1000.0, 10000.0, 100000.0, 1000000.0, 10000000.0, 100000000.0, 1000000000.0.

    Example query::

        sum by (layer_id, direction) (rate(butterfly_tensor_size_bytes_sum[5m])) / sum by (layer_id, direction) (rate(butterfly_tensor_size_bytes_count[5m]))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        layer_id: str | int,
        direction: Literal["input", "output"],
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[direction][layer_id if type(layer_id) is str else int_text(layer_id)]
        except Exception:  # unknown, or no label value at all
            cell = self.find((layer_id if type(layer_id) is str else int_text(layer_id), direction))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def bind(
        self,
        *,
        layer_id: str | int,
        direction: Literal["input", "output"],
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (layer_id if type(layer_id) is str else int_text(layer_id), direction))

    def remove(
        self,
        *,
        layer_id: str | int,
        direction: Literal["input", "output"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((layer_id if type(layer_id) is str else int_text(layer_id), direction))


tensor_size_bytes = TensorSizeBytes("butterfly_tensor_size_bytes")


class PipelineDepth(GaugeHandle):
    """Stages in this node's execution pipeline.

    ``butterfly_pipeline_depth``, gauge, unit ``{stage}``.
    Set when the pipeline is built or rebuilt, and not additive.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        avg(butterfly_pipeline_depth)
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id,))
        cell.record(value)

    def bind(
        self,
        *,
        node_id: str | None = None,
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (node_id,))

    def remove(
        self,
        *,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id,))


pipeline_depth = PipelineDepth("butterfly_pipeline_depth")


class PipelineStallsTotal(CounterHandle):
    """Times the pipeline stood still because something it needs was missing.

    ``butterfly_pipeline_stalls_total``, counter, unit ``{stall}``.
    Counted once for each stall; it never falls.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        reason: What the pipeline waited for. One of memory_pressure, network_wait, consensus_wait.

    Example query::

        sum by (reason) (rate(butterfly_pipeline_stalls_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str | None = None,
        reason: Literal["memory_pressure", "network_wait", "consensus_wait"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][reason]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, reason))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str | None = None,
        reason: Literal["memory_pressure", "network_wait", "consensus_wait"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][reason]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, reason))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str | None = None,
        reason: Literal["memory_pressure", "network_wait", "consensus_wait"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, reason))

    def remove(
        self,
        *,
        node_id: str | None = None,
        reason: Literal["memory_pressure", "network_wait", "consensus_wait"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, reason))


pipeline_stalls_total = PipelineStallsTotal("butterfly_pipeline_stalls_total")


class BatchSize(GaugeHandle):
    """Sequences in the latest inference batch of this node.

    ``butterfly_batch_size``, gauge, unit ``{batch}``.
    Set by the batcher for each batch it forms, and not additive.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        avg by (node_id) (avg_over_time(butterfly_batch_size[5m]))
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id,))
        cell.record(value)

    def bind(
        self,
        *,
        node_id: str | None = None,
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (node_id,))

    def remove(
        self,
        *,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id,))


batch_size = BatchSize("butterfly_batch_size")


class TokensProcessedTotal(CounterHandle):
    """Tokens this node has processed, by model.

    ``butterfly_tokens_processed_total``, counter, unit ``{token}``.
    Increased by each batch's tokens; it never falls.

    Labels:
        model: Name of the model. At most 20 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum by (model) (rate(butterfly_tokens_processed_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        model: str,
        node_id: str | None = None,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((model, node_id))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        model: str,
        node_id: str | None = None,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((model, node_id))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        model: str,
        node_id: str | None = None,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (model, node_id))

    def remove(
        self,
        *,
        model: str,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((model, node_id))


tokens_processed_total = TokensProcessedTotal("butterfly_tokens_processed_total")


class SequencesProcessedTotal(CounterHandle):
    """Sequences this node has finished, by model.

    ``butterfly_sequences_processed_total``, counter, unit ``{sequence}``.
    Counted once for each sequence that is finished; it never falls.

    Labels:
        model: Name of the model. At most 20 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum by (model) (rate(butterfly_sequences_processed_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        model: str,
        node_id: str | None = None,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((model, node_id))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        model: str,
        node_id: str | None = None,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((model, node_id))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        model: str,
        node_id: str | None = None,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (model, node_id))

    def remove(
        self,
        *,
        model: str,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((model, node_id))


sequences_processed_total = SequencesProcessedTotal("butterfly_sequences_processed_total")


class AttentionHeadsActive(GaugeHandle):
    """Attention heads of a layer that are in use on this node, over all models.

    ``butterfly_attention_heads_active``, gauge, unit ``{head}``.
    Set by the code that runs the layer, the only one that knows.

    Labels:
        layer_id: Index of the model layer, from 0. At most 200 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum by (node_id) (butterfly_attention_heads_active)
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        layer_id: str | int,
        node_id: str | None = None,
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][layer_id if type(layer_id) is str else int_text(layer_id)]
        except Exception:  # unknown, or no label value at all
            cell = self.find((layer_id if type(layer_id) is str else int_text(layer_id), node_id))
        cell.record(value)

    def bind(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (layer_id if type(layer_id) is str else int_text(layer_id), node_id))

    def remove(
        self,
        *,
        layer_id: str | int,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((layer_id if type(layer_id) is str else int_text(layer_id), node_id))


attention_heads_active = AttentionHeadsActive("butterfly_attention_heads_active")


class NetworkBytesSent(CounterHandle):
    """Bytes this node has sent to a peer; a counter despite its name.

    ``butterfly_network_bytes_sent``, counter, unit ``By``.
    Increased by the size of each message sent; it never falls.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.
        protocol: Transport protocol. One of quic, grpc.

    Example query::

        sum by (from_node, to_node) (rate({__name__=~"butterfly_network_bytes_sent(_total)?"}[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_node: str | None = None,
        to_node: str,
        protocol: Literal["quic", "grpc"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][protocol][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, protocol))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        protocol: Literal["quic", "grpc"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][protocol][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, protocol))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        protocol: Literal["quic", "grpc"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_node, to_node, protocol))

    def remove(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        protocol: Literal["quic", "grpc"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node, protocol))


network_bytes_sent = NetworkBytesSent("butterfly_network_bytes_sent")


class NetworkBytesReceived(CounterHandle):
    """Bytes this node has received from a peer; a counter despite its name.

    ``butterfly_network_bytes_received``, counter, unit ``By``.
    Increased by the size of each message received; it never falls.

    Labels:
        from_node: Node that sent. At most 1000 distinct values.
        to_node: Node that received; by default this node. At most 1000 distinct values.
        protocol: Transport protocol. One of quic, grpc.

    Example query::

        sum by (to_node, protocol) (rate({__name__=~"butterfly_network_bytes_received(_total)?"}[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_node: str,
        to_node: str | None = None,
        protocol: Literal["quic", "grpc"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[to_node][protocol][from_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, protocol))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_node: str,
        to_node: str | None = None,
        protocol: Literal["quic", "grpc"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[to_node][protocol][from_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, protocol))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_node: str,
        to_node: str | None = None,
        protocol: Literal["quic", "grpc"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_node, to_node, protocol))

    def remove(
        self,
        *,
        from_node: str,
        to_node: str | None = None,
        protocol: Literal["quic", "grpc"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node, protocol))


network_bytes_received = NetworkBytesReceived("butterfly_network_bytes_received")


class NetworkMessagesSentTotal(CounterHandle):
    """Messages this node has sent to a peer, by what they carry.

    ``butterfly_network_messages_sent_total``, counter, unit ``{message}``.
    Counted once for each message sent; it never falls.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.
        message_type: What the message carries. One of tensor, checkpoint, consensus, heartbeat.

    Example query::

        sum by (message_type) (rate(butterfly_network_messages_sent_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_node: str | None = None,
        to_node: str,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][message_type][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, message_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][message_type][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, message_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_node, to_node, message_type))

    def remove(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node, message_type))


network_messages_sent_total = NetworkMessagesSentTotal("butterfly_network_messages_sent_total")


class NetworkMessagesReceivedTotal(CounterHandle):
    """Messages this node has received from a peer, by what they carry.

    ``butterfly_network_messages_received_total``, counter, unit ``{message}``.
    Counted once for each message received; it never falls.

    Labels:
        from_node: Node that sent. At most 1000 distinct values.
        to_node: Node that received; by default this node. At most 1000 distinct values.
        message_type: What the message carries. One of tensor, checkpoint, consensus, heartbeat.

    Example query::

        sum by (message_type) (rate(butterfly_network_messages_received_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_node: str,
        to_node: str | None = None,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[to_node][message_type][from_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, message_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_node: str,
        to_node: str | None = None,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[to_node][message_type][from_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, message_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_node: str,
        to_node: str | None = None,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_node, to_node, message_type))

    def remove(
        self,
        *,
        from_node: str,
        to_node: str | None = None,
        message_type: Literal["tensor", "checkpoint", "consensus", "heartbeat"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node, message_type))


network_messages_received_total = NetworkMessagesReceivedTotal("butterfly_network_messages_received_total")


class ConnectionErrorsTotal(CounterHandle):
    """Failures of connections from this node to a peer, by kind.

    ``butterfly_connection_errors_total``, counter, unit ``{error}``.
    Counted once for each failure of a connection; it never falls.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.
        error_type: Kind of failure. One of timeout, refused, reset, encryption_error.

    Example query::

        sum by (error_type) (rate(butterfly_connection_errors_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_node: str | None = None,
        to_node: str,
        error_type: Literal["timeout", "refused", "reset", "encryption_error"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][error_type][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, error_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        error_type: Literal["timeout", "refused", "reset", "encryption_error"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][error_type][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node, error_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        error_type: Literal["timeout", "refused", "reset", "encryption_error"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_node, to_node, error_type))

    def remove(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
        error_type: Literal["timeout", "refused", "reset", "encryption_error"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node, error_type))


connection_errors_total = ConnectionErrorsTotal("butterfly_connection_errors_total")


class ConnectionLatencySeconds(HistogramHandle):
    """Round-trip time of each exchange with a peer, as this node measures it.

    ``butterfly_connection_latency_seconds``, histogram, unit ``s``.
    A latency whose distribution matters.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.

    Buckets: 0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0.

    Example query::

        topk(10, histogram_quantile(0.99, sum by (from_node, to_node, le) (rate(butterfly_connection_latency_seconds_bucket[5m]))))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (from_node, to_node)).time()

    def bind(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (from_node, to_node))

    def remove(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node))


connection_latency_seconds = ConnectionLatencySeconds("butterfly_connection_latency_seconds")


class ConnectionActive(GaugeHandle):
    """Whether the connection to a peer that this node expects is up (1) or down (0).

    ``butterfly_connection_active``, gauge, unit ``{connection}``.
    Set to 1 when the connection comes up and to 0 when it goes down.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.

    Example query::

        min by (from_node, to_node) (butterfly_connection_active) == 0
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_node][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_node, to_node))
        cell.record(value)

    def bind(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (from_node, to_node))

    def remove(
        self,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_node, to_node))


connection_active = ConnectionActive("butterfly_connection_active")


class QuicStreamsActive(ObservableHandle):
    """QUIC streams open on this node, over all its connections.

    ``butterfly_quic_streams_active``, gauge, unit ``{stream}``.
    The QUIC stack knows its streams; they are read when metrics are collected and add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum by (node_id) (butterfly_quic_streams_active)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


quic_streams_active = QuicStreamsActive("butterfly_quic_streams_active")


class QuicCongestionWindowBytes(ObservableHandle):
    """Congestion windows of this node's QUIC connections, added up.

    ``butterfly_quic_congestion_window_bytes``, gauge, unit ``By``.
    The congestion control owns the window; it is read when metrics are collected.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        deriv(butterfly_quic_congestion_window_bytes[5m]) < 0
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


quic_congestion_window_bytes = QuicCongestionWindowBytes("butterfly_quic_congestion_window_bytes")


class QuicRttSeconds(ObservableHandle):
    """Smoothed round-trip time to a peer, as this node's QUIC stack estimates it.

    ``butterfly_quic_rtt_seconds``, gauge, unit ``s``.
    The QUIC stack keeps the estimate; it is read when metrics are collected, not additive.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.

    Example query::

        topk(10, max by (from_node, to_node) (butterfly_quic_rtt_seconds))
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (from_node, to_node))


quic_rtt_seconds = QuicRttSeconds("butterfly_quic_rtt_seconds")


class QuicPacketLossRatio(ObservableHandle):
    """Share of the packets sent to a peer that were lost, from 0 to 1.

    ``butterfly_quic_packet_loss_ratio``, gauge, unit ``1``.
    A ratio of two counts that the QUIC stack keeps; ratios do not add up.

    Labels:
        from_node: Node at the near end: the sender, or the one that measures; by default this node.
            At most 1000 distinct values.
        to_node: Node at the far end. At most 1000 distinct values.

    Example query::

        max by (from_node, to_node) (butterfly_quic_packet_loss_ratio) > 0.05
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        from_node: str | None = None,
        to_node: str,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (from_node, to_node))


quic_packet_loss_ratio = QuicPacketLossRatio("butterfly_quic_packet_loss_ratio")


class MemoryAllocatedBytes(ObservableHandle):
    """Memory now allocated on this node, in pools of which none contains another.

    ``butterfly_memory_allocated_bytes``, gauge, unit ``By``.
    Read from the allocators when metrics are collected; the pools are disjoint and add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        pool: What the memory is for. One of model, tensor, buffer, system.

    Example query::

        sum by (node_id) (butterfly_memory_allocated_bytes)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
        pool: Literal["model", "tensor", "buffer", "system"],
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id, pool))


memory_allocated_bytes = MemoryAllocatedBytes("butterfly_memory_allocated_bytes")


class MemoryPeakBytes(ObservableHandle):
    """Most memory in use on this node at any time since its start, which is no capacity.

    ``butterfly_memory_peak_bytes``, gauge, unit ``By``.
    A maximum that the kernel keeps; maxima of different moments do not add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        topk(10, max by (node_id) (butterfly_memory_peak_bytes))
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


memory_peak_bytes = MemoryPeakBytes("butterfly_memory_peak_bytes")


class MemoryFragmentationRatio(ObservableHandle):
    """Used over reserved memory: 1 means no fragmentation, less means more of it.

    ``butterfly_memory_fragmentation_ratio``, gauge, unit ``1``.
    A ratio of two readings of the allocator; ratios do not add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        min by (node_id) (butterfly_memory_fragmentation_ratio) < 0.7
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


memory_fragmentation_ratio = MemoryFragmentationRatio("butterfly_memory_fragmentation_ratio")


class CpuUsageRatio(ObservableHandle):
    """Share of the time that the CPU was busy, from 0 to 1, over the last sampling interval.

    ``butterfly_cpu_usage_ratio``, gauge, unit ``1``.
    A ratio of two differences of kernel counters; ratios do not add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        core: Index of the CPU core, from 0; empty for all cores together. At most 1024 distinct
            values.

    Example query::

        avg(avg by (node_id) (avg_over_time(butterfly_cpu_usage_ratio[5m])))
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
        core: str | int | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id, core if type(core) is str else int_text(core)))


cpu_usage_ratio = CpuUsageRatio("butterfly_cpu_usage_ratio")


class CpuThrottleEventsTotal(ObservableHandle):
    """Times the CPU was throttled, by heat or by the cgroup's quota.

    ``butterfly_cpu_throttle_events_total``, counter, unit ``{event}``.
    The kernel counts; its counters are read when metrics are collected.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum by (node_id) (rate(butterfly_cpu_throttle_events_total[5m]))
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


cpu_throttle_events_total = CpuThrottleEventsTotal("butterfly_cpu_throttle_events_total")


class GpuUtilizationRatio(ObservableHandle):
    """Share of the time that any kernel ran on the GPU, from 0 to 1.

    ``butterfly_gpu_utilization_ratio``, gauge, unit ``1``.
    The driver measures; its reading is taken when metrics are collected, and not additive.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        gpu_id: Identity of the GPU: by default its UUID, which moves with it, else its index or
            slot. At most 64 distinct values.

    Example query::

        avg by (node_id, gpu_id) (avg_over_time(butterfly_gpu_utilization_ratio[5m])) < 0.5
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
        gpu_id: str | int,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id, gpu_id if type(gpu_id) is str else int_text(gpu_id)))


gpu_utilization_ratio = GpuUtilizationRatio("butterfly_gpu_utilization_ratio")


class GpuMemoryBytes(ObservableHandle):
    """Used and free memory of a GPU; what the driver reserves for itself is in neither.

    ``butterfly_gpu_memory_bytes``, gauge, unit ``By``.
    Read from the driver when metrics are collected; used and free memory add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        gpu_id: Identity of the GPU: by default its UUID, which moves with it, else its index or
            slot. At most 64 distinct values.
        state: Whether the memory is in use. One of used, free.

    Example query::

        sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes{state="used"}) / sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
        gpu_id: str | int,
        state: Literal["used", "free"],
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id, gpu_id if type(gpu_id) is str else int_text(gpu_id), state))


gpu_memory_bytes = GpuMemoryBytes("butterfly_gpu_memory_bytes")


class GpuTemperatureCelsius(ObservableHandle):
    """Temperature of the GPU's core.

    ``butterfly_gpu_temperature_celsius``, gauge, unit ``Cel``.
    Read from the driver when metrics are collected; temperatures do not add up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        gpu_id: Identity of the GPU: by default its UUID, which moves with it, else its index or
            slot. At most 64 distinct values.

    Example query::

        max by (node_id, gpu_id) (butterfly_gpu_temperature_celsius) > 85
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
        gpu_id: str | int,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id, gpu_id if type(gpu_id) is str else int_text(gpu_id)))


gpu_temperature_celsius = GpuTemperatureCelsius("butterfly_gpu_temperature_celsius")


class GpuComputeUnitActive(ObservableHandle):
    """Compute units of a GPU that were active, as an average over time.

    ``butterfly_gpu_compute_unit_active``, gauge, unit ``{unit}``.
    An average that the driver takes over time, read when metrics are collected.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        gpu_id: Identity of the GPU: by default its UUID, which moves with it, else its index or
            slot. At most 64 distinct values.
        unit_type: Kind of compute unit. One of sm, tensor_core.

    Example query::

        avg by (unit_type) (avg_over_time(butterfly_gpu_compute_unit_active[5m]))
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
        gpu_id: str | int,
        unit_type: Literal["sm", "tensor_core"],
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id, gpu_id if type(gpu_id) is str else int_text(gpu_id), unit_type))


gpu_compute_unit_active = GpuComputeUnitActive("butterfly_gpu_compute_unit_active")


class DiskCheckpointBytes(ObservableHandle):
    """Disk space that this node's checkpoints take.

    ``butterfly_disk_checkpoint_bytes``, gauge, unit ``By``.
    Read from the file system when metrics are collected; the space of nodes adds up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum(butterfly_disk_checkpoint_bytes)
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


disk_checkpoint_bytes = DiskCheckpointBytes("butterfly_disk_checkpoint_bytes")


class DiskWriteDurationSeconds(HistogramHandle):
    """Time a write takes until the data is on the disk.

    ``butterfly_disk_write_duration_seconds``, histogram, unit ``s``.
    A latency whose distribution matters.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        operation: What was written. One of checkpoint_write, log_append.

    Buckets: 0.001, 0.01, 0.1, 1.0, 10.0.

    Example query::

        histogram_quantile(0.99, sum by (operation, le) (rate(butterfly_disk_write_duration_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        node_id: str | None = None,
        operation: Literal["checkpoint_write", "log_append"],
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][operation]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, operation))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["checkpoint_write", "log_append"],
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (node_id, operation)).time()

    def bind(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["checkpoint_write", "log_append"],
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (node_id, operation))

    def remove(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["checkpoint_write", "log_append"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, operation))


disk_write_duration_seconds = DiskWriteDurationSeconds("butterfly_disk_write_duration_seconds")


class DiskIoErrorsTotal(CounterHandle):
    """Disk operations that failed because of the disk or its file system.

    ``butterfly_disk_io_errors_total``, counter, unit ``{error}``.
    Counted once for each operation that failed; it never falls.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        operation: What failed. One of read, write.

    Example query::

        sum by (node_id, operation) (rate(butterfly_disk_io_errors_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str | None = None,
        operation: Literal["read", "write"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][operation]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, operation))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["read", "write"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][operation]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, operation))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["read", "write"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, operation))

    def remove(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["read", "write"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, operation))


disk_io_errors_total = DiskIoErrorsTotal("butterfly_disk_io_errors_total")


class CheckpointCount(UpDownCounterHandle):
    """Checkpoints this node now has in each status; a gauge despite its name.

    ``butterfly_checkpoint_count``, gauge, unit ``{checkpoint}``.
    A checkpoint leaves one status and enters another; each step knows only itself.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        status: Status of the checkpoints. One of pending, complete, failed.

    Example query::

        sum by (status) (butterfly_checkpoint_count)
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str | None = None,
        status: Literal["pending", "complete", "failed"],
    ) -> None:
        """Add ``amount``, which may be negative."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][status]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, status))
        cell.record(amount)

    def inc(
        self,
        amount: float = 1,
        *,
        node_id: str | None = None,
        status: Literal["pending", "complete", "failed"],
    ) -> None:
        """Add ``amount``, by default one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][status]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, status))
        cell.record(amount)

    def dec(
        self,
        amount: float = 1,
        *,
        node_id: str | None = None,
        status: Literal["pending", "complete", "failed"],
    ) -> None:
        """Subtract ``amount``, by default one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][status]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, status))
        cell.record(negated(amount))

    def track(
        self,
        *,
        node_id: str | None = None,
        status: Literal["pending", "complete", "failed"],
    ) -> AbstractContextManager[None]:
        """Count one more for as long as a ``with`` block runs, however it ends."""
        return BoundUpDownCounter(self, (node_id, status)).track()

    def bind(
        self,
        *,
        node_id: str | None = None,
        status: Literal["pending", "complete", "failed"],
    ) -> BoundUpDownCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundUpDownCounter(self, (node_id, status))

    def remove(
        self,
        *,
        node_id: str | None = None,
        status: Literal["pending", "complete", "failed"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, status))


checkpoint_count = CheckpointCount("butterfly_checkpoint_count")


class CheckpointDurationSeconds(HistogramHandle):
    """Time each phase of making a checkpoint takes.

    ``butterfly_checkpoint_duration_seconds``, histogram, unit ``s``.
    A duration whose distribution matters.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        phase: Phase of making the checkpoint. One of snapshot, write, verify.

    Buckets: 0.1, 1.0, 10.0, 60.0, 300.0.

    Example query::

        histogram_quantile(0.99, sum by (phase, le) (rate(butterfly_checkpoint_duration_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        node_id: str | None = None,
        phase: Literal["snapshot", "write", "verify"],
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][phase]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, phase))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        node_id: str | None = None,
        phase: Literal["snapshot", "write", "verify"],
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (node_id, phase)).time()

    def bind(
        self,
        *,
        node_id: str | None = None,
        phase: Literal["snapshot", "write", "verify"],
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (node_id, phase))

    def remove(
        self,
        *,
        node_id: str | None = None,
        phase: Literal["snapshot", "write", "verify"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, phase))


checkpoint_duration_seconds = CheckpointDurationSeconds("butterfly_checkpoint_duration_seconds")


class CheckpointSizeBytes(HistogramHandle):
    """Size of each finished checkpoint, of which only the latest have a series.

    ``butterfly_checkpoint_size_bytes``, histogram, unit ``By``.
    A size whose distribution matters.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        checkpoint_id: Id of the checkpoint; only the latest ones have a series. At most 32 distinct
            values.

    Buckets: 1000000.0, 10000000.0, 100000000.0, 1000000000.0, 10000000000.0.

    Example query::

        sum by (node_id) (butterfly_checkpoint_size_bytes_sum) / sum by (node_id) (butterfly_checkpoint_size_bytes_count)
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        node_id: str | None = None,
        checkpoint_id: str,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][checkpoint_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, checkpoint_id))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def bind(
        self,
        *,
        node_id: str | None = None,
        checkpoint_id: str,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (node_id, checkpoint_id))

    def remove(
        self,
        *,
        node_id: str | None = None,
        checkpoint_id: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, checkpoint_id))


checkpoint_size_bytes = CheckpointSizeBytes("butterfly_checkpoint_size_bytes")


class RecoveryAttemptsTotal(CounterHandle):
    """Attempts of this node to recover its state, by outcome.

    ``butterfly_recovery_attempts_total``, counter, unit ``{attempt}``.
    Counted once, when an attempt ends; it never falls.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        outcome: How the attempt ended. One of success, partial, failed.

    Example query::

        sum(rate(butterfly_recovery_attempts_total{outcome!="success"}[1h])) / sum(rate(butterfly_recovery_attempts_total[1h]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str | None = None,
        outcome: Literal["success", "partial", "failed"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][outcome]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, outcome))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str | None = None,
        outcome: Literal["success", "partial", "failed"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][outcome]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, outcome))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str | None = None,
        outcome: Literal["success", "partial", "failed"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, outcome))

    def remove(
        self,
        *,
        node_id: str | None = None,
        outcome: Literal["success", "partial", "failed"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, outcome))


recovery_attempts_total = RecoveryAttemptsTotal("butterfly_recovery_attempts_total")


class RecoveryDurationSeconds(HistogramHandle):
    """Time from the start of an attempt to recover to its end.

    ``butterfly_recovery_duration_seconds``, histogram, unit ``s``.
    A duration whose distribution matters.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Buckets: 1.0, 10.0, 60.0, 300.0, 600.0.

    Example query::

        histogram_quantile(0.99, sum by (le) (rate(butterfly_recovery_duration_seconds_bucket[1h])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id,))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        node_id: str | None = None,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (node_id,)).time()

    def bind(
        self,
        *,
        node_id: str | None = None,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (node_id,))

    def remove(
        self,
        *,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id,))


recovery_duration_seconds = RecoveryDurationSeconds("butterfly_recovery_duration_seconds")


class StateDivergenceDetectedTotal(CounterHandle):
    """Times two nodes that should hold the same state were found to differ.

    ``butterfly_state_divergence_detected_total``, counter, unit ``{divergence}``.
    Counted once for each divergence found; it never falls.

    Labels:
        node_id_pair: The two nodes, their ids sorted and joined by an underscore. At most 1000
            distinct values.

    Example query::

        sum by (node_id_pair) ((increase(butterfly_state_divergence_detected_total[1h]) and last_over_time(butterfly_state_divergence_detected_total[1h] offset 1h)) or (butterfly_state_divergence_detected_total unless last_over_time(butterfly_state_divergence_detected_total[1h] offset 1h))) > 0
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id_pair: str,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id_pair]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id_pair,))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id_pair: str,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id_pair]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id_pair,))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id_pair: str,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id_pair,))

    def remove(
        self,
        *,
        node_id_pair: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id_pair,))


state_divergence_detected_total = StateDivergenceDetectedTotal("butterfly_state_divergence_detected_total")


class TasksQueued(ObservableHandle):
    """Tasks that wait in this node's queue.

    ``butterfly_tasks_queued``, gauge, unit ``{task}``.
    The queue knows its own length; it is read when metrics are collected, and adds up.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Example query::

        sum by (node_id) (butterfly_tasks_queued) > 100
    """

    __slots__ = ()

    def observation(
        self,
        value: float,
        *,
        node_id: str | None = None,
    ) -> Observation:
        """Return what a callback reports for one series."""
        return self._observation(value, (node_id,))


tasks_queued = TasksQueued("butterfly_tasks_queued")


class TasksAssignedTotal(CounterHandle):
    """Tasks this coordinator has assigned to a node, reassigned ones included.

    ``butterfly_tasks_assigned_total``, counter, unit ``{task}``.
    Counted once for each assignment; it never falls.

    Labels:
        from_coordinator: Coordinator that assigned; by default this node. At most 1000 distinct
            values.
        to_node: Node at the far end. At most 1000 distinct values.

    Example query::

        sum by (to_node) (rate(butterfly_tasks_assigned_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        from_coordinator: str | None = None,
        to_node: str,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_coordinator][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_coordinator, to_node))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        from_coordinator: str | None = None,
        to_node: str,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[from_coordinator][to_node]
        except Exception:  # unknown, or no label value at all
            cell = self.find((from_coordinator, to_node))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        from_coordinator: str | None = None,
        to_node: str,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (from_coordinator, to_node))

    def remove(
        self,
        *,
        from_coordinator: str | None = None,
        to_node: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((from_coordinator, to_node))


tasks_assigned_total = TasksAssignedTotal("butterfly_tasks_assigned_total")


class TasksCompletedTotal(CounterHandle):
    """Tasks that have ended on this node, by outcome, failed ones included.

    ``butterfly_tasks_completed_total``, counter, unit ``{task}``.
    Counted once, when a task ends; it never falls.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        status: How the task ended. One of success, error, timeout.

    Example query::

        sum by (node_id) (rate(butterfly_tasks_completed_total{status!="success"}[5m])) / sum by (node_id) (rate(butterfly_tasks_completed_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str | None = None,
        status: Literal["success", "error", "timeout"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][status]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, status))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str | None = None,
        status: Literal["success", "error", "timeout"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][status]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, status))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str | None = None,
        status: Literal["success", "error", "timeout"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, status))

    def remove(
        self,
        *,
        node_id: str | None = None,
        status: Literal["success", "error", "timeout"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, status))


tasks_completed_total = TasksCompletedTotal("butterfly_tasks_completed_total")


class TaskReassignmentsTotal(CounterHandle):
    """Tasks taken from one node and given to another, by reason.

    ``butterfly_task_reassignments_total``, counter, unit ``{reassignment}``.
    Counted once for each task taken from one node and given to another; it never falls.

    Labels:
        reason: Why the task was taken from its node. One of node_failure, timeout, overload.

    Example query::

        sum by (reason) (rate(butterfly_task_reassignments_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        reason: Literal["node_failure", "timeout", "overload"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[reason]
        except Exception:  # unknown, or no label value at all
            cell = self.find((reason,))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        reason: Literal["node_failure", "timeout", "overload"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[reason]
        except Exception:  # unknown, or no label value at all
            cell = self.find((reason,))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        reason: Literal["node_failure", "timeout", "overload"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (reason,))

    def remove(
        self,
        *,
        reason: Literal["node_failure", "timeout", "overload"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((reason,))


task_reassignments_total = TaskReassignmentsTotal("butterfly_task_reassignments_total")


class BarrierWaitDurationSeconds(HistogramHandle):
    """Time this node waits at a barrier until all others have reached it.

    ``butterfly_barrier_wait_duration_seconds``, histogram, unit ``s``.
    A duration whose distribution matters.

    Labels:
        barrier_id: Name of the barrier; to be chosen in the code, not made up while it runs. At
            most 100 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Buckets: 0.001, 0.01, 0.1, 1.0, 10.0.

    Example query::

        histogram_quantile(0.99, sum by (barrier_id, le) (rate(butterfly_barrier_wait_duration_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        barrier_id: str,
        node_id: str | None = None,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][barrier_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((barrier_id, node_id))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        barrier_id: str,
        node_id: str | None = None,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (barrier_id, node_id)).time()

    def bind(
        self,
        *,
        barrier_id: str,
        node_id: str | None = None,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (barrier_id, node_id))

    def remove(
        self,
        *,
        barrier_id: str,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((barrier_id, node_id))


barrier_wait_duration_seconds = BarrierWaitDurationSeconds("butterfly_barrier_wait_duration_seconds")


class SynchronizationSkewSeconds(GaugeHandle):
    """Clock of the pair's second node minus that of its first, which may be negative.

    ``butterfly_synchronization_skew_seconds``, gauge, unit ``s``.
    Set after each comparison of two clocks, and not additive.

    Labels:
        node_pair: The two nodes, their ids sorted and joined by an underscore. At most 1000
            distinct values.

    Example query::

        max(abs(butterfly_synchronization_skew_seconds))
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        node_pair: str,
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_pair]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_pair,))
        cell.record(value)

    def bind(
        self,
        *,
        node_pair: str,
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (node_pair,))

    def remove(
        self,
        *,
        node_pair: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_pair,))


synchronization_skew_seconds = SynchronizationSkewSeconds("butterfly_synchronization_skew_seconds")


class DependencyWaitDurationSeconds(HistogramHandle):
    """Time a task waits until everything it depends on is there.

    ``butterfly_dependency_wait_duration_seconds``, histogram, unit ``s``.
    A duration whose distribution matters.

    Labels:
        task_id: Id of the task; the first tasks keep theirs, all later ones share one value. At
            most 100 distinct values.
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.

    Buckets: 0.001, 0.01, 0.1, 1.0, 10.0.

    Example query::

        histogram_quantile(0.99, sum by (node_id, le) (rate(butterfly_dependency_wait_duration_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        task_id: str,
        node_id: str | None = None,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][task_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((task_id, node_id))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        task_id: str,
        node_id: str | None = None,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (task_id, node_id)).time()

    def bind(
        self,
        *,
        task_id: str,
        node_id: str | None = None,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (task_id, node_id))

    def remove(
        self,
        *,
        task_id: str,
        node_id: str | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((task_id, node_id))


dependency_wait_duration_seconds = DependencyWaitDurationSeconds("butterfly_dependency_wait_duration_seconds")


class ByzantineFaultsDetectedTotal(CounterHandle):
    """Byzantine faults this node has found in the named node.

    ``butterfly_byzantine_faults_detected_total``, counter, unit ``{fault}``.
    Counted once for each fault found; it never falls.

    Labels:
        node_id: Node the verdict is about, which need not be the node that reports. At most 1000
            distinct values.
        fault_type: Kind of fault. One of incorrect_result, invalid_signature, merkle_mismatch.

    Example query::

        sum by (node_id, fault_type) ((increase(butterfly_byzantine_faults_detected_total[1h]) and last_over_time(butterfly_byzantine_faults_detected_total[1h] offset 1h)) or (butterfly_byzantine_faults_detected_total unless last_over_time(butterfly_byzantine_faults_detected_total[1h] offset 1h))) > 0
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str,
        fault_type: Literal["incorrect_result", "invalid_signature", "merkle_mismatch"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[fault_type][node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, fault_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str,
        fault_type: Literal["incorrect_result", "invalid_signature", "merkle_mismatch"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[fault_type][node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, fault_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str,
        fault_type: Literal["incorrect_result", "invalid_signature", "merkle_mismatch"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, fault_type))

    def remove(
        self,
        *,
        node_id: str,
        fault_type: Literal["incorrect_result", "invalid_signature", "merkle_mismatch"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, fault_type))


byzantine_faults_detected_total = ByzantineFaultsDetectedTotal("butterfly_byzantine_faults_detected_total")


class VerificationChecksTotal(CounterHandle):
    """Checks of the named node's work that this node has made, passed ones included.

    ``butterfly_verification_checks_total``, counter, unit ``{check}``.
    Counted once for each check, whatever its result; it never falls.

    Labels:
        node_id: Node the verdict is about, which need not be the node that reports. At most 1000
            distinct values.
        check_type: Kind of check. One of signature, merkle_tree, result_comparison.

    Example query::

        sum by (check_type) (rate(butterfly_verification_checks_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str,
        check_type: Literal["signature", "merkle_tree", "result_comparison"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[check_type][node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, check_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str,
        check_type: Literal["signature", "merkle_tree", "result_comparison"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[check_type][node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, check_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str,
        check_type: Literal["signature", "merkle_tree", "result_comparison"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, check_type))

    def remove(
        self,
        *,
        node_id: str,
        check_type: Literal["signature", "merkle_tree", "result_comparison"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, check_type))


verification_checks_total = VerificationChecksTotal("butterfly_verification_checks_total")


class VerificationFailuresTotal(CounterHandle):
    """Checks of the named node's work that failed, by what was wrong.

    ``butterfly_verification_failures_total``, counter, unit ``{failure}``.
    Counted once for each check that failed; it never falls.

    Labels:
        node_id: Node the verdict is about, which need not be the node that reports. At most 1000
            distinct values.
        failure_type: What was wrong. One of signature_invalid, merkle_mismatch, result_divergence.

    Example query::

        sum by (node_id) (rate(butterfly_verification_failures_total[5m])) / sum by (node_id) (rate(butterfly_verification_checks_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str,
        failure_type: Literal["signature_invalid", "merkle_mismatch", "result_divergence"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[failure_type][node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, failure_type))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str,
        failure_type: Literal["signature_invalid", "merkle_mismatch", "result_divergence"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[failure_type][node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, failure_type))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str,
        failure_type: Literal["signature_invalid", "merkle_mismatch", "result_divergence"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, failure_type))

    def remove(
        self,
        *,
        node_id: str,
        failure_type: Literal["signature_invalid", "merkle_mismatch", "result_divergence"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, failure_type))


verification_failures_total = VerificationFailuresTotal("butterfly_verification_failures_total")


class ReputationScore(GaugeHandle):
    """How far this node trusts the named node, from 0 (not at all) to 1 (fully).

    ``butterfly_reputation_score``, gauge, unit ``{score}``.
    Set each time the node revises its opinion, and not additive.

    Labels:
        node_id: Node the verdict is about, which need not be the node that reports. At most 1000
            distinct values.

    Example query::

        min by (node_id) (butterfly_reputation_score) < 0.5
    """

    __slots__ = ()

    def set(
        self,
        value: float,
        *,
        node_id: str,
    ) -> None:
        """Set the current value."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id,))
        cell.record(value)

    def bind(
        self,
        *,
        node_id: str,
    ) -> BoundGauge:
        """Return this metric with these labels given, for hot paths."""
        return BoundGauge(self, (node_id,))

    def remove(
        self,
        *,
        node_id: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id,))


reputation_score = ReputationScore("butterfly_reputation_score")


class CryptographicFailuresTotal(CounterHandle):
    """Cryptographic operations that failed on this node.

    ``butterfly_cryptographic_failures_total``, counter, unit ``{failure}``.
    Counted once for each operation that failed; it never falls.

    Labels:
        node_id: Node the value is about; by default the node that reports. At most 1000 distinct
            values.
        operation: What failed. One of sign, verify, encrypt, decrypt.

    Example query::

        sum by (node_id, operation) (rate(butterfly_cryptographic_failures_total[5m]))
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        node_id: str | None = None,
        operation: Literal["sign", "verify", "encrypt", "decrypt"],
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][operation]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, operation))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["sign", "verify", "encrypt", "decrypt"],
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[node_id][operation]
        except Exception:  # unknown, or no label value at all
            cell = self.find((node_id, operation))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["sign", "verify", "encrypt", "decrypt"],
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (node_id, operation))

    def remove(
        self,
        *,
        node_id: str | None = None,
        operation: Literal["sign", "verify", "encrypt", "decrypt"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((node_id, operation))


cryptographic_failures_total = CryptographicFailuresTotal("butterfly_cryptographic_failures_total")


class MerkleRootMismatchesTotal(CounterHandle):
    """Comparisons of Merkle roots of a task's results that found them different.

    ``butterfly_merkle_root_mismatches_total``, counter, unit ``{mismatch}``.
    Counted once for each comparison that found different roots; it never falls.

    Labels:
        task_id: Id of the task; the first tasks keep theirs, all later ones share one value. At
            most 100 distinct values.

    Example query::

        sum((increase(butterfly_merkle_root_mismatches_total[1h]) and last_over_time(butterfly_merkle_root_mismatches_total[1h] offset 1h)) or (butterfly_merkle_root_mismatches_total unless last_over_time(butterfly_merkle_root_mismatches_total[1h] offset 1h))) > 0
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        task_id: str,
    ) -> None:
        """Add ``amount``, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[task_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((task_id,))
        if (
            (amount is ONE or (type(amount) is int and 0 <= amount <= SMALL))
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            cell.value += amount
            return
        cell.record(amount)

    def inc(
        self,
        *,
        task_id: str,
    ) -> None:
        """Add one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[task_id]
        except Exception:  # unknown, or no label value at all
            cell = self.find((task_id,))
        if (tracing.quiet or not tracing.current()) and cell.ready:
            cell.value += 1
            return
        cell.record(1)

    def bind(
        self,
        *,
        task_id: str,
    ) -> BoundCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundCounter(self, (task_id,))

    def remove(
        self,
        *,
        task_id: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((task_id,))


merkle_root_mismatches_total = MerkleRootMismatchesTotal("butterfly_merkle_root_mismatches_total")


#: Every handle of the contract, in the specification's order.
ALL = (
    requests_total,
    requests_in_flight,
    request_errors_total,
    request_duration_seconds,
    consensus_term,
    consensus_leader_changes_total,
    consensus_election_duration_seconds,
    consensus_log_entries_total,
    consensus_commit_index,
    consensus_applied_index,
    consensus_heartbeat_failures_total,
    cluster_size,
    quorum_size,
    layer_compute_duration_seconds,
    layer_memory_bytes,
    tensor_size_bytes,
    pipeline_depth,
    pipeline_stalls_total,
    batch_size,
    tokens_processed_total,
    sequences_processed_total,
    attention_heads_active,
    network_bytes_sent,
    network_bytes_received,
    network_messages_sent_total,
    network_messages_received_total,
    connection_errors_total,
    connection_latency_seconds,
    connection_active,
    quic_streams_active,
    quic_congestion_window_bytes,
    quic_rtt_seconds,
    quic_packet_loss_ratio,
    memory_allocated_bytes,
    memory_peak_bytes,
    memory_fragmentation_ratio,
    cpu_usage_ratio,
    cpu_throttle_events_total,
    gpu_utilization_ratio,
    gpu_memory_bytes,
    gpu_temperature_celsius,
    gpu_compute_unit_active,
    disk_checkpoint_bytes,
    disk_write_duration_seconds,
    disk_io_errors_total,
    checkpoint_count,
    checkpoint_duration_seconds,
    checkpoint_size_bytes,
    recovery_attempts_total,
    recovery_duration_seconds,
    state_divergence_detected_total,
    tasks_queued,
    tasks_assigned_total,
    tasks_completed_total,
    task_reassignments_total,
    barrier_wait_duration_seconds,
    synchronization_skew_seconds,
    dependency_wait_duration_seconds,
    byzantine_faults_detected_total,
    verification_checks_total,
    verification_failures_total,
    reputation_score,
    cryptographic_failures_total,
    merkle_root_mismatches_total,
)

__all__ = [
    "ALL",
    "AttentionHeadsActive",
    "BarrierWaitDurationSeconds",
    "BatchSize",
    "ByzantineFaultsDetectedTotal",
    "CheckpointCount",
    "CheckpointDurationSeconds",
    "CheckpointSizeBytes",
    "ClusterSize",
    "ConnectionActive",
    "ConnectionErrorsTotal",
    "ConnectionLatencySeconds",
    "ConsensusAppliedIndex",
    "ConsensusCommitIndex",
    "ConsensusElectionDurationSeconds",
    "ConsensusHeartbeatFailuresTotal",
    "ConsensusLeaderChangesTotal",
    "ConsensusLogEntriesTotal",
    "ConsensusTerm",
    "CpuThrottleEventsTotal",
    "CpuUsageRatio",
    "CryptographicFailuresTotal",
    "DependencyWaitDurationSeconds",
    "DiskCheckpointBytes",
    "DiskIoErrorsTotal",
    "DiskWriteDurationSeconds",
    "GpuComputeUnitActive",
    "GpuMemoryBytes",
    "GpuTemperatureCelsius",
    "GpuUtilizationRatio",
    "LayerComputeDurationSeconds",
    "LayerMemoryBytes",
    "MemoryAllocatedBytes",
    "MemoryFragmentationRatio",
    "MemoryPeakBytes",
    "MerkleRootMismatchesTotal",
    "NetworkBytesReceived",
    "NetworkBytesSent",
    "NetworkMessagesReceivedTotal",
    "NetworkMessagesSentTotal",
    "PipelineDepth",
    "PipelineStallsTotal",
    "QuicCongestionWindowBytes",
    "QuicPacketLossRatio",
    "QuicRttSeconds",
    "QuicStreamsActive",
    "QuorumSize",
    "RecoveryAttemptsTotal",
    "RecoveryDurationSeconds",
    "ReputationScore",
    "RequestDurationSeconds",
    "RequestErrorsTotal",
    "RequestsInFlight",
    "RequestsTotal",
    "SequencesProcessedTotal",
    "StateDivergenceDetectedTotal",
    "SynchronizationSkewSeconds",
    "TaskReassignmentsTotal",
    "TasksAssignedTotal",
    "TasksCompletedTotal",
    "TasksQueued",
    "TensorSizeBytes",
    "TokensProcessedTotal",
    "VerificationChecksTotal",
    "VerificationFailuresTotal",
    "attention_heads_active",
    "barrier_wait_duration_seconds",
    "batch_size",
    "byzantine_faults_detected_total",
    "checkpoint_count",
    "checkpoint_duration_seconds",
    "checkpoint_size_bytes",
    "cluster_size",
    "connection_active",
    "connection_errors_total",
    "connection_latency_seconds",
    "consensus_applied_index",
    "consensus_commit_index",
    "consensus_election_duration_seconds",
    "consensus_heartbeat_failures_total",
    "consensus_leader_changes_total",
    "consensus_log_entries_total",
    "consensus_term",
    "cpu_throttle_events_total",
    "cpu_usage_ratio",
    "cryptographic_failures_total",
    "dependency_wait_duration_seconds",
    "disk_checkpoint_bytes",
    "disk_io_errors_total",
    "disk_write_duration_seconds",
    "gpu_compute_unit_active",
    "gpu_memory_bytes",
    "gpu_temperature_celsius",
    "gpu_utilization_ratio",
    "layer_compute_duration_seconds",
    "layer_memory_bytes",
    "memory_allocated_bytes",
    "memory_fragmentation_ratio",
    "memory_peak_bytes",
    "merkle_root_mismatches_total",
    "network_bytes_received",
    "network_bytes_sent",
    "network_messages_received_total",
    "network_messages_sent_total",
    "pipeline_depth",
    "pipeline_stalls_total",
    "quic_congestion_window_bytes",
    "quic_packet_loss_ratio",
    "quic_rtt_seconds",
    "quic_streams_active",
    "quorum_size",
    "recovery_attempts_total",
    "recovery_duration_seconds",
    "reputation_score",
    "request_duration_seconds",
    "request_errors_total",
    "requests_in_flight",
    "requests_total",
    "sequences_processed_total",
    "state_divergence_detected_total",
    "synchronization_skew_seconds",
    "task_reassignments_total",
    "tasks_assigned_total",
    "tasks_completed_total",
    "tasks_queued",
    "tensor_size_bytes",
    "tokens_processed_total",
    "verification_checks_total",
    "verification_failures_total",
]
