"""The SDK's own streams, for what cells can't serve: exponential histograms, for one."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.exponential import mend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import AggregationTemporality


class StockStream(sdk.ViewInstrumentMatch):
    """A stream of the SDK's, which can be measured while its own thread is inside it.

    What a finalizer or a signal handler measures meanwhile waits until the thread is through,
    since the SDK's locks can't be taken again and what is under them is half changed.
    """

    def __init__(self, failed: Callable[[str, Exception], None], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._failed = failed
        self._turn = RLock()
        # Whether the thread that has the turn is inside.
        self._inside = False
        self._later: deque[tuple[sdk.Measurement, bool]] = deque()

    def consume_measurement(
        self,
        measurement: sdk.Measurement,
        should_sample_exemplar: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> None:
        """Take a measurement, if need be later."""
        with self._turn:
            self._later.append((measurement, should_sample_exemplar))
            self._catch_up()

    def collect(
        self,
        collection_aggregation_temporality: AggregationTemporality,
        collection_start_nanos: int,
    ) -> Sequence[Any] | None:
        """Return the points; what is measured meanwhile belongs to the next collection.

        None where the SDK fails: that costs no other stream.
        """
        with self._turn:
            self._inside = True
            try:
                for series in tuple(cast("dict[Any, Any]", self._attributes_aggregation).values()):
                    mend(series)
                return super().collect(collection_aggregation_temporality, collection_start_nanos)
            except Exception as error:  # noqa: BLE001 - whatever is wrong inside the SDK
                self._failed(self._name, error)
                return None
            finally:
                self._inside = False
                self._catch_up()

    def restart(self) -> None:
        """Forget everything, in a forked child, where the locks may be held by no one."""
        self._turn = RLock()
        self._inside = False
        self._later.clear()
        sdk.restart_match(self)

    def _catch_up(self) -> None:
        # Again where something came in after the last look: nobody else takes it then.
        while self._later and not self._inside:
            self._inside = True
            try:
                super().consume_measurement(*self._later.popleft())
            finally:
                self._inside = False
