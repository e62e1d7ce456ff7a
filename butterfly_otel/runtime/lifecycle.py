"""The composition root: :func:`start`, :func:`force_flush` and :func:`shutdown`.

The only functions that change anything for the whole process. All are thread-safe.
"""

from __future__ import annotations

import atexit
import logging
from dataclasses import fields
from threading import TIMEOUT_MAX
from time import monotonic
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import forks
from butterfly_otel.process.reports import REPORTS
from butterfly_otel.runtime import assembly, attaching, global_provider, sampling
from butterfly_otel.runtime.alone import Alone
from butterfly_otel.runtime.ending_readers import begin, each_reader
from butterfly_otel.runtime.endings import Endings
from butterfly_otel.runtime.signals import SignalFlush
from butterfly_otel.settings.config import Config, load_config
from butterfly_otel.settings.relations import DISABLED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from butterfly_otel.collectors import Source
    from butterfly_otel.collectors.collection import Collection
    from butterfly_otel.collectors.registry import Chosen
    from butterfly_otel.engine import GatedMeterProvider
    from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
    from butterfly_otel.exporters.prometheus.securing.security import Security
    from butterfly_otel.exporters.prometheus.serving.site import Route
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.runtime.duties import Duties
    from butterfly_otel.runtime.frontage import Frontage
    from butterfly_otel.settings.kinds import Others

_logger = logging.getLogger("butterfly_otel")
_lock = forks.rlock()
_current: Runtime | None = None


class Runtime:
    """What :func:`butterfly_otel.configure` has started; ended by :meth:`shutdown`, once.

    Attributes:
        config: The settings it was started with.
    """

    def __init__(self, config: Config, sources: Sequence[Source] = ()) -> None:
        self.config = config
        self.sources = tuple(sources)
        self._pipeline: Pipeline | None = None
        self._duties: Duties | None = None
        self._frontage: Frontage | None = None
        self._started = self._ended = False
        self._succeeded = False
        if config.disabled:
            self._started = True
            return
        chosen = sampling.choose(config, sources)
        self._pipeline = assembly.assemble(config)
        duties = self._duties = self._duties_of(self._pipeline, chosen)
        REPORTS.begin(strict=config.strict, count=self._pipeline.telemetry.count)
        try:
            duties.start()
        except BaseException:
            self._end(timeout=0)
            raise
        if config.set_global:
            global_provider.install(self._pipeline.provider)
        self._signals = SignalFlush(self.force_flush, self.shutdown)
        if config.handle_signals:
            self._signals.install()
        forks.call_in_child(self._after_fork)
        _endings.watch()
        self._started = True

    def _duties_of(self, pipeline: Pipeline, chosen: Sequence[Chosen]) -> Duties:
        """Return what this process is to do beside measuring."""
        site: Mapping[str, Route] = {}
        if pipeline.prometheus is not None:
            from butterfly_otel.runtime.frontage import Frontage  # noqa: PLC0415 - only there

            frontage = Frontage(self.config, pipeline, self.missing, lambda: self._duties)
            site = self._frontage = frontage

        def collect() -> Collection | None:
            return sampling.begin(chosen, pipeline, self.config) if chosen else None

        if pipeline.own is None:
            return Alone(self.config, pipeline, collect, site)
        from butterfly_otel.runtime.sharing import Sharing  # noqa: PLC0415 - only there

        return Sharing(self.config, pipeline, pipeline.own, collect, site)

    def __repr__(self) -> str:
        """Say whose metrics these are and where they are served."""
        where = "ended" if self._ended else self.prometheus_url or "not served"
        return f"<Runtime of {self.config.node_role} {self.config.node_id!r}: {where}>"

    @property
    def meter_provider(self) -> GatedMeterProvider | None:
        """The OpenTelemetry meter provider; None where the SDK is disabled."""
        return None if self._pipeline is None else self._pipeline.provider

    @property
    def prometheus_reader(self) -> PrometheusMetricReader | None:
        """What renders the metrics for Prometheus; None where nothing does, or not any more."""
        return None if self._pipeline is None or self._ended else self._pipeline.prometheus

    @property
    def security(self) -> Security | None:
        """Who may scrape; None where everybody may."""
        return None if self._pipeline is None else self._pipeline.security

    @property
    def site(self) -> Mapping[str, Route]:
        """What is served beside the metrics: health checks, and the page where it is not off."""
        return {} if self._frontage is None or self._ended else self._frontage

    @property
    def page_url(self) -> str | None:
        """Where the page for people is; None where there is none, or not any more."""
        url, frontage = self.prometheus_url, self._frontage
        shown = url is not None and frontage is not None and frontage.has_page
        return url.removesuffix("metrics") if url is not None and shown else None

    @property
    def prometheus_url(self) -> str | None:
        """Where metrics are served for Prometheus; None where they are not, or not any more."""
        self._is_mute()
        return None if self._duties is None or self._ended else self._duties.url

    def missing(self) -> str | None:
        """Return a sentence on why this process is not ready; None where it is."""
        if self._ended:
            return "Not ready: butterfly-otel has been shut down."
        if not self._started:
            return "Not ready: butterfly-otel is being configured."
        reading = None if self._duties is None else self._duties.collection
        awaited = [] if reading is None else reading.sampler.awaited()
        if awaited:
            return f"Not ready: not read yet by the collectors: {', '.join(awaited)}."
        return None

    def force_flush(self, timeout: float = 10.0) -> bool:
        """Export now what was measured; return whether every reader did within ``timeout`` s.

        False in a forked child that nobody can scrape and that pushes nothing.
        """
        if self._pipeline is None or self._duties is None or self._ended:
            return self._pipeline is None
        deadline = monotonic() + timeout
        stored = self._duties.store()
        done = each_reader(self._pipeline.readers, "force_flush", deadline) and stored
        return done and not self._is_mute()

    def shutdown(self, timeout: float = 10.0) -> bool:
        """Export what is left, close the port and stop; harmless when done twice.

        Handles measure nothing afterwards, until the next :func:`butterfly_otel.configure`.
        Beside another shutdown that is going on, it waits for that one.

        Args:
            timeout: Seconds all of it may take.

        Returns:
            Whether everything was exported in time; of a runtime that has ended, whether it was.
        """
        global _current  # noqa: PLW0603 - the process has one runtime
        began = monotonic()
        if not _lock.acquire(timeout=min(max(0.0, timeout), TIMEOUT_MAX)):
            return False
        try:
            if not self._ended:
                try:
                    self._succeeded = self._end(timeout - (monotonic() - began))
                finally:
                    if _current is self:
                        _current = None
            return self._succeeded
        finally:
            _lock.release()

    def _after_fork(self) -> None:
        """Go on in a forked child, as far as it can."""
        global _current  # noqa: PLW0603 - the process has one runtime
        if self._ended and _current is self:
            # The thread that was ending it is not here.
            _current = None
        if not self._ended and self._duties is not None:
            self._signals.watch()
            self._duties.after_fork()

    def _is_mute(self) -> bool:
        return self._duties is not None and self._duties.is_mute()

    def gives_way_to(self, config: Config) -> bool:
        """Tell whether this is only what a parent has left in its child: it is in nobody's way."""
        given = self._duties is not None and self._duties.gives_way
        return given and self.config != config

    def _end(self, timeout: float) -> bool:
        self._ended = True
        if self._pipeline is None or self._duties is None:
            return True
        deadline = monotonic() + timeout
        self._duties.stop()
        readers = self._pipeline.readers
        begun = begin(readers, "shutdown")
        succeeded = self._duties.end_readers(readers, begun, deadline, max(0.0, timeout / 2))
        self._duties.end(deadline - monotonic())
        attaching.detach(self._pipeline.handles)
        REPORTS.end()
        global_provider.uninstall(self._pipeline.provider)
        # Not before: a signal that comes meanwhile ends the process when all of this is done.
        if signals := getattr(self, "_signals", None):
            signals.uninstall()
        return succeeded and not self._is_mute()


