"""``request`` on functions, coroutines and blocks: what is counted, as what, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import butterfly_otel
from butterfly_otel import ConfigurationError, LabelError, arg, metrics, request
from butterfly_otel.process import contain
from tests.unit.decorators.conftest import Red

Start = Callable[..., Any]


class InvalidProof(Exception):  # noqa: N818 - not every exception is named an error
    """What only this service raises."""


@request(method="inference")
def plain(error: BaseException | None = None) -> str:
    """Return, or raise what is given."""
    if error is not None:
        raise error
    return "done"


@request(method="inference")
async def coroutine(error: BaseException | None = None) -> str:
    """Return, or raise what is given, after having been suspended."""
    await asyncio.sleep(0)
    if error is not None:
        raise error
    return "done"


@request(method="inference")
def stream_of_two() -> Any:
    """Yield twice."""
    yield 1
    yield 2


def awaited(error: BaseException | None = None) -> str:
    """Call the coroutine to its end."""
    return asyncio.run(coroutine(error))


both = pytest.mark.parametrize("call", [plain, awaited])


@both
def test_a_success_is_counted_timed_and_left(red: Red, call: Callable[..., str]) -> None:
    """One call is one success and one duration; nothing stays in flight and nothing failed."""
    assert call() == "done"
    assert (red.ok, red.failed, red.in_flight, red.timed) == (1, 0, 0, 1)
    assert red.errors == {}


@both
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (MemoryError(), "oom"),
        (ConnectionResetError(), "network_error"),
        (ValueError(), "value_error"),
        (GeneratorExit(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
def test_an_exception_is_an_error_of_its_type(
    red: Red, call: Callable[..., str], error: BaseException, kind: str
) -> None:
    """Whatever is raised reaches the caller, is counted once, and leaves nothing in flight."""
    with pytest.raises(type(error)) as caught:
        call(error)
    assert caught.value is error or isinstance(error, asyncio.CancelledError)
    assert (red.ok, red.failed, red.in_flight, red.timed) == (0, 1, 0, 1)
    assert red.errors == {kind: 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interruption_is_counted_and_not_held_up(red: Red, error: BaseException) -> None:
    """What ends the process is classified too, and goes on."""
    with pytest.raises(type(error)):
        plain(error)
    assert (red.in_flight, red.errors) == (0, {"interrupted": 1})


def test_the_seconds_are_those_of_the_call(red: Red, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is read at the start and at the end: one second apart in this test."""
    ticks = iter((10.0, 12.5))
    monkeypatch.setattr("butterfly_otel.process.timing.perf_counter", lambda: next(ticks))

    @request(method="inference")
    def handler() -> None:
        """Do nothing."""

    handler()
    assert red.seconds() == (1, 2.5)


def test_a_request_is_in_flight_while_it_runs(red: Red) -> None:
    """Nested and recursive calls are calls of their own."""
    seen: list[float] = []

    @request(method="inference")
    def recursive(depth: int) -> None:
        seen.append(red.in_flight)
        if depth:
            recursive(depth - 1)

    recursive(2)
    assert seen == [1, 2, 3]
    assert (red.ok, red.in_flight) == (3, 0)


def test_concurrent_tasks_are_counted_each(red: Red) -> None:
    """A hundred tasks are in flight at once; a third of them fail; none is left."""

    async def main() -> None:
        everyone_is_here = asyncio.Event()
        arrived = 0

        @request(method="inference")
        async def handler(number: int) -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 99:
                assert red.in_flight == 99
                everyone_is_here.set()
            await everyone_is_here.wait()
            if number % 3 == 0:
                raise TimeoutError

        await asyncio.gather(*(handler(each) for each in range(99)), return_exceptions=True)

    asyncio.run(main())
    assert (red.ok, red.errors, red.in_flight, red.timed) == (66, {"timeout": 33}, 0, 99)


def test_threads_are_counted_each(red: Red) -> None:
    """Eight threads of 500 calls each, on one decorated function, add up exactly."""

    def work(number: int) -> None:
        for _ in range(500):
            if number % 2:
                plain()
            else:
                with pytest.raises(OSError, match=r"^$"):
                    plain(OSError(""))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (red.ok, red.errors, red.in_flight) == (2000, {"network_error": 2000}, 0)


