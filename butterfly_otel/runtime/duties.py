"""What a process does for its node beside measuring: alone, or as one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.metrics.export import MetricReader

    from butterfly_otel.collectors.collection import Collection
    from butterfly_otel.exporters.push import Wait
    from butterfly_otel.sharing.roster import Member


class Duties(Protocol):
    """``Alone`` or ``Sharing``. Thread-safe."""

    @property
    def collection(self) -> Collection | None:
        """What reads the hardware in this process, if anything does."""
        ...

    def members(self) -> tuple[Member, ...]:
        """Return the processes of the node; empty where there is one alone."""
        ...

    @property
    def url(self) -> str | None:
        """Where the node is scraped; None where it is not served, or not yet."""
        ...

    @property
    def gives_way(self) -> bool:
        """Whether this is only what a parent has left in its child."""
        ...

    def start(self) -> None:
        """Begin to serve and to read.

        Raises:
            ConfigurationError: When the port can't be had, or there is no place to meet.
        """
        ...

    def store(self) -> bool:
        """Let what was measured until now outlive this process; return whether it does."""
        ...

    def is_mute(self) -> bool:
        """Tell, and log once, whether what is measured here leaves this process nowhere."""
        ...

    def stop(self) -> None:
        """Prepare to end: what is exported from now on is the last."""
        ...

    def end_readers(
        self,
        readers: tuple[MetricReader, ...],
        begun: Mapping[MetricReader, Wait],
        deadline: float,
        patience: float,
    ) -> bool:
        """Serve no more, and end the readers; return whether each of them succeeded.

        Args:
            readers: All of them.
            begun: Those that are ending already, by threads of their own.
            deadline: Until when, on the monotonic clock.
            patience: Seconds for what must not take all of that time.
        """
        ...

    def end(self, timeout: float) -> None:
        """Release what is left, within so many seconds."""
        ...

    def after_fork(self) -> None:
        """Let go, in a forked child, of what is the parent's."""
        ...
