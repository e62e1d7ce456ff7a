"""Flushing a provider's readers, believing what they answer."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.export import MetricReader


def flush_each(readers: Iterable[MetricReader], timeout_millis: float) -> bool:
    """Flush one reader after the other; return whether none of them says False.

    The SDK's own loop says True whatever a reader answers.

    Raises:
        Exception: When readers raised or had no time left, which is told after the others
            have had their turn; the class and words are the SDK's.
    """
    deadline = monotonic() + timeout_millis / 1000
    errors: list[str] = []
    succeeded = True
    for reader in readers:
        left = deadline - monotonic()
        try:
            if left <= 0:
                msg = "Timed out while flushing metric readers"
                raise TimeoutError(msg)  # noqa: TRY301 - told with the others
            succeeded = reader.force_flush(timeout_millis=left * 1000) is not False and succeeded
        except Exception as error:  # noqa: BLE001 - the other readers must have their turn
            errors.append(f"{type(reader).__name__}: {error!r}")
    if errors:
        msg = (
            "MeterProvider.force_flush failed because the following "
            "metric readers failed during collect:\n" + "\n".join(errors)
        )
        raise Exception(msg)  # noqa: TRY002 - as the SDK
    return succeeded


def shut_down_well(readers: Iterable[MetricReader]) -> bool:
    """Tell whether readers that were shut down say that they exported what was left."""
    return all(getattr(reader, "succeeded", True) for reader in readers)
