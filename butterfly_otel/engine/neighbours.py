"""What a table needs of those above it: its instrument, and the readers' streams that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.engine import sdk_internals as sdk
    from butterfly_otel.engine.cells import Cell, Sample


class Kind(NamedTuple):
    """What readers have to agree on to share a table.

    Attributes:
        view: The View; the very same one.
        made: The class of the cells.
        bounds: Bucket boundaries of a histogram.
        limit: The cardinality limit.
        cumulative: Whether series go on between collections. Those that don't are never shared.
        time_to_live: Seconds after which a series that is not measured leaves.
    """

    view: View
    made: type[Cell]
    bounds: tuple[float, ...]
    limit: int
    cumulative: bool
    time_to_live: float | None


class Target(Protocol):
    """Where measurements of one set of attributes go: a cell, or whatever stands for several."""

    def record(self, amount: float) -> None:
        """Measure a value."""
        ...

    def record_within(self, amount: float, context: Context) -> None:
        """Measure a value with a context of the caller's."""
        ...


class Owner(Protocol):
    """What a table needs of its instrument.

    Attributes:
        non_negative: Whether negative values are refused.
        in_line: The cells that it measures in line.
        exemplary: Whether a measurement in a sampled span may become an exemplar.
    """

    non_negative: bool
    exemplary: bool
    in_line: ClassVar[type[Cell]]

    def find(self, attributes: Any) -> Target:  # noqa: ANN401 - OpenTelemetry's Attributes
        """Return where measurements with these attributes go now."""
        ...

    def take(self, cell: Cell, amount: object, context: Context | None = None) -> None:
        """Check a value and measure it by the one cell there is for it."""
        ...


class Reader(Protocol):
    """What a table needs of the stream by which a reader sees it."""

    @property
    def previous_collection(self) -> int | None:
        """When a delta was last collected, in nanoseconds since the epoch."""
        ...

    def enlist(self) -> None:
        """Let the reader collect the instrument from now on."""
        ...

    def offer(self, cell: Cell, measurement: sdk.Measurement) -> None:
        """Offer a measurement to the cell's exemplar reservoir."""
        ...

    def keeper(self, cell: Cell) -> Callable[[Sample], None]:
        """Return what offers a sample of the current context to the cell's reservoir."""
        ...

    def forget(self, cell: Cell) -> None:
        """Forget a series' exemplars."""
        ...
