"""The facts that the page for people shows, gathered when somebody looks."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from opentelemetry.version import __version__ as opentelemetry_version

from butterfly_otel.exporters.push import PushMetricReader
from butterfly_otel.page import Facts, Part, page_site
from butterfly_otel.process import timing
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from butterfly_otel.collectors.worker import Worker
    from butterfly_otel.exporters.prometheus.serving.site import Site
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.runtime.duties import Duties
    from butterfly_otel.settings.config import Config
    from butterfly_otel.sharing.roster import Member


class LookedAt:
    """Tells the facts of a node. Thread-safe.

    Args:
        config: Its settings.
        pipeline: What exports its metrics.
        duties: Tells what this process does for it; None before that is known.
        began: When the node was configured, on the monotonic clock.
    """

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        duties: Callable[[], Duties | None],
        began: float,
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._began = began
        self._duties = duties

    def facts(self) -> Facts:
        """Return how things are now."""
        config = self._config
        uptime = timing.monotonic() - self._began
        about = {
            "service": config.service_name,
            **({"version": config.service_version} if config.service_version else {}),
            "butterfly-otel": __version__,
            "OpenTelemetry": opentelemetry_version,
            "Python": f"{platform.python_version()}, {platform.system()} {platform.machine()}",
            "pid": str(os.getpid()),
        }
        duties = self._duties()
        collection = None if duties is None else duties.collection
        workers = () if collection is None else collection.sampler.workers
        return Facts(
            node_id=config.node_id,
            node_role=config.node_role,
            about=about,
            uptime=uptime,
            exporters=tuple(self._exporters()),
            collectors=tuple(map(_collector, workers)),
            processes=() if duties is None else tuple(map(_process, duties.members())),
        )

    def _exporters(self) -> Iterator[Part]:
        pull = self._pipeline.prometheus
        for reader in self._pipeline.readers:
            if pull is not None and reader is pull:
                left_out = sum(pull.problems.values())
                tells = f"{left_out} left out, see the log" if left_out else "pull"
                yield Part("prometheus", ok=not left_out, tells=tells)
            elif isinstance(reader, PushMetricReader):
                at, error = reader.outage.last or (None, None)
                yield Part(reader.outage.shown, not reader.outage.failing, "push", error, at)
            else:
                yield Part(type(reader).__name__, ok=None, tells="the application's own")


def page_routes(pipeline: Pipeline, looked_at: LookedAt) -> Site:
    """Return what is served beside the metrics for who looks at them in a browser."""
    pull = pipeline.prometheus
    if pull is None:
        return {}
    return page_site(pull, looked_at.facts, pipeline.streams, naming=pull.naming)


def _process(member: Member) -> Part:
    known = () if member.pid is None else (f"pid {member.pid}",)
    tells = ", ".join((*known, "leads") if member.leads else known)
    return Part(str(member.slot), None if member.late else True, tells)


def _collector(worker: Worker) -> Part:
    up, took = worker.up(), worker.duration()
    at, error = worker.last_error or (None, None)
    every = f"every {worker.interval:g} s"
    tells = every if took is None else f"{every}, takes {took * 1000:.1f} ms"
    return Part(worker.name, None if up is None else bool(up), tells, error, at)
