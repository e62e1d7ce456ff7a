"""What stands behind a handle: a sink, which knows the target of each of its series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context

    #: Label values in the contract's order; ``None`` where the caller gave none.
    LabelValues = tuple[object, ...]


class Target(Protocol):
    """Where measurements of one series go.

    Attributes:
        ready: Whether it is a cell that may be measured in line: see ``engine/cells.py``.
    """

    @property
    def ready(self) -> bool:
        """Whether it may be measured in line."""
        ...

    def record(self, amount: float) -> None:
        """Check a value and measure it."""
        ...


class Breach(Protocol):
    """A reason why labels break the contract."""

    def tell(self, what: str) -> None:
        """Count one measurement, and log the first; in strict mode raise LabelError."""
        ...


class Reporting:
    """A target whose labels break the contract, which is told at each measurement.

    Args:
        target: Where measurements go.
        notes: What is wrong, and with which text.
    """

    __slots__ = ("_notes", "target")

    ready = False

    def __init__(self, target: Any, notes: Sequence[tuple[Breach, str]]) -> None:  # noqa: ANN401
        self.target = target
        self._notes = notes

    def tell(self) -> None:
        """Tell what is wrong once, without measuring.

        Raises:
            LabelError: In strict mode.
        """
        for breach, what in self._notes:
            breach.tell(what)

    def record(self, amount: float) -> None:
        """Tell what is wrong, and measure."""
        for breach, what in self._notes:
            breach.tell(what)
        self.target.record(amount)

    def record_within(self, amount: float, context: Context) -> None:
        """Tell what is wrong, and measure with a context of the caller's."""
        self.tell()
        self.target.record_within(amount, context)


class Sink(Protocol):
    """Where the measurements of one metric go while the SDK is configured."""

    def target(self, values: LabelValues) -> tuple[Target, bool]:
        """Check label values; return where measurements go, and whether that may be kept.

        What is kept has to be forgotten when the series ends, of which the handle is told.
        """
        ...

    def remove(self, values: LabelValues) -> None:
        """End the series with these label values."""
        ...


class _Nowhere:
    """Where measurements go while the SDK is not configured."""

    __slots__ = ()

    ready = False

    def record(self, amount: float) -> None:
        """Record nothing."""


NOWHERE: Final = _Nowhere()
