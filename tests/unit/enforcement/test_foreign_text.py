"""Names and texts of others: what is kept of them, and how they come into the log."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.metrics import get_meter

from butterfly_otel import MeasurementError, metrics
from butterfly_otel.process import contain, logs
from butterfly_otel.process.values import shown

Start = Callable[..., Any]
FORGED = "1\n2030-01-01 CRITICAL all is lost\r\x1b[2J\x00\x85\u2028\u202e end"


class Forging:
    """A value that writes log lines of its own."""

    def __repr__(self) -> str:
        return FORGED


class Raising:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError


class ForgingError(Exception):
    """An exception that does the same."""

    def __repr__(self) -> str:
        return FORGED

    __str__ = __repr__


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, each record's line."""
    return [record.getMessage() for record in caplog.records]


def test_a_value_is_shown_in_one_line() -> None:
    """Line breaks, codes of terminals and marks nobody sees are escaped; what fails has a name."""
    text = shown(Forging())
    assert text.isprintable()
    assert text.startswith(r"1\n2030-01-01 CRITICAL all is lost\r\x1b[2J\x00\x85\u2028")
    assert len(text) <= 80
    assert shown(Raising()) == "<Raising>"
    assert shown("ä 中 €") == "'ä 中 €'"


def test_what_strict_mode_raises_is_one_line(start: Start) -> None:
    """An error's sentence quotes a value as the log does."""
    start(strict=True)
    with pytest.raises(MeasurementError) as raised:
        metrics.checkpoint_size_bytes.record(Forging(), checkpoint_id="c")  # type: ignore[arg-type]
    assert str(raised.value).isprintable()


def test_whatever_is_measured_is_logged_in_one_line(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Values, labels, attributes, callbacks and names of somebody else's making."""
    measured = start()
    forging: Any = Forging()

    def failing() -> float:
        raise ForgingError

    metrics.checkpoint_size_bytes.record(forging, checkpoint_id="c")
    metrics.checkpoint_size_bytes.record(1, checkpoint_id=forging)
    metrics.requests_total.add(1, method=forging, status=forging)
    meter = get_meter("butterfly_otel")
    counter = meter.create_counter("butterfly_requests_total")
    counter.add(1, {FORGED: 1, forging: 2})
    counter.add(1, forging)
    meter.create_counter(FORGED)
    own = get_meter("own").create_counter("own")
    own.add(forging)
    own.add(1, forging)
    contain.ask(failing, forging)
    contain.attempt(failing)
    with metrics.consensus_term.observe(failing):
        measured.points("butterfly_consensus_term")
    assert len(messages(caplog)) >= 6
    assert [each for each in messages(caplog) if not each.isprintable()] == []


def test_every_record_of_ours_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Wherever it is logged, a record that would be several lines is escaped, and no other."""
    logger = logging.getLogger("butterfly_otel")
    logger.warning("50%% of %s", "all")
    logger.warning("50%% of %r\n%s", Forging(), "100%")
    logger.warning("of %r", Raising())
    logger.warning("of %d", "x")
    whole, escaped, *unshown = messages(caplog)
    assert (whole, caplog.records[0].args) == ("50% of all", ("all",))
    assert escaped.startswith(r"50% of 1\n2030")
    assert escaped.endswith(r"\n100%")
    assert unshown == [
        "of %r (which can't be shown: ValueError)",
        "of %d (which can't be shown: TypeError)",
    ]
    assert any(isinstance(each, logs.OneLine) for each in logger.filters)


def test_names_asked_of_our_meter_are_not_kept(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Of names made up anew for ever only the first are logged; the others leave nothing."""
    start()
    meter = get_meter("butterfly_otel")

    def ask(names: range) -> None:
        for number in names:
            meter.create_counter(f"made_up_{number}").add(1)
            meter.create_gauge(f"made_up_{number}")
            meter.create_observable_gauge(f"made_up_{number}")

    ask(range(200))
    told = len(caplog.records)
    assert told == 100
    tracemalloc.start()
    try:
        ask(range(200, 300))
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        ask(range(300, 3300))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000
    assert len(caplog.records) == told


def test_what_is_logged_once_is_not_remembered_without_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages that are new each time are told as far as they are remembered."""
    monkeypatch.setattr(contain, "_logged", set[str]())
    for number in range(1100):
        contain.log_once(f"problem {number}")
    assert len(caplog.records) == len(contain._logged) == 1000