def start(arguments: Mapping[str, object]) -> Runtime:
    """Do what :func:`butterfly_otel.configure` does, with its arguments by name.

    Raises:
        ConfigurationError: As it does.
    """
    global _current  # noqa: PLW0603 - the process has one runtime
    own = arguments.get("collectors")

    def own_collectors(_: Others) -> None:
        sampling.own_sources(own)

    def named_collectors(other: Others) -> None:
        if not other(DISABLED):
            sampling.check_names(other("collectors"))

    with _lock:
        config = load_config(arguments, rules=(own_collectors, named_collectors))
        sources = sampling.own_sources(own)
        if _current is not None and _current.gives_way_to(config):
            _current.shutdown(timeout=0)
        if _current is not None:
            _require_same(_current, config, sources)
            return _current
        _current = Runtime(config, sources)
        return _current


def current() -> Runtime | None:
    """Return what ``configure()`` has started and nothing has shut down; None before."""
    return _current


def force_flush(timeout: float = 10.0) -> bool:
    """Export now what was measured.

    Args:
        timeout: Seconds it may take.

    Returns:
        Whether every reader succeeded in time; True where nothing is configured.
    """
    runtime = _current
    return True if runtime is None else runtime.force_flush(timeout)


def shutdown(timeout: float = 10.0) -> bool:
    """Export what is left, close the port and stop; harmless when nothing is configured.

    Args:
        timeout: Seconds it may take.

    Returns:
        Whether everything was exported in time.
    """
    runtime = _current
    return True if runtime is None else runtime.shutdown(timeout)


def _require_same(runtime: Runtime, config: Config, sources: Sequence[Source]) -> None:
    different = [
        each.name
        for each in fields(Config)
        if getattr(runtime.config, each.name) != getattr(config, each.name)
    ]
    if runtime.sources != tuple(sources):
        different.append("source among its collectors")
    if different:
        msg = (
            f"butterfly-otel is already configured with another {' and '.join(different)};"
            " call butterfly_otel.shutdown() first, or configure it in one place"
        )
        raise ConfigurationError(msg)


def _at_exit() -> None:
    # A shutdown that is going on in a daemon thread, such as after SIGTERM, is to end first.
    with _lock:
        shutdown()


atexit.register(_at_exit)
_endings = Endings(_at_exit)
