"""Flushing and ending several readers within one deadline."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.metrics.export import MetricReader

    from butterfly_otel.exporters.push import Wait

    Action = Literal["force_flush", "shutdown"]

_logger = logging.getLogger("butterfly_otel")


def begin(readers: Sequence[MetricReader], action: Action) -> dict[MetricReader, Wait]:
    """Begin with the readers of ours that push, on threads of their own.

    So a receiver that hangs takes no time from the others.
    """
    from butterfly_otel.exporters.push import PushMetricReader  # noqa: PLC0415 - not to start

    return {
        reader: reader.begin_shutdown() if action == "shutdown" else reader.begin_force_flush()
        for reader in readers
        if isinstance(reader, PushMetricReader)
    }


def each_reader(
    readers: Sequence[MetricReader],
    action: Action,
    deadline: float,
    begun: Mapping[MetricReader, Wait] | None = None,
) -> bool:
    """Flush or shut down each reader until ``deadline``; never raises.

    Args:
        readers: In any order; those that have begun are waited for last.
        action: What is done.
        deadline: By the monotonic clock.
        begun: What :func:`begin` has returned, where that was called before.

    Returns:
        Whether every reader succeeded in time.
    """
    waits = begin(readers, action) if begun is None else begun
    succeeded = True
    for reader in sorted(readers, key=waits.__contains__):
        left = max(0.0, deadline - monotonic())
        try:
            wait = waits.get(reader)
            result = wait(left) if wait else getattr(reader, action)(timeout_millis=left * 1000)
        except Exception as error:  # noqa: BLE001 - the other readers must have their turn
            _logger.warning("%s of %s failed: %r", action, type(reader).__name__, error)
            result = False
        succeeded = succeeded and result is not False
    return succeeded
