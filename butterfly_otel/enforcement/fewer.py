"""Handles of a contract that narrows a metric: they know fewer labels than its owner's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.enforcement.guarded import Synchronous
    from butterfly_otel.handles.handles import SynchronousHandle
    from butterfly_otel.handles.targets import LabelValues, Target


class Fewer:
    """Stands between such a handle and the instrument, which wants a value for each label.

    Thread-safe. A label that the handle does not know has no value, or its default.

    Args:
        handle: The handle, which is told of series that end.
        guarded: The instrument.
    """

    def __init__(self, handle: SynchronousHandle, guarded: Synchronous) -> None:
        keys = handle.metric.label_keys
        self._handle = handle
        self._guarded = guarded
        self._places = tuple(
            keys.index(key) if key in keys else None for key in guarded.stream.metric.label_keys
        )

    def target(self, values: LabelValues) -> tuple[Target, bool]:
        """Return where measurements of label values go, and whether that may be kept."""
        return self._guarded.target(self._whole(values))

    def remove(self, values: LabelValues) -> None:
        """End the series with these label values."""
        self._guarded.remove(self._whole(values))

    def forget(self, spellings: Sequence[LabelValues]) -> None:
        """Forget all, since what leads to a series is spelled otherwise here."""
        del spellings
        self._handle.invalidate()

    def invalidate(self) -> None:
        """Forget every series."""
        self._handle.invalidate()

    def _whole(self, values: LabelValues) -> LabelValues:
        return tuple(None if at is None else values[at] for at in self._places)
