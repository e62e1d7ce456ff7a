"""What one round of a source found, made ready for being observed at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.metrics import Observation

from butterfly_otel.process.values import clean_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from butterfly_otel.collectors.source import Extension, Reading

_NOTHING: tuple[Observation, ...] = ()


class Snapshot(NamedTuple):
    """The observations of one round; never changed, only replaced.

    Attributes:
        finished: When the round ended, by the sampler's clock.
        series: Observations by metric.
    """

    finished: float
    series: Mapping[str, tuple[Observation, ...]]

    def of(self, metric: str) -> tuple[Observation, ...]:
        """Return the observations of one metric."""
        return self.series.get(metric, _NOTHING)


def prepare(
    readings: Iterable[Reading], metrics: AbstractSet[str], extensions: Mapping[str, Extension]
) -> tuple[dict[str, tuple[Observation, ...]], str]:
    """Return observations by metric, and a sentence on what had to be left out, or nothing.

    Values and labels of the catalogue's metrics are checked by the guard, at collection;
    what is outside the catalogue has no guard, so its values are checked here.
    """
    series: dict[str, list[Observation]] = {}
    refused: dict[str, str] = {}
    for metric, value, labels in readings:
        extension = extensions.get(metric)
        if extension is not None:
            cleaned = clean_value(value, negative_allowed=extension.kind != "observable_counter")
            if isinstance(cleaned, str):
                what = cleaned.replace("_", " ")
                # Without the value, which may be another each time: this is logged once.
                refused[metric] = f"it yielded for {metric} what is {what}"
                continue
            value = cleaned  # noqa: PLW2901 - a Decimal, say, as a number that can be exported
        elif metric not in metrics:
            refused[metric] = f"it yielded {metric}, which is not among its metrics"
            continue
        series.setdefault(metric, []).append(Observation(value, dict(labels)))
    found = {metric: tuple(observations) for metric, observations in series.items()}
    return found, "; ".join(refused.values())
