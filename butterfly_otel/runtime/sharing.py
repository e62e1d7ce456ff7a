"""What a process of a node of several does beside measuring: it joins, tells, and may lead.

Who leads serves the port, reads the hardware and pushes, for all. See
docs/explanation/processes.md.
"""

from __future__ import annotations

import os
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from butterfly_otel.engine.sdk_internals import provider_resource
from butterfly_otel.engine.sdk_readers import collect_by
from butterfly_otel.process import forks
from butterfly_otel.runtime.bridging import registry_bridge
from butterfly_otel.runtime.ending_readers import each_reader
from butterfly_otel.runtime.endpoint import cannot_open, endpoint_url, open_endpoint, serves
from butterfly_otel.sharing.family import find_family
from butterfly_otel.sharing.group import Group
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.sharing.place import find_place
from butterfly_otel.sharing.showing import MetricsContent, Showing, Together

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

    from butterfly_otel.collectors.collection import Collection
    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.exporters.prometheus.serving.server import Server
    from butterfly_otel.exporters.prometheus.serving.site import Site
    from butterfly_otel.exporters.push import Wait
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.settings.config import Config
    from butterfly_otel.sharing.content import Gathered
    from butterfly_otel.sharing.place import Place
    from butterfly_otel.sharing.roster import Member

#: The part of a scrape's time in which others may answer, and its cap in seconds: who is stopped
#: or hangs must not cost the scrape.
_SHARE = 0.5
_PATIENCE = 2.0
#: Seconds at most that leaving may take.
_LEAVING = 2.0
#: Seconds in which scrapes that are going on may finish when another process takes over.
_LAST_SCRAPES = 1.0


class Sharing:
    """What it does, from :meth:`start` to :meth:`end_readers`. See ``duties.py`` for what each is.

    Args:
        config: The settings.
        pipeline: What this process measures and exports by.
        own: The reader of what this process has measured.
        collect: Begins to read the hardware; None where nothing is read.
        site: What is served beside the metrics.

    Attributes:
        collection: What is read of the hardware, where this process leads.

    Raises:
        ConfigurationError: When there is no place to meet.
    """

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        own: PrometheusMetricReader,
        collect: Callable[[], Collection | None],
        site: Site,
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._collect = collect
        self._site = site
        self._server: Server | None = None
        self.collection: Collection | None = None
        # The stock engine knows no such time, so nothing of what has ended has one either.
        lives = dict(config.time_to_live) if config.engine == "butterfly" else {}
        self._modes = Modes(dict(config.across), lives, config.contracts)
        content = MetricsContent(own, self._modes, lambda: self.leading)
        self._group = Group(_place(config, pipeline), content, self._lead, self._yield)
        pipeline.provider.name_instance = self._instance
        if pipeline.prometheus is not None:
            pipeline.prometheus.share(Showing(own, self._modes, self._gather, self._resource()))
        for reader in pipeline.pushing_for_all:
            bridge = registry_bridge(config, pipeline, reader, own)
            together = Together(self._modes, self._gather, self._resource(), bridge)
            collect_by(reader, partial(self._push, together))

    def start(self) -> None:
        """Join the others; serve and read where this process leads."""
        # Before the group's own, which joins anew.
        forks.call_in_child(self._let_go)
        try:
            self._group.start()
        except OSError as error:
            raise cannot_open(self._config, error) from error
        self._pipeline.provider.rename_instance()

    @property
    def leading(self) -> bool:
        """Whether this process leads."""
        return self._group.leading

    def members(self) -> tuple[Member, ...]:
        """Return the processes that were there when they were asked last."""
        return self._group.roster()

    @property
    def url(self) -> str | None:
        """Where the node is scraped; None where no process serves it yet."""
        server = self._server
        if server is not None:
            return server.url
        listeners = self._group.listeners
        if not listeners:
            return None
        return endpoint_url(self._config, self._pipeline, listeners[0].getsockname()[1])

    @property
    def gives_way(self) -> bool:
        """False: a child is one of the node's processes, as its parent is."""
        return False

    def is_mute(self) -> bool:
        """False: what is measured here is told to the others."""
        return False

    def store(self) -> bool:
        """Let what was measured until now outlive this process; return whether it does."""
        return self._group.store_now()

    def stop(self) -> None:
        """Lead from now on, unless another process does; so that who is the last one pushes."""
        self._group.stand()

    def end_readers(
        self,
        readers: tuple[MetricReader, ...],
        begun: Mapping[MetricReader, Wait],
        deadline: float,
        patience: float,
    ) -> bool:
        """Push, leave while this process can still tell what it has measured, then end the rest.

        What was measured stays in the node's totals.
        """
        pushed = each_reader(tuple(begun), "shutdown", monotonic() + patience, begun)
        self._group.leave(min(_LEAVING, patience))
        rest = tuple(reader for reader in readers if reader not in begun)
        return each_reader(rest, "shutdown", deadline, {}) and pushed

    def end(self, timeout: float) -> None:
        """Do nothing: what reads the hardware has ended with leading."""

    def after_fork(self) -> None:
        """Do nothing: the group has joined anew."""

    def _resource(self) -> Resource:
        return provider_resource(self._pipeline.provider) or Resource.get_empty()

    def _gather(self, timeout: float) -> Gathered:
        return self._group.gather(monotonic() + min(timeout * _SHARE, _PATIENCE))

    def _push(
        self, together: Together, _reader: object, timeout_millis: float = 10_000
    ) -> MetricsData | None:
        """Return what is pushed: the totals of all where this process leads, else nothing."""
        return together.collect(timeout_millis / 1000) if self.leading else None

    def _instance(self) -> str:
        node = self._config.node_id
        if self._config.processes.pushed_by == "node":
            return node
        slot = self._group.slot
        return f"{node}-{os.getpid() if slot is None else slot}"

    def _lead(self, listeners: list[socket.socket] | None) -> None:
        if listeners is not None:
            self._server = open_endpoint(self._config, self._pipeline, self._site, listeners)
        if self.collection is None and self._pipeline.readers:
            self.collection = self._collect()

    def _yield(self) -> None:
        server = self._server
        if server is not None:
            server.close(_LAST_SCRAPES)
        self._let_go()

    def _let_go(self) -> None:
        """Serve nothing and read no hardware any more, as one who does not lead."""
        collection, self.collection = self.collection, None
        self._server = None
        if collection is not None:
            collection.end(0)


def _place(config: Config, pipeline: Pipeline) -> Place:
    settings = config.processes
    prometheus = config.prometheus
    address = (prometheus.host, prometheus.port) if serves(config, pipeline) else None
    identity = (config.node_id, config.node_role, config.service_name)
    return find_place(find_family(settings.group or ""), identity, address, settings.directory)
