"""Targets of instruments of the stock SDK, which has none, as our engine's instruments have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from butterfly_otel.handles.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context


class ApiTarget(Target, Protocol):
    """A target of OpenTelemetry's API, whose callers may have a context of their own."""

    def record_within(self, amount: float, context: Context) -> None:
        """Check a value and measure it with a context of the caller's."""
        ...


class Series(Protocol):
    """What finds the target of a series: an instrument of our engine, or :class:`Stock`."""

    def lead(self, attributes: dict[str, str], *, passing: bool = False) -> ApiTarget:
        """Return the target for attributes that were checked, or for one measurement of them."""
        ...


class Stock:
    """The series of an instrument of the stock SDK, which finds and checks nothing itself."""

    def __init__(
        self, measure: Callable[..., None], check: Callable[[object], float | None]
    ) -> None:
        self._measure = measure
        self._check = check

    def lead(self, attributes: dict[str, str], *, passing: bool = False) -> ApiTarget:
        """Return what measures with these attributes."""
        del passing
        return StockTarget(self._measure, self._check, attributes)


class StockTarget:
    """One series of an instrument of the stock SDK."""

    __slots__ = ("_attributes", "_check", "_measure")

    ready = False

    def __init__(
        self,
        measure: Callable[..., None],
        check: Callable[[object], float | None],
        attributes: Mapping[str, str],
    ) -> None:
        self._measure = measure
        self._check = check
        self._attributes = attributes

    def record(self, amount: float, context: Context | None = None) -> None:
        """Check a value and measure it."""
        checked = self._check(amount)
        if checked is not None:
            self._measure(checked, self._attributes, context)

    record_within = record
