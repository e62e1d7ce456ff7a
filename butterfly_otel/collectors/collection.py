"""From chosen sources to series: a worker each, observed on handles and as extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation

from butterfly_otel.collectors.handles import BY_NAME
from butterfly_otel.collectors.sampler import Sampler
from butterfly_otel.collectors.worker import Worker
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.metrics import MeterProvider

    from butterfly_otel.collectors.registry import Chosen
    from butterfly_otel.collectors.source import Extension
    from butterfly_otel.collectors.worker import Count
    from butterfly_otel.handles.handles import ObservableHandle
    from butterfly_otel.handles.registration import ObserveCallback, Registration

#: The meter of what sources yield outside the catalogue.
EXTENSION_METER = "butterfly_otel.hardware"


class Collection:
    """Sources that are being read and observed, from the constructor to :meth:`end`.

    Args:
        chosen: What is read; at least one.
        provider: Where extensions are measured; the handles are attached to it already.
        count: Counts errors on the SDK's own counters.
        interval: Seconds between two rounds of the collectors that ship with the package,
            instead of each one's own.
        handles: What sources are observed on, by metric.
    """

    def __init__(
        self,
        chosen: Sequence[Chosen],
        provider: MeterProvider,
        count: Count,
        *,
        interval: float | None = None,
        handles: Mapping[str, ObservableHandle] = BY_NAME,
    ) -> None:
        self._handles = handles
        self.sampler = Sampler(
            [
                Worker(
                    each.source,
                    count,
                    interval=None if each.own else interval,
                    quiet=each.quiet,
                )
                for each in chosen
            ]
        )
        self._registrations = tuple(self._observe())
        self._extend(provider)
        self.sampler.start()

    def stop(self) -> None:
        """Read no more; what was read last can still be exported."""
        self.sampler.stop()

    def end(self, timeout: float) -> None:
        """Observe no more, and wait ``timeout`` s, at most 1 s, for rounds that are under way."""
        self.stop()
        for registration in self._registrations:
            registration.unregister()
        self.sampler.join(timeout)

    def _observe(self) -> Iterable[Registration]:
        for worker in self.sampler.workers:
            # One callback a source and metric: what one yields can't spoil another's.
            for metric in worker.source.metrics:
                yield self._handles[metric].observe(self.sampler.observer(worker, metric))
            for metric, read in (
                ("butterfly_otel_collector_up", worker.up),
                ("butterfly_otel_collector_age_seconds", worker.age),
                ("butterfly_otel_collector_duration_seconds", worker.duration),
            ):
                yield self._handles[metric].observe(_state(worker.name, read))

    def _extend(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(EXTENSION_METER, __version__)
        wanted: dict[Extension, list[Any]] = {}
        for worker in self.sampler.workers:
            for extension in worker.extensions:
                observer = self.sampler.observer(worker, extension.name)
                wanted.setdefault(extension, []).append(_with_options(observer))
        for extension, callbacks in wanted.items():
            create = getattr(meter, f"create_{extension.kind}")
            create(extension.name, callbacks, extension.unit, extension.description)


def _state(collector: str, read: Callable[[], float | None]) -> ObserveCallback:
    labels = {"collector": collector}

    def observe() -> Sequence[Observation]:
        value = read()
        return () if value is None else (Observation(value, labels),)

    return observe


def _with_options(
    observe: Callable[[], Sequence[Observation]],
) -> Callable[[object], Sequence[Observation]]:
    """Return a callback as OpenTelemetry's API calls it."""
    return lambda _options: observe()
