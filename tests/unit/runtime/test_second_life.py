"""configure() after shutdown(): what was made through OpenTelemetry's API measures again."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from opentelemetry import metrics as otel
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.metrics import _internal as api

import butterfly_otel
from butterfly_otel.runtime import global_provider
from tests.conftest import Measured
from tests.unit.engine.test_fork import in_child

#: How each synchronous kind is made and measured, and what one measurement shows.
_KINDS: dict[str, tuple[str, Callable[[Any], float]]] = {
    "counter": ("add", lambda point: point.value),
    "up_down_counter": ("add", lambda point: point.value),
    "gauge": ("set", lambda point: point.value),
    "histogram": ("record", lambda point: point.sum),
}
_MADE = ["before anything", "in the first life", "between two lives"]


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Let OpenTelemetry's API forget what waits for a provider: it would be in other tests."""
    proxy: Any = api._PROXY_METER_PROVIDER
    before = list(proxy._meters)
    yield
    proxy._meters = before


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("made", _MADE)
@pytest.mark.parametrize("engine", ["butterfly", "sdk"])
def test_an_instrument_measures_in_each_life_after_it_was_made(
    kind: str, made: str, engine: str, start: Callable[..., Measured]
) -> None:
    """As libraries do it: once, at import, for the whole process."""
    method, shown = _KINDS[kind]

    def make() -> Any:
        return getattr(otel.get_meter("shop"), f"create_{kind}")("orders")

    instrument = make() if made == "before anything" else None
    for life in range(3):
        measured = start(engine=engine)
        if instrument is None and made == "in the first life":
            instrument = make()
        if instrument is not None:
            getattr(instrument, method)(1, {"life": life})
            [point] = measured.points("orders")
            assert (shown(point), point.attributes) == (1, {"life": life})
        assert butterfly_otel.shutdown()
        if instrument is None:
            instrument = make()
        getattr(instrument, method)(100)  # measures nothing, and raises nothing
    assert instrument is not None


@pytest.mark.parametrize("made", _MADE)
def test_an_observable_is_asked_in_each_life_after_it_was_made(
    made: str, start: Callable[..., Measured]
) -> None:
    """Also where nobody holds the instrument, and by a generator that goes on."""

    def once(_options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(1)]

    def counting() -> Any:
        for value in range(1, 9):
            yield [Observation(value)]

    def make() -> None:
        meter = otel.get_meter("shop")
        meter.create_observable_counter("visits", [once])
        meter.create_observable_up_down_counter("baskets", [once])
        meter.create_observable_gauge("stock", [counting()])
        gc.collect()

    if made == "before anything":
        make()
    is_made = made == "before anything"
    stocks = []
    for _life in range(3):
        measured = start()
        if not is_made and made == "in the first life":
            make()
            is_made = True
        if is_made:
            data = measured.reader.get_metrics_data()
            values = {
                metric.name: [point.value for point in metric.data.data_points]
                for scope in data.resource_metrics[0].scope_metrics
                for metric in scope.metrics
            }
            assert (values["visits"], values["baskets"]) == ([1], [1])
            stocks += values["stock"]
        butterfly_otel.shutdown()
        if not is_made:
            make()
            is_made = True
    # No value of the generator is asked for in vain.
    assert stocks == sorted(set(stocks))


def test_a_meter_that_is_kept_makes_instruments_in_each_life(
    start: Callable[..., Measured],
) -> None:
    """Its name and version stay its own."""
    start()
    meter = otel.get_meter("shop", "1.2")
    butterfly_otel.shutdown()
    measured = start()
    meter.create_counter("orders").add(2)
    data = measured.reader.get_metrics_data()
    [scope] = [each for each in data.resource_metrics[0].scope_metrics if each.metrics]
    assert (scope.scope.name, scope.scope.version) == ("shop", "1.2")
    assert measured.value("orders") == 2


def test_the_contracts_own_meter_is_enforced_in_each_life(start: Callable[..., Measured]) -> None:
    """The gate is the current runtime's."""
    tokens = otel.get_meter("butterfly_otel").create_counter("butterfly_tokens_processed_total")
    for _ in range(2):
        measured = start()
        tokens.add(3, {"model": "m", "nonsense": "x"})
        assert list(measured.values("butterfly_tokens_processed_total").values()) == [3]
        butterfly_otel.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_what_was_made_in_the_parent_measures_in_a_child_that_configures(
    start: Callable[..., Measured],
) -> None:
    """Shut down in the parent, configured anew in the child."""
    orders = otel.get_meter("shop").create_counter("orders")
    start()
    orders.add(5)
    butterfly_otel.shutdown()

    def child() -> float | None:
        measured = start()
        orders.add(1)
        return measured.value("orders")

    assert in_child(child) == 1


def test_instruments_that_nobody_holds_are_forgotten(start: Callable[..., Measured]) -> None:
    """Else a program that asks for an instrument at each call would fill the memory."""
    start()
    gc.collect()
    delegates = global_provider._delegate._delegates
    before = len(delegates._living), len(delegates._kept)
    for _ in range(10):
        otel.get_meter("shop").create_counter("orders").add(1)
    gc.collect()
    assert (len(delegates._living), len(delegates._kept)) == before


def test_one_that_cannot_be_made_again_costs_no_other(
    start: Callable[..., Measured], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and measures nothing."""
    start()
    meter = otel.get_meter("shop")
    broken, whole = meter.create_counter("broken"), meter.create_counter("whole")
    butterfly_otel.shutdown()

    def fail(_provider: object) -> None:
        raise ValueError("no")

    broken.make = fail  # type: ignore[attr-defined]
    measured = start()
    broken.add(1)
    whole.add(1)
    assert measured.value("whole") == 1
    assert measured.points("broken") == []
    assert "could not be made again" in caplog.text


def test_a_measurement_costs_no_step_more(start: Callable[..., Measured]) -> None:
    """The method is the current instrument's own."""
    start()
    counter: Any = otel.get_meter("shop").create_counter("orders")
    assert counter.add.__self__ is counter.real
