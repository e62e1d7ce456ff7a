"""The provider, to which readers can be added, and what hands measurements to the readers."""
# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
import os
from threading import Lock
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics._internal import measurement_consumer
from opentelemetry.sdk.resources import Resource

from butterfly_otel.engine.older.streams import MetricReaderStorage
from butterfly_otel.engine.sdk_readers import introduce
from butterfly_otel.process.forks import call_in_child

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.metrics import ExemplarFilter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View

_logger = logging.getLogger("butterfly_otel")


class SynchronousMeasurementConsumer(measurement_consumer.SynchronousMeasurementConsumer):
    """What hands measurements to the readers, of which there may come more."""

    def __init__(self, sdk_config: Any, metric_readers: Iterable[Any]) -> None:  # noqa: ANN401
        # Before 1.43 the readers are in `sdk_config`.
        given: tuple[Any, ...] = () if hasattr(sdk_config, "metric_readers") else ((),)
        super().__init__(sdk_config, *given)
        self._reader_storages = {each: self._storage(each) for each in metric_readers}

    def _storage(self, reader: Any) -> MetricReaderStorage:  # noqa: ANN401
        return MetricReaderStorage(
            self._sdk_config,
            reader._instrument_class_temporality,
            reader._instrument_class_aggregation,
            getattr(reader, "_instrument_class_cardinality_limit", None),
        )

    def add_metric_reader(self, metric_reader: Any) -> None:  # noqa: ANN401
        """Register a reader; it sees what is measured from now on."""
        with self._lock:
            made = self._storage(metric_reader)
            self._reader_storages = {**self._reader_storages, metric_reader: made}

    def remove_metric_reader(self, metric_reader: Any) -> None:  # noqa: ANN401
        """Forget a reader."""
        with self._lock:
            known = self._reader_storages.items()
            self._reader_storages = {key: each for key, each in known if key is not metric_reader}


class MeterProvider(SdkMeterProvider):
    """The SDK's, with limits, to which readers can be added and which survives a fork."""

    def __init__(
        self,
        metric_readers: Sequence[MetricReader] = (),
        resource: Resource | None = None,
        exemplar_filter: ExemplarFilter | None = None,
        shutdown_on_exit: bool = True,  # noqa: FBT001, FBT002 - the SDK's signature
        views: Sequence[View] = (),
        **settings: Any,  # noqa: ANN401 - the SDK's private ones
    ) -> None:
        super().__init__((), resource, exemplar_filter, shutdown_on_exit, views, **settings)
        self._measurement_consumer = SynchronousMeasurementConsumer(self._sdk_config, ())
        for reader in metric_readers:
            if reader in self._all_metric_readers:
                msg = f"the reader {reader!r} is registered with another MeterProvider already"
                raise ValueError(msg)
            self.add_metric_reader(reader)
            introduce(reader, self)
        self._metric_readers = metric_readers
        if not hasattr(SdkMeterProvider, "_handle_fork"):
            call_in_child(self._handle_fork)

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        """Register a reader, which sees what is measured from now on."""
        with self._all_metric_readers_lock:
            if metric_reader in self._all_metric_readers:
                _logger.warning("MetricReader '%s' has been registered already!", metric_reader)
                return
            self._measurement_consumer.add_metric_reader(metric_reader)
            metric_reader._set_collect_callback(self._measurement_consumer.collect)  # type: ignore[arg-type]
            self._all_metric_readers.add(metric_reader)

    def remove_metric_reader(self, metric_reader: MetricReader) -> None:
        """Shut a reader down and forget it."""
        with self._all_metric_readers_lock:
            if metric_reader not in self._all_metric_readers:
                _logger.warning("MetricReader '%s' has not been registered!", metric_reader)
                return
            self._measurement_consumer.remove_metric_reader(metric_reader)
            metric_reader._set_collect_callback(None)
            metric_reader.shutdown()
            self._all_metric_readers.remove(metric_reader)

    @property
    def _metric_readers(self) -> Sequence[MetricReader]:
        """The readers to flush and shut down, which are in the settings before 1.43."""
        found: Sequence[MetricReader] = vars(self).get("_readers", ())
        return found

    @_metric_readers.setter
    def _metric_readers(self, readers: Sequence[MetricReader]) -> None:
        vars(self)["_readers"] = readers
        config: Any = self._sdk_config
        if hasattr(config, "metric_readers"):
            config.metric_readers = readers

    def _handle_fork(self) -> None:
        inherited = getattr(super(), "_handle_fork", None)
        if inherited is not None:
            inherited()
            return
        self._lock = Lock()
        self._meter_lock = Lock()
        type(self)._all_metric_readers_lock = Lock()
        config: Any = self._sdk_config
        if "process.pid" in config.resource.attributes:
            config.resource = config.resource.merge(Resource({"process.pid": os.getpid()}))
