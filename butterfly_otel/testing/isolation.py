"""What a capture takes over of the process, and gives back as it was."""

from __future__ import annotations

import os
import traceback
from contextlib import ExitStack, contextmanager
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from butterfly_otel.engine import sdk_names
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.handles.handles import ObservableHandle
from butterfly_otel.memory.books import POOLS
from butterfly_otel.runtime import global_provider
from butterfly_otel.runtime import lifecycle as runtime
from butterfly_otel.runtime.attaching import HANDLES
from butterfly_otel.settings import spelling

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

#: pytest shows the test that asks, not what is in here.
__tracebackhide__ = True

#: Variables that configure OpenTelemetry or us; the application's own are left alone.
_PREFIXES = ("OTEL_", "BUTTERFLY_OTEL_", "BUTTERFLY_NODE_ID", "BUTTERFLY_NODE_ROLE")

_lock = Lock()
_begun_at: str | None = None


@contextmanager
def isolated(
    environment: Mapping[str, str], handles: Iterable[object] = ()
) -> Generator[None, None, None]:
    """Give the block a process in which nothing is configured, and undo what it leaves.

    Args:
        environment: As of :func:`restored`.
        handles: Those of contracts beside Butterfly's.

    Raises:
        ConfigurationError: When something is captured or configured already.
    """
    with _alone(), restored(environment, handles):
        yield


@contextmanager
def restored(
    environment: Mapping[str, str], handles: Iterable[object] = ()
) -> Generator[None, None, None]:
    """Undo what the block configures, registers and sets; blocks may be nested.

    Args:
        environment: Variables that are set; whatever else configures us or OpenTelemetry
            is not there.
        handles: Those of contracts beside Butterfly's.
    """
    with ExitStack() as stack:
        registrations = _registrations((*HANDLES, *handles))
        for part in (_environment(environment), _global_provider(), registrations, _pools()):
            stack.enter_context(part)
        stack.callback(runtime.shutdown)
        spelling.forget_told()
        yield


@contextmanager
def _alone() -> Generator[None, None, None]:
    global _begun_at  # noqa: PLW0603 - the process has one runtime, so it has one capture
    with _lock:
        if _begun_at is not None:
            raise ConfigurationError(
                f"metrics are captured already, since {_begun_at}: a process has one set of"
                " handles, so captures can neither be nested nor run in several threads; use"
                " the capture that there is, or processes, as pytest-xdist does"
            )
        configured = runtime.current()
        if configured is not None:
            raise ConfigurationError(
                f"butterfly-otel is configured already, as node_id={configured.config.node_id!r},"
                " outside of the capture: call butterfly_otel.shutdown() before capturing"
            )
        _begun_at = _caller()
    try:
        yield
    finally:
        _begun_at = None


def _caller() -> str:
    """Return file and line of who captures, outside of this kit and of contextlib.

    Fixtures are set up by pytest; then it is the test that they are set up for.
    """
    here = os.path.dirname(__file__)  # noqa: PTH120 - compared as text
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(here) and not frame.filename.endswith("contextlib.py"):
            if os.path.basename(os.path.dirname(frame.filename)) == "_pytest":  # noqa: PTH119, PTH120 - as text
                return os.environ.get("PYTEST_CURRENT_TEST", "a fixture")
            return f"{frame.filename}:{frame.lineno}"
    return "an unknown place"


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Generator[None, None, None]:
    before = _settings()
    _replace_settings(wanted)
    try:
        yield
    finally:
        _replace_settings(before)


def _settings() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name.startswith(_PREFIXES)}


def _replace_settings(wanted: Mapping[str, str]) -> None:
    for name in _settings():
        del os.environ[name]
    os.environ.update(wanted)


@contextmanager
def _global_provider() -> Generator[None, None, None]:
    """Let the block set OpenTelemetry's global meter provider, which it allows only once."""
    if sdk_names.missing(sdk_names.TESTING):
        yield  # What is set first stays; nothing that is measured by handles notices.
        return
    api: Any = import_module("opentelemetry.metrics._internal")
    once, proxy = api._METER_PROVIDER_SET_ONCE, api._PROXY_METER_PROVIDER  # noqa: SLF001
    before = api._METER_PROVIDER, once._done, proxy._real_meter_provider  # noqa: SLF001
    # The proxy hands out meters that wait for the real provider: again so, each time.
    api._METER_PROVIDER, once._done, proxy._real_meter_provider = None, False, None  # noqa: SLF001
    try:
        with global_provider.renewed():
            yield
    finally:
        api._METER_PROVIDER, once._done, proxy._real_meter_provider = before  # noqa: SLF001


@contextmanager
def _registrations(handles: Iterable[object]) -> Generator[None, None, None]:
    """Unregister the callbacks that the block has registered on handles."""
    observed = [handle for handle in handles if isinstance(handle, ObservableHandle)]
    before = {handle: set(handle.registrations) for handle in observed}
    try:
        yield
    finally:
        for handle, kept in before.items():
            for registration in handle.registrations:
                if registration not in kept:
                    registration.unregister()


@contextmanager
def _pools() -> Generator[None, None, None]:
    """Close the memory pools and forget the models that the block has opened."""
    pools, models, peak = set(POOLS.pools), set(POOLS.models), POOLS.peak
    try:
        yield
    finally:
        for pool in POOLS.pools:
            if pool not in pools:
                pool.close()
        for model in POOLS.models:
            if model not in models:
                model.close()
        POOLS.peak = peak
