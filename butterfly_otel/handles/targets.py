"""What stands behind a handle: a sink, which knows the target of each of its series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
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


class Sink(Protocol):
    """Where the measurements of one metric go while the SDK is configured."""

    def target(self, values: LabelValues) -> tuple[Target, bool]:
        """Check label values; return where measurements go, and whether that may be kept."""
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