def test_a_cancelled_task_is_an_error_of_the_type_cancelled(red: Red) -> None:
    """Cancellation ends the request where it waits."""

    async def main() -> None:
        waiting = asyncio.Event()

        @request(method="inference")
        async def handler() -> None:
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(handler())
        await waiting.wait()
        assert red.in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (red.errors, red.in_flight, red.timed) == ({"cancelled": 1}, 0, 1)


def test_a_timeout_within_the_request_is_a_timeout(red: Red) -> None:
    """What asyncio turns a cancellation into is what counts, on Python 3.10 as well."""

    @request(method="inference")
    async def handler() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(handler())
    assert red.errors == {"timeout": 1}


def test_a_coroutine_that_is_closed_is_cancelled_and_one_never_awaited_is_nothing(
    red: Red,
) -> None:
    """A request begins when its coroutine is first run, and ends when it is closed."""
    unused = coroutine()
    unused.close()
    assert (red.ok, red.failed, red.in_flight) == (0, 0, 0)
    begun = coroutine()
    begun.send(None)
    assert red.in_flight == 1
    begun.close()
    assert (red.errors, red.in_flight) == ({"cancelled": 1}, 0)


def test_a_block_is_a_request(red: Red) -> None:
    """A block succeeds, fails by what it raises, or fails by what it says."""
    with request(method="inference"):
        assert red.in_flight == 1
    with request(method="inference") as call:
        call.fail("oom")
    with request(method="inference") as call:
        call.fail(ConnectionError())
    with pytest.raises(KeyError), request(method="inference"):
        raise KeyError
    with pytest.raises(KeyError), request(method="inference") as call:
        call.fail("byzantine_fault")
        raise KeyError
    expected = {"oom": 1, "network_error": 1, "key_error": 1, "byzantine_fault": 1}
    assert (red.ok, red.errors, red.in_flight, red.timed) == (1, expected, 0, 5)


def test_an_async_block_is_a_request(red: Red) -> None:
    """``async with`` is the same; the first item of a stream may be told by hand, once."""

    async def main() -> None:
        async with request(method="inference") as call:
            await asyncio.sleep(0)
            call.item()
            call.item()

    asyncio.run(main())
    assert (red.ok, red.in_flight, red.first_items) == (1, 0, 1)


def test_one_object_may_be_entered_within_itself(red: Red) -> None:
    """The inner block fails, the outer one does not."""
    measuring = request(method="inference")
    with measuring:
        with measuring as inner:
            inner.fail("timeout")
        assert (red.errors, red.in_flight) == ({"timeout": 1}, 1)
    assert (red.ok, red.errors, red.in_flight) == (1, {"timeout": 1}, 0)


