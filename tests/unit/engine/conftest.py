"""What the engine's tests share.

Comparable facts of MetricsData, a clock that stands still, and interruptions at every moment
at which threads may switch.
"""

from __future__ import annotations

import dataclasses
import dis
import itertools
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
from opentelemetry.sdk.metrics._internal.exemplar import exemplar_reservoir
from opentelemetry.sdk.metrics.export import MetricsData

import butterfly_otel.engine
from butterfly_otel.engine import samples
from butterfly_otel.process import timing

ENGINE = str(Path(butterfly_otel.engine.__file__).parent)

#: A bool in these fields is compared as the int it is counted as.
_NUMBERS = frozenset({"value", "sum"})
#: Of equal numbers (5, 5.0; 0.0, -0.0) either may be the extreme; it is exported as a double.
_EXTREMES = frozenset({"min", "max"})


def plain(value: Any, *, drop: frozenset[str] = frozenset(), number: bool = False) -> Any:
    """Return nested tuples that are equal exactly if the values are, types and NaN included."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (
            type(value).__name__,
            *(
                (f.name, _extreme(getattr(value, f.name)))
                if f.name in _EXTREMES
                else (f.name, plain(getattr(value, f.name), drop=drop, number=f.name in _NUMBERS))
                for f in dataclasses.fields(value)
                if f.name not in drop
            ),
        )
    if isinstance(value, Mapping):
        items = ((key, plain(each, drop=drop)) for key, each in value.items())
        return ("mapping", *sorted(items, key=repr))
    if isinstance(value, (list, tuple)):
        return ("sequence", *(plain(each, drop=drop) for each in value))
    if number and isinstance(value, bool):
        value = int(value)
    if isinstance(value, (int, float, str, bytes, type(None))):
        return (type(value).__name__, repr(value))
    return (type(value).__name__, repr(getattr(value, "__dict__", value)))


def _extreme(value: float) -> str:
    return repr(float(value) + 0.0)


_TIMES = frozenset({"start_time_unix_nano", "time_unix_nano"})


def facts(data: MetricsData | None, *, times: bool = False) -> Any:
    """Return all that MetricsData says, in a form to compare; by default without times."""
    if data is None:
        return None
    drop = frozenset() if times else _TIMES
    return tuple(
        (
            plain(resource.resource.attributes),
            resource.schema_url,
            tuple(
                (repr(scope.scope), scope.schema_url, *(plain(m, drop=drop) for m in scope.metrics))
                for scope in resource.scope_metrics
            ),
        )
        for resource in data.resource_metrics
    )


class Clock:
    """A clock of the test's own, in nanoseconds."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def __call__(self) -> int:
        """Return the time."""
        return self.now

    def tick(self) -> None:
        """Let a second pass."""
        self.now += 10**9


@contextmanager
def standing_clock() -> Iterator[Clock]:
    """Let the SDK and the engine read a clock that moves only when the test says so."""
    clock = Clock()
    modules = [
        module
        for name, module in tuple(sys.modules.items())
        if name.startswith(("opentelemetry.sdk.metrics", "butterfly_otel.process.timing"))
        and getattr(module, "time_ns", None) is time.time_ns
    ]
    patches = [patch.object(module, "time_ns", clock) for module in modules]
    patches.append(patch.object(timing, "monotonic", lambda: clock.now / 1e9))
    for each in patches:
        each.start()
    try:
        yield clock
    finally:
        for each in patches:
            each.stop()


@contextmanager
def mended_exemplars() -> Iterator[None]:
    """Let the SDK's reservoirs forget the span of an exemplar whose place another one takes.

    It keeps the ids of the former span for a measurement outside of any (test_differences).
    """
    bucket = exemplar_reservoir.ExemplarBucket
    offer = bucket.offer

    def mended(self: Any, *measurement: Any) -> None:
        self._ExemplarBucket__span_id = self._ExemplarBucket__trace_id = None
        offer(self, *measurement)

    with patch.object(bucket, "offer", mended):
        yield


class Lots:
    """What reservoirs draw: the first of the lots or another one, the same in any order."""

    def __init__(self) -> None:
        self.drawn = 0

    @contextmanager
    def fixed(self) -> Iterator[None]:
        """Let the reservoirs of the SDK and of ours draw this."""
        with (
            patch.object(exemplar_reservoir, "randrange", lambda *_range: self.drawn),
            patch.object(samples, "getrandbits", lambda _bits: self.drawn),
        ):
            yield


@contextmanager
def silence() -> Iterator[None]:
    """Log nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@pytest.fixture
def silent() -> Iterator[None]:
    """Log nothing during the test."""
    with silence():
        yield


class Interruption:
    """Traces a call and runs ``intrude`` in another thread at the ``point``-th moment.

    With the GIL a thread is switched only where a function begins, after a call and at a
    backward jump; these are the moments, in the engine's own code.
    """

    def __init__(self, intrude: Callable[[], None], point: int) -> None:
        self._intrude = intrude
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None
        self._left = point
        self._last: dict[FrameType, str] = {}

    def during(self, work: Callable[[], None]) -> bool:
        """Return whether there was a moment of that number."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(before)
        if self._left >= 0:
            return False
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return True

    def _run(self) -> None:
        try:
            self._intrude()
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            self._failure = error

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "call":
            self._moment()
        elif event == "opcode":
            last = self._last.get(frame, "")
            if last.startswith(("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE")):
                self._moment()
            self._last[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        elif event == "return":
            self._last.pop(frame, None)
        return self._trace

    def _moment(self) -> None:
        if self._left == 0:
            self._thread.start()
            # Where it waits for a lock that is held here, it goes on later; by then tracing has
            # to be over, because with it threads may switch anywhere.
            self._thread.join(0.001)
            sys.settrace(None)
        self._left -= 1


#: What is interrupted, what happens meanwhile, and what must hold afterwards.
Scenario = tuple[Callable[[], None], Callable[[], None], Callable[[], None]]


def at_every_moment(scenario: Callable[[], Scenario]) -> None:
    """Play a scenario again and again, interrupting it one moment later each time."""
    for point in itertools.count():
        work, intrude, check = scenario()
        if not Interruption(intrude, point).during(work):
            return
        check()
