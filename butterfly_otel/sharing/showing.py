"""What ties a reader to a group of processes: what it tells of itself, and what it shows of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from butterfly_otel.exporters.producing.registering import with_scopes
from butterfly_otel.exporters.prometheus.writing.shared import Shown
from butterfly_otel.process import forks, timing
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.capturing import Capture
from butterfly_otel.sharing.ended import fold
from butterfly_otel.sharing.foreign import (
    Counted,
    ForeignCapture,
    counted,
    is_told,
    own_files,
    reads_files,
)
from butterfly_otel.sharing.merging import Merging, settled
from butterfly_otel.sharing.payload import Payload, Record, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.metrics.export import MetricsData, ScopeMetrics
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

    from butterfly_otel.exporters.prometheus.model.problems import Omission
    from butterfly_otel.sharing.modes import Modes

#: Seconds that collecting may take for a snapshot.
TIMEOUT = 5.0


class Own(Protocol):
    """What this process has: the reader that is scraped."""

    def own(self, timeout: float) -> MetricsData | None:
        """Collect this process' OpenTelemetry metrics within so many seconds."""
        ...

    def others(
        self, timeout: float, asked: Callable[[Collector], bool]
    ) -> list[tuple[Collector, list[Metric]]]:
        """Return what the other collectors of the registry have."""
        ...

    def collectors(self) -> Sequence[Collector]:
        """Return the other collectors of the registry."""
        ...

    def omit(self, reason: Omission, subject: str, sentence: str, *details: str) -> None:
        """Count something that a scrape lacks, and warn of it once."""
        ...


class Gathered(Protocol):
    """What the processes of a group have told."""

    @property
    def ended(self) -> bytes | None:
        """What those that have ended have left."""
        ...

    @property
    def members(self) -> Mapping[int, bytes]:
        """What each of the living has, by its slot."""
        ...

    @property
    def late(self) -> tuple[int, ...]:
        """Those of which this is what they stored last."""
        ...


class MetricsContent:
    """What this process tells its group. Thread-safe.

    Args:
        own: The reader that is scraped.
        modes: How metrics are merged.
        leading: Whether this process' hardware collectors are those of the node.
    """

    def __init__(self, own: Own, modes: Modes, leading: Callable[[], bool]) -> None:
        self._own = own
        self._modes = modes
        self._leading = leading
        self._lock = forks.lock()
        self._capture = Capture()
        self._foreign = ForeignCapture()
        self._records: list[Record] = []
        # What a child that is forked just now begins with.
        self._counted: Counted = {}
        forks.call_around_fork(self._note, self._forget)
        forks.call_in_child(self._restart)

    def _note(self) -> None:
        self._counted = counted(self._own.collectors())

    def _forget(self) -> None:
        self._counted = {}

    def _restart(self) -> None:
        """Begin with nothing told, as a forked child has nothing measured."""
        self._capture = Capture()
        self._foreign = ForeignCapture(self._counted)
        self._records = []

    def snapshot(self, timeout: float = TIMEOUT) -> bytes:
        """Return all that this process has measured.

        Where its OpenTelemetry metrics can't be collected, what it told last stands: totals must
        not be missing from those of all.

        Args:
            timeout: Seconds that collecting may take.
        """
        with self._lock:
            try:
                self._records = self._capture.records(self._own.own(timeout))
            except Exception as error:  # noqa: BLE001 - a callback of the application's raised
                log_once("metrics of this process could not be collected for others", error=error)
            others = self._own.others(timeout, is_told)
            families = self._foreign.records(others, timing.time_ns())
            return write(Payload(self._leading(), [*self._records, *families]))

    def fold(self, ended: bytes | None, dead: Sequence[bytes]) -> bytes:
        """Return what is kept of processes that have ended."""
        return fold(ended, dead, self._modes)


class Together:
    """What an exporter is to push for the node: totals of all processes. Not thread-safe.

    Args:
        modes: How metrics are merged.
        gather: Asks all processes, within so many seconds.
        resource: What the metrics are of: the node, not this process.
        bridge: Makes metrics of what other collectors have in all processes, within so many
            seconds; None where these are not pushed.
    """

    def __init__(
        self,
        modes: Modes,
        gather: Callable[[float], Gathered],
        resource: Resource,
        bridge: Callable[[Sequence[Metric], float], Sequence[ScopeMetrics]] | None = None,
    ) -> None:
        self._gather = gather
        self._resource = resource
        self._bridge = bridge
        self._merging = Merging(modes, resource)

    def collect(self, timeout: float = TIMEOUT) -> MetricsData:
        """Return the cumulative metrics of all processes, which nothing changes any more.

        Args:
            timeout: Seconds that it may take.
        """
        gathered = self._gather(timeout)
        collected = self._merging.merge(gathered.ended, gathered.members)
        data = settled(collected.data)
        if self._bridge is None:
            return data
        scopes = self._bridge(collected.families, timeout)
        return with_scopes(data, scopes, self._resource) if scopes else data


class Showing:
    """What a reader shows in place of its own metrics. One scrape at a time.

    Args:
        own: The reader.
        modes: How metrics are merged.
        gather: Asks all processes, within so many seconds.
        resource: What the metrics are of, where the reader's is not the node's.
    """

    def __init__(
        self,
        own: Own,
        modes: Modes,
        gather: Callable[[float], Gathered],
        resource: Resource | None = None,
    ) -> None:
        self.resource = resource
        self._own = own
        self._gather = gather
        self._merging = Merging(modes, resource)

    def shown(self, timeout: float) -> Shown:
        """Return the metrics of all processes.

        Args:
            timeout: Seconds that it may take.
        """
        gathered = self._gather(timeout)
        for slot in gathered.late:
            self._own.omit(
                "late_process",
                f"in slot {slot}",
                "What is shown of the process %s is a second old: it did not answer in time",
            )
        collected = self._merging.merge(gathered.ended, gathered.members)
        return Shown(collected.data, [*collected.families, *from_files(self._own, timeout)])


def from_files(own: Own, timeout: float) -> list[Metric]:
    """Return what prometheus_client's own files have of all processes, within so many seconds."""
    readers = own.others(timeout, reads_files)
    if readers or not own_files():
        return [each for _, families in readers for each in families]
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - rarely used

    try:
        return list(MultiProcessCollector(None).collect())  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - the directory may be gone
        log_once("metrics in PROMETHEUS_MULTIPROC_DIR are not shown", error=error)
        return []