def test_a_result_may_stand_for_a_failure(
    red: Red, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``failed`` names the error type; when it raises, that is logged once, and no failure."""
    monkeypatch.setattr(contain, "_logged", set())

    @request(method="inference", failed=lambda reply: reply["error"])
    def handler(reply: dict[str, str | None]) -> dict[str, str | None]:
        return reply

    handler({"error": None})
    handler({"error": ""})  # as protobuf has what is not set
    handler({"error": "byzantine_fault"})
    assert (red.ok, red.errors) == (2, {"byzantine_fault": 1})
    handler({})
    handler({})
    assert (red.ok, red.in_flight) == (4, 0)
    assert "KeyError" in caplog.text
    assert len(caplog.records) == 1


def test_error_types_are_extended_for_one_decorator(red: Red) -> None:
    """A mapping adds to the defaults; None makes an exception a success, which is raised still."""

    @request(method="inference", errors={InvalidProof: "byzantine_fault", KeyError: None})
    def handler(error: Exception) -> None:
        raise error

    for error in (InvalidProof(), KeyError(), TimeoutError()):
        with pytest.raises(type(error)):
            handler(error)
    assert (red.ok, red.errors) == (1, {"byzantine_fault": 1, "timeout": 1})


def test_the_method_may_come_from_an_argument(start: Start) -> None:
    """Each call has its own; what is in no vocabulary is mended and counted, never raised."""
    measured = start()

    class Message:
        def __init__(self, kind: Any) -> None:
            self.kind = kind

    @request(method=arg("message.kind"))
    def dispatch(message: Any, number: int = 0) -> int:  # noqa: ARG001 - labels are found by its name
        return number

    assert dispatch(Message("inference"), 5) == 5
    assert dispatch(message=Message("checkpoint")) == 0
    for wrong in ("tea", ["inference"], None):
        dispatch(Message(wrong))
    dispatch(object())
    assert Red(measured).ok == 1
    assert Red(measured, "checkpoint").ok == 1
    assert Red(measured, "other").ok == 2
    assert sum(measured.values("butterfly_requests_in_flight").values()) == 0
    assert sum(measured.values("butterfly_otel_label_violations_total").values()) > 0


def test_health_checks_and_observers_have_a_total_and_nothing_else(start: Start) -> None:
    """The contract gives them no duration, no errors by type and nothing in flight."""
    measured = start(strict=True)

    @request(method="health_check")
    def healthy(*, well: bool) -> None:
        if not well:
            raise OSError

    healthy(well=True)
    with pytest.raises(OSError, match=r"^$"):
        healthy(well=False)
    with request(method="inference", node_role="observer") as call:
        call.item()
    assert (Red(measured, "health_check").ok, Red(measured, "health_check").failed) == (1, 1)
    assert Red(measured, role="observer").ok == 1
    for name in ("requests_in_flight", "request_errors_total", "request_duration_seconds"):
        assert measured.points(f"butterfly_{name}") == []


def test_the_role_may_be_given(start: Start) -> None:
    """A process may report a request under another role than its own."""
    measured = start(strict=True)
    with request(method="inference", node_role="compute"):
        pass
    assert Red(measured, role="compute").ok == 1


def test_nothing_is_measured_before_configure_and_all_of_it_after(start: Start) -> None:
    """Decorating comes first in every program; a request begun before stays unmeasured."""
    assert plain() == "done"
    with request(method="inference"):
        early = Red(start(strict=True))
    assert (early.ok, early.in_flight) == (0, 0)
    plain()
    assert awaited() == "done"
    assert (early.ok, early.in_flight) == (2, 0)


@pytest.mark.parametrize("begin", [coroutine, stream_of_two])
def test_a_request_that_outlives_its_configuration_never_goes_below_zero(
    start: Start, begin: Callable[[], Any]
) -> None:
    """It leaves the series it has entered, not the one that came since."""
    start()
    running = begin()
    running.send(None)
    butterfly_otel.shutdown()
    again = Red(start())
    running.close()
    assert again.in_flight == 0
    assert again.failed == 1


@pytest.mark.parametrize("begin", [coroutine, stream_of_two])
def test_a_request_begun_before_configure_stays_unmeasured(
    start: Start, begin: Callable[[], Any]
) -> None:
    """It was never counted as in flight, so it must not leave."""
    running = begin()
    running.send(None)
    red = Red(start(strict=True))
    running.close()
    assert (red.in_flight, red.failed, red.timed) == (0, 0, 0)


def test_a_wrong_constant_is_found_where_it_is_written() -> None:
    """Decorating with it raises at once, configured or not."""
    with pytest.raises(ConfigurationError, match="'infer', which is none of inference"):
        request(method="infer")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="node_role 'leader', which is none of"):
        request(method="inference", node_role="leader")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="at the start"):
        request(method=butterfly_otel.result())
    with pytest.raises(ConfigurationError, match="has no parameter 'kind'"):
        request(method=arg("kind"))(lambda message: message)
    with pytest.raises(ConfigurationError, match="a with block has no arguments"):
        request(method=arg("kind")).__enter__()


def test_strict_mode_raises_what_a_call_brings_before_it_runs(start: Start) -> None:
    """A role that the contract does not have for requests in flight stops the call."""
    measured = start(strict=True, node_role="observer")
    ran: list[int] = []
    with pytest.raises(LabelError, match="butterfly_requests_in_flight"):
        request(method="inference")(lambda: ran.append(1))()
    assert ran == []
    assert measured.points("butterfly_requests_in_flight") == []


def test_what_is_dropped_from_export_costs_nothing_else(start: Start, tmp_path: Any) -> None:
    """An overlay that drops one of the metrics leaves the others as they are."""
    overlay = tmp_path / "overlay.yaml"
    name = metrics.requests_in_flight.metric.name
    overlay.write_text(
        "file_format: '1.0'\nmeter_provider:\n  views:\n"
        f"    - selector: {{instrument_name: {name}}}\n"
        "      stream: {aggregation: {drop: {}}}\n",
        encoding="utf-8",
    )
    red = Red(start(views=[overlay]))
    plain()
    assert (red.ok, red.timed) == (1, 1)
    assert red.measured.points(name) == []
