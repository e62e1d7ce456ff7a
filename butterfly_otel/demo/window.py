"""The last seconds of the simulation in numbers, for those who watch it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from butterfly_otel.demo.world import DT

if TYPE_CHECKING:
    from butterfly_otel.demo.cluster import Cluster
    from butterfly_otel.demo.step import Step

_SECONDS, _NOTES, _HISTORY = 30, 50, 120


@dataclass(frozen=True, slots=True)
class _Second:
    succeeded: int
    failed: int
    seconds: list[float]
    tokens: Counter[str]
    sent: int


@dataclass(slots=True)
class Window:
    """Rates, ratios and quantiles over the last simulated seconds.

    Attributes:
        notes: What happened lately, with the simulated time, oldest first.
        told: How many notes there have been since the start.
        history: Tokens a second, oldest first.
    """

    notes: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_NOTES))
    told: int = 0
    history: deque[float] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    _seconds: deque[_Second] = field(default_factory=lambda: deque(maxlen=_SECONDS))

    def add(self, step: Step) -> None:
        """Take in a step."""
        tokens: Counter[str] = Counter()
        for (model, _node), count in step.tokens.items():
            tokens[model] += count
        durations = [
            seconds
            for role, method, seconds in step.request_seconds
            if (role, method) == ("coordinator", "inference")
        ]
        self._seconds.append(
            _Second(
                step.requests["coordinator", "inference", "success"],
                step.requests["coordinator", "inference", "error"],
                durations,
                tokens,
                sum(step.bytes_sent.values()),
            )
        )
        self.history.append(tokens.total())
        for note in step.notes:
            self.tell(step.clock, note)

    def tell(self, clock: float, note: str) -> None:
        """Take in something that a person watching should be told."""
        self.told += 1
        self.notes.append((clock, note))

    @property
    def request_rate(self) -> float:
        """Inference requests that ended, a second."""
        return self._rate(sum(each.succeeded + each.failed for each in self._seconds))

    @property
    def error_ratio(self) -> float:
        """Share of them that failed."""
        failed = sum(each.failed for each in self._seconds)
        return failed / max(1, failed + sum(each.succeeded for each in self._seconds))

    @property
    def token_rate(self) -> float:
        """Tokens a second."""
        return self._rate(sum(each.tokens.total() for each in self._seconds))

    @property
    def token_rates(self) -> dict[str, float]:
        """Tokens a second, by model."""
        together: Counter[str] = Counter()
        for each in self._seconds:
            together.update(each.tokens)
        return {model: self._rate(count) for model, count in sorted(together.items())}

    @property
    def bytes_rate(self) -> float:
        """Bytes a second that all nodes sent."""
        return self._rate(sum(each.sent for each in self._seconds))

    def latency(self, quantile: float) -> float:
        """Return a quantile of the duration of inference requests, in seconds."""
        durations = sorted(value for each in self._seconds for value in each.seconds)
        if not durations:
            return 0.0
        return durations[min(len(durations) - 1, int(len(durations) * quantile))]

    def _rate(self, total: float) -> float:
        return total / (DT * max(1, len(self._seconds)))


@dataclass(slots=True)
class Status:
    """Everything a view may show.

    Attributes:
        cluster: The simulation.
        window: Its last seconds.
        seed: What it follows from.
        speed: Simulated seconds a second that were asked for.
        endpoint: Where metrics are served; None where they are not.
        page: Where people see them; None where there is no page.
        addresses: What else can be visited, by name.
        warnings: What the user should know.
        reached: Simulated seconds a second that are reached.
    """

    cluster: Cluster
    window: Window
    seed: int
    speed: float
    endpoint: str | None = None
    page: str | None = None
    addresses: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    reached: float = 0.0


def time_text(seconds: float) -> str:
    """Return simulated time as a clock shows it.

    >>> time_text(3725)
    '01:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"
