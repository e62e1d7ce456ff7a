"""Pieces of PromQL, under the options that rules are generated for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butterfly_otel.operate.rules.options import Options

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1.0), ("ms", 0.001))
#: No rate looks at less than this many scrapes: one may be late, one may fail, two are needed.
_SCRAPES = 4


def duration(seconds: float) -> str:
    """Return seconds as Prometheus writes them, in the largest unit that is exact.

    >>> duration(90), duration(7200), duration(604800), duration(1.5)
    ('90s', '2h', '7d', '1500ms')
    """
    thousandths = max(1, round(seconds * 1000))
    for unit, size in _UNITS:
        count, rest = divmod(thousandths, round(size * 1000))
        if count and not rest:
            return f"{count}{unit}"
    raise AssertionError(seconds)  # a millisecond divides everything


def number(value: float) -> str:
    """Return a number as PromQL reads it back."""
    return f"{value:.12g}"


@dataclass(frozen=True, slots=True)
class Promql:
    """Writes selectors and windows.

    Attributes:
        options: For whom.
    """

    options: Options

    def series(self, name: str, *matchers: str) -> str:
        """Return a selector of raw series; an empty name matches by ``matchers`` alone."""
        return _selector(name, (*matchers, *self.options.selector))

    def recorded(self, name: str, *matchers: str) -> str:
        """Return a selector of what our own rules record, which have the extra labels."""
        extra = (f"{key}={json.dumps(value)}" for key, value in self.options.extra_labels)
        return _selector(name, (*matchers, *extra))

    def of_jobs(self, name: str) -> str:
        """Return a selector of a series that every target of Butterfly's has."""
        return self.series(name, f"job=~{json.dumps(self.options.jobs)}")

    def fold(self, how: str, *labels: str) -> str:
        """Return an aggregation up to its parenthesis, by labels and those that split clusters."""
        kept = (*self.options.by, *labels)
        return f"{how} by ({', '.join(kept)}) " if kept else how

    def on(self, *labels: str) -> str:
        """Return how two sides match: by labels, within one cluster."""
        return f"on ({', '.join((*self.options.by, *labels))})"

    def alive(self) -> str:
        """Return what there is of any target that reports: pushed ones have target_info alone."""
        return f"{self.of_jobs('up')} == 1 or {self.of_jobs('target_info')}"

    def asked(self, how: str, series: str) -> str:
        """Return what a template asks Prometheus: of the cluster that the alert is about."""
        if not self.options.by:
            return f"query `{how}({series})`"
        name, _, matchers = series.partition("{")
        own = ", ".join([*(f"{each}=%q" for each in self.options.by), *matchers[:-1].split(", ")])
        own = own.removesuffix(", ")
        values = " ".join(f"$labels.{each}" for each in self.options.by)
        return f"printf `{how}({name}{{{own}}})` {values} | query"

    def missing(self, name: str) -> str:
        """Return one series for each cluster that has targets and no series of a metric."""
        series = self.series(name)
        if not self.options.by:
            return f"absent({series})"
        some, on = self.fold("group"), self.on()
        return f"({some}({self.alive()}) unless {on} {series})"

    def gone(self, alive: str, seconds: float) -> str:
        """Return one series where nothing is alive: nothing at all, or nothing of a cluster.

        Of a cluster it is known by what there was of it within ``seconds``.
        """
        if not self.options.by:
            return f"absent({alive})"
        window = self.window(seconds)
        before = " or ".join(
            f"last_over_time({self.of_jobs(name)}[{window}])" for name in ("up", "target_info")
        )
        return (
            f"(\n  {self.fold('group')}({before})\n  unless {self.on()}\n  ({alive})\n)\n"
            f"or on ()\nabsent({alive})"
        )

    def constant(self, value: float) -> str:
        """Return a number, once for each cluster that has a target."""
        if not self.options.by:
            return f"vector({number(value)})"
        targets = f"{self.of_jobs('up')} or {self.of_jobs('target_info')}"
        return f"0 * {self.fold('group')}({targets}) + {number(value)}"

    def window(self, seconds: float) -> str:
        """Return a window, at least a few scrapes long."""
        return duration(self._window(seconds))

    def _window(self, seconds: float) -> float:
        shortest = _SCRAPES * self.options.scrape_interval
        return max(seconds / self.options.speed, shortest)

    def after(self, seconds: float) -> float:
        """Return the seconds of a ``for``."""
        return seconds / self.options.speed

    def outlasting(self, seconds: float, window: float) -> float:
        """Return the seconds of a ``for`` that is no shorter than a window.

        What happened once is seen for less than a window, so it alone fires nothing.
        """
        return max(self.after(seconds), self._window(window))

    def rate(self, name: str, seconds: float, *matchers: str) -> str:
        """Return the rate of a counter over a window."""
        return f"rate({self.series(name, *matchers)}[{self.window(seconds)}])"

    def byte_rate(self, name: str, seconds: float) -> str:
        """Return the rate of a counter whose name lacks ``_total``.

        A receiver of OTLP at its default setting appends it. ``or`` takes either, and one
        where both are there; a matcher on the name would fail on that.
        """
        return f"({self.rate(name, seconds)} or {self.rate(f'{name}_total', seconds)})"

    def grown(self, name: str, seconds: float) -> str:
        """Return by how much counters grew over a window, where they did.

        A series that is born with a value is seen by no ``increase()``. It counts where its
        target was there shortly before: of a new target nobody knows when it was counted. A
        target is known by ``up``, or by ``target_info`` where it pushes.
        """
        series, window = self.series(name), self.window(seconds)
        before, on = self.window(MINUTE), self.on("job", "instance")
        up, pushed = self.series("up"), self.series("target_info")
        known = f"({up} offset {before} == 1 or {on} {pushed} offset {before})"
        born = f"({series} unless {series} offset {before}) and {on} {known}"
        step = duration(self.options.scrape_interval)
        return (
            f"(\n    (increase({series}[{window}]) > 0)\n  or\n"
            f"    (max_over_time(({born})[{window}:{step}]) > 0)\n)"
        )


def _selector(name: str, matchers: tuple[str, ...]) -> str:
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name


def le(bound: float) -> str:
    """Return a matcher of a bucket's boundary in every spelling.

    Prometheus 3 writes ``5.0``, as OpenMetrics does; what comes by OTLP keeps ``5``.
    """
    plain = f"{bound:g}".replace(".", r"\\.")
    return f'le="{bound:g}"' if bound != int(bound) else rf'le=~"{plain}|{plain}\\.0"'
