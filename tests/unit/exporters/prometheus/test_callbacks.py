"""Callbacks that hang or raise, and streams that fail: the rest of the page comes, in time."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from prometheus_client import CollectorRegistry, Counter

from butterfly_otel.engine import MeterProvider, sdk_internals
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from tests.unit.exporters.prometheus.support import OPENMETRICS, parse_text, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Seconds that nothing here ever takes.
LONG = 30.0
#: A time that is up soon.
SHORT = 1.0


class Pull:
    """Our engine's provider and a reader."""

    def __init__(self, **options: Any) -> None:
        self.registry = CollectorRegistry()
        self.reader = PrometheusMetricReader(registry=self.registry, scope_info_enabled=False)
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False, **options)
        self.meter = self.provider.get_meter("test")

    def shown(self, timeout: float = LONG) -> set[str]:
        """Scrape; return the families but target_info."""
        return set(parse_text(self.reader.render(timeout=timeout)[1])) - {"target_info"}


@pytest.fixture
def pull() -> Iterator[Callable[..., Pull]]:
    """Return a function that makes a provider."""
    made: list[Pull] = []

    def make(**options: Any) -> Pull:
        made.append(Pull(**options))
        return made[-1]

    yield make
    for each in made:
        each.provider.shutdown()


class Hanging:
    """A callback that does not end until it is let go."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Event()
        self.asked = 0

    def __call__(self, _: CallbackOptions) -> Iterable[Observation]:
        self.asked += 1
        self.entered.set()
        self.release.wait(LONG)
        yield Observation(100)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Return a callback that hangs; it is let go in the end."""
    callback = Hanging()
    yield callback
    callback.release.set()


def quick(_: CallbackOptions) -> Iterable[Observation]:
    """Observe at once."""
    return [Observation(1)]


def test_a_callback_that_hangs_costs_its_own_metric_alone(
    pull: Callable[..., Pull], hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything else is on the page, callbacks behind it among them, and it says what is not."""
    done = pull()
    done.meter.create_observable_gauge("before", [quick])
    done.meter.create_observable_counter("slow", [quick, hanging])
    done.meter.create_observable_gauge("behind", [quick])
    done.meter.create_counter("calls").add(1)
    Counter("theirs", "T", registry=done.registry).inc()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert done.shown(SHORT) == {"before", "behind", "calls", "theirs", "theirs_created"}
    assert hanging.asked == 1
    assert done.reader.omissions == {"slow_callback": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "Metric slow is not exposed: its callback did not end in time"
    ]
    hanging.release.set()
    shown = samples(parse_text(done.reader.render(timeout=LONG)[1])["slow"])
    # Nothing is doubled by what came too late.
    assert shown == {("slow_total", ()): 101}


def test_instruments_can_be_created_while_a_callback_hangs(
    pull: Callable[..., Pull], hanging: Hanging
) -> None:
    """A scrape that waits for a callback holds no lock that creating needs."""
    done = pull()
    done.meter.create_observable_gauge("slow", [hanging])
    scrape = threading.Thread(target=done.reader.render, kwargs={"timeout": LONG})
    scrape.start()
    assert hanging.entered.wait(LONG)

    def create() -> None:
        done.meter.create_observable_gauge("other", [quick])
        done.meter.create_counter("calls").add(1)
        done.provider.get_meter("new").create_histogram("seconds").record(1)
        done.provider.add_metric_reader(PrometheusMetricReader(registry=CollectorRegistry()))

    creating = threading.Thread(target=create, daemon=True)
    creating.start()
    creating.join(LONG / 2)
    assert not creating.is_alive()
    hanging.release.set()
    scrape.join()
    assert done.shown() == {"slow", "other", "calls", "seconds"}


@pytest.mark.parametrize(
    "error",
    [SystemExit(1), asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_exception_ends_no_scrape(
    pull: Callable[..., Pull], error: BaseException
) -> None:
    """A callback that ends by a BaseException is left out, and the next scrape is right."""
    done = pull()
    fails = [True]

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(60)
        if fails:
            raise error
        yield Observation(40)

    done.meter.create_observable_counter("seen", [observe])
    done.meter.create_observable_gauge("behind", [quick])
    assert done.shown() == {"behind"}
    assert done.shown() == {"behind"}
    assert done.reader.omissions == {"failed_callback": 2}
    fails.clear()
    shown = samples(parse_text(done.reader.render()[1])["seen"])
    assert shown == {("seen_total", ()): 100}


def test_a_stream_that_fails_costs_no_other(
    pull: Callable[..., Pull], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong in one of the SDK's own streams, the others are exposed."""

    def fail(*_: object) -> None:
        raise ValueError("Incorrect merge scale")

    monkeypatch.setattr(sdk_internals.ViewInstrumentMatch, "collect", fail)
    view = View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation())
    done = pull(views=[view])
    done.meter.create_histogram("e").record(1)
    done.meter.create_counter("calls").add(1)
    assert done.shown() == {"calls"}
    assert done.shown() == {"calls"}
    assert done.reader.omissions == {"broken_metric": 2}
    assert done.reader.problems == {"broken_metric": 1}


def test_collecting_after_shutdown_shows_nothing(pull: Callable[..., Pull]) -> None:
    """Nothing of ours is collected any more, whoever asks."""
    done = pull()
    done.meter.create_counter("calls").add(1)
    done.meter.create_observable_gauge("seen", [quick])
    collector = done.reader._families
    done.provider.shutdown()
    done.reader.collect()
    for accept in (None, OPENMETRICS):
        assert done.reader.render(accept)[1] in {b"", b"# EOF\n"}
    assert list(collector.collect()) == []
