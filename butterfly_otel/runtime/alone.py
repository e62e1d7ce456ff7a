"""What a process that is a node by itself does beside measuring: it serves, and reads hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.runtime.ending_readers import each_reader
from butterfly_otel.runtime.endpoint import open_endpoint
from butterfly_otel.runtime.mute import MuteChild

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import MetricReader

    from butterfly_otel.collectors.collection import Collection
    from butterfly_otel.exporters.prometheus.serving.server import Server
    from butterfly_otel.exporters.prometheus.serving.site import Site
    from butterfly_otel.exporters.push import Wait
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.settings.config import Config
    from butterfly_otel.sharing.claims import Claim
    from butterfly_otel.sharing.roster import Member

#: Seconds at most for which scrapes that are going on may finish at the end.
_LAST_SCRAPES = 2.0


class Alone:
    """What it does, from :meth:`start` to :meth:`end`. See ``duties.py`` for what each is.

    Args:
        config: The settings.
        pipeline: What this process measures and exports by.
        collect: Begins to read the hardware; None where nothing is read.
        site: What is served beside the metrics.
    """

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        collect: Callable[[], Collection | None],
        site: Site,
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._collect = collect
        self._site = site
        self._server: Server | None = None
        self._claim: Claim | None = None
        self._mute: MuteChild | None = None
        self.collection: Collection | None = None

    @staticmethod
    def members() -> tuple[Member, ...]:
        """Return none: this process is the node."""
        return ()

    def start(self) -> None:
        """Open the port and begin to read."""
        self._server = open_endpoint(self._config, self._pipeline, self._site)
        if self._pipeline.prometheus is not None and self._server is None:
            from butterfly_otel.runtime.claiming import claim_node  # noqa: PLC0415 - only there

            self._claim = claim_node(self._config)
        # Where nobody reads, there is nothing to sample for.
        self.collection = self._collect() if self._pipeline.readers else None

    @property
    def url(self) -> str | None:
        """Where its metrics are."""
        return None if self._server is None else self._server.url

    def store(self) -> bool:
        """Do nothing: there is nobody to leave anything to."""
        return True

    def is_mute(self) -> bool:
        """Tell whether this is a child that nobody can scrape, and that pushes nothing."""
        if self._mute is not None:
            self._mute.tell()
        return self._mute is not None

    @property
    def gives_way(self) -> bool:
        """Whether this is only what a parent has left in its child."""
        return self._mute is not None

    def stop(self) -> None:
        """Read the hardware no more."""
        if self.collection is not None:
            self.collection.stop()

    def end_readers(
        self,
        readers: tuple[MetricReader, ...],
        begun: Mapping[MetricReader, Wait],
        deadline: float,
        patience: float,
    ) -> bool:
        """Close the port, then end the readers."""
        if self._server is not None:
            # A scrape that hangs must leave some time to the others.
            self._server.close(min(_LAST_SCRAPES, patience))
        return each_reader(readers, "shutdown", deadline, begun)

    def end(self, timeout: float) -> None:
        """Wait for what still reads."""
        if self.collection is not None:
            self.collection.end(timeout)
        if self._claim is not None:
            self._claim.release()

    def after_fork(self) -> None:
        """Serve nothing more in a forked child: its parent has the port."""
        if self._server is None:
            return
        self._server = None
        pull = self._pipeline.prometheus
        if all(reader is pull for reader in self._pipeline.readers):
            self._mute = MuteChild()
