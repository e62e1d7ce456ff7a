"""Whether the engine can be used with the installed SDK, found out once and told once."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, Meter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from butterfly_otel.engine import sdk_names
from butterfly_otel.engine.sdk_internals import limited_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.metrics import MeterProvider

    #: Makes a provider that measures by cells, whether it can or not.
    Make = Callable[..., MeterProvider]

_logger = logging.getLogger("butterfly_otel")

#: What is different, as far as it was told.
_told: set[str] = set()

#: What the trial's instruments must export: value, or count and sum, by name and label.
_EXPECTED: Final[dict[tuple[str, str | None], Any]] = {
    ("trial_counter", "x"): 3,
    ("trial_gauge", "x"): 2.5,
    ("trial_histogram", "x"): (2, 5.0),
    ("trial_limited", "x"): 1,
    ("trial_limited", None): 2,
    ("trial_observed", "x"): 7,
    ("trial_up_down_counter", "x"): -1,
}


@cache
def fit(make: Make) -> bool:
    """Tell whether the engine can be used; the first time, log why not.

    Where every name is there a small trial is made as well: a name may mean something else.
    """
    names = sdk_names.missing(sdk_names.BUILT_ON)
    faults = [f"{each.owner}.{each.name} is not there" for each in names if not each.without]
    if not faults:
        try:
            found = _trial(make)
        except Exception as error:  # noqa: BLE001 - another SDK may do anything
            faults = [f"a trial measurement raised {error!r}"]
        else:
            wrong = {key[0] for key, value in _EXPECTED.items() if found.get(key) != value}
            faults = [f"a trial measurement of {name} was wrong" for name in sorted(wrong)]
    tell(faults)
    return not faults


def _trial(make: Make) -> dict[tuple[str, str | None], Any]:
    """Measure with each kind of instrument, twice with a limit of 1, and return the points."""
    reader = InMemoryMetricReader()
    provider = make(
        [reader],
        Resource.get_empty(),
        exemplar_filter=AlwaysOffExemplarFilter(),
        shutdown_on_exit=False,
        views=[limited_view(1, instrument_name="trial_limited")],
    )
    meter, x = provider.get_meter("trial"), {"label": "x"}
    counter = meter.create_counter("trial_counter")
    limited = meter.create_counter("trial_limited")
    histogram = meter.create_histogram("trial_histogram")

    def observe(_options: CallbackOptions) -> list[Observation]:
        return [Observation(7, x)]

    meter.create_observable_counter("trial_observed", [observe])
    meter.create_up_down_counter("trial_up_down_counter").add(-1, x)
    meter.create_gauge("trial_gauge").set(2.5, x)
    counter.add(1, x)
    histogram.record(1.0, x)
    reader.get_metrics_data()
    counter.add(2, x)
    histogram.record(4.0, x)
    limited.add(1, x)
    limited.add(2, {"label": "y"})
    # Otherwise OTEL_SDK_DISABLED: nothing is measured, and nothing wrong.
    found = dict(_points(reader)) if isinstance(meter, Meter) else dict(_EXPECTED)
    provider.shutdown()
    return found


def _points(reader: InMemoryMetricReader) -> Iterator[tuple[tuple[str, str | None], Any]]:
    data: Any = reader.get_metrics_data()
    for scope in data.resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            for point in metric.data.data_points:
                value = (point.count, point.sum) if hasattr(point, "count") else point.value
                yield (metric.name, point.attributes.get("label")), value


def tell(faults: Sequence[str] = ()) -> None:
    """Log, once, why the engine can't be used and what else is different with this SDK."""
    missing = sdk_names.missing(sdk_names.BUILT_ON)
    parts = {each.without: f"{each.owner}.{each.name}" for each in missing if each.without}
    parts = {without: name for without, name in parts.items() if without not in _told}
    _told.update(parts)
    if not faults and not parts:
        return
    told = [f"{without} ({name} is not there)" for without, name in parts.items()]
    if faults:
        told.insert(
            0,
            "the stock engine measures, as with engine='sdk', slower and without time_to_live"
            f" ({', '.join(faults)})",
        )
    _logger.warning(
        "opentelemetry-sdk %s is not one that butterfly-otel knows: %s. Names, labels and"
        " exposition are exact all the same; install a release of butterfly-otel that knows it,"
        " or an opentelemetry-sdk that this one knows",
        _release(),
        "; ".join(told),
    )


def _release() -> str:
    # Imports a lot, and only for what is told of an unknown release.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("opentelemetry-sdk")
    except PackageNotFoundError:
        return "of unknown version"
