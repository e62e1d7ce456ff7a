"""Whether a sampled span is current, asked as cheaply as that can be.

Nothing else can make an exemplar of a measurement, so every measurement asks. Two questions come
before the whole one, and stand in line wherever somebody measures (``render/quick.py``)::

    tracing.quiet or not tracing.current()

``quiet`` stays true as long as no sampled span has ever been current in this process. A span
becomes current by ``opentelemetry.context.attach``, whoever made it, the global TracerProvider or
another one, and also where it is a remote parent; so :func:`watch` listens there until the first
one comes. From then on ``current()`` is asked, the current context: empty means no span.

Both use private names of OpenTelemetry's API. Where these are gone, or another runtime context
is installed (``OTEL_PYTHON_CONTEXT``), each measurement asks by the public API.
"""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

_logger = logging.getLogger("butterfly_otel")

#: Whether no sampled span was ever current. Read without a lock; once false, it stays so.
quiet: bool = True
#: The current context; as long as nobody watches, an empty one.
current: Callable[[], Mapping[str, Any]] = dict

_CPYTHON = sys.implementation.name == "cpython"

# Known by :func:`watch`: how to find a context's span.
_get_span: Callable[[Context], Any] | None = None
_watching = forks.lock()


def watch() -> None:
    """Notice spans from now on; harmless when done twice. Thread-safe."""
    global current, quiet, _get_span  # noqa: PLW0603 - one process, one context
    # What this module is there to put off.
    from opentelemetry import context, trace  # noqa: PLC0415

    with _watching:
        if _get_span is not None:
            return
        _get_span = trace.get_current_span
        runtime: Any = getattr(context, "_RUNTIME_CONTEXT", None)
        if _ordinary(runtime):
            # Never back to True: one may have come meanwhile.
            if not _listen(runtime, context.Context):
                quiet = False
            current = runtime._current_context.get  # noqa: SLF001 - it is there
        else:
            current = context.get_current
            quiet = False


def _ordinary(runtime: Any) -> bool:  # noqa: ANN401 - OpenTelemetry's own
    variable: object = getattr(runtime, "_current_context", None)
    ordinary = runtime.__class__.__name__ == "ContextVarsRuntimeContext"
    return ordinary and isinstance(variable, ContextVar)


class _Unused:
    """What has a context variable that no context has a value of."""

    def __init__(self) -> None:
        self._current_context: ContextVar[object] = ContextVar("unused")


def _held(runtime: Any) -> int:  # noqa: ANN401 - OpenTelemetry's own
    """Return how many refer to a variable: every context that has a value of it does."""
    return sys.getrefcount(runtime._current_context)  # noqa: SLF001


def _listen(runtime: Any, kind: type) -> bool:  # noqa: ANN401
    """Notice the first sampled span that becomes current; tell whether none can be by now."""
    attach = runtime.attach

    def attached(given: Any) -> Any:  # noqa: ANN401
        global quiet  # noqa: PLW0603
        if quiet and parent(given) is not None:
            quiet = False
            # Unless somebody has put something over it meanwhile.
            if vars(runtime).get("attach") is attached:
                del runtime.attach
        return attach(given)

    runtime.attach = attached
    if not _CPYTHON:
        return False
    # As a rule nobody has used it by now: then not all that there is need be looked at.
    if _held(runtime) == _held(_Unused()):
        return True
    # Another thread may have one for long. Every context there is refers to its class.
    if gc.get_freeze_count():
        return False
    there: list[Any] = [each for each in gc.get_referrers(kind) if type(each) is kind]
    return not any(parent(each) is not None for each in there)


def parent(context: Mapping[str, Any] | None = None) -> SpanContext | None:
    """Return what exemplars say of the sampled span of a context, None where there is none.

    Never raises, whatever a span of somebody's own does.

    Args:
        context: The context, by default, as where it is empty, the current one.
    """
    found: Any = context or current()
    if not found:
        return None
    try:
        known: SpanContext | None = found._butterfly_otel_parent  # noqa: SLF001 - set below
    except AttributeError:
        return _looked_up(found)
    return known


def _looked_up(context: Any) -> SpanContext | None:  # noqa: ANN401 - OpenTelemetry's own
    """Return :func:`parent` of a context, and let the context itself remember it.

    Contexts never change, nor do their spans' ids and flags; most are measured in more than once.
    """
    found: SpanContext | None = None
    try:
        its: SpanContext = _get_span(context).get_span_context()  # type: ignore[misc]
        found = its if its.trace_flags.sampled else None
    except Exception:
        _logger.debug("the span of a context can't be asked", exc_info=True)
    with suppress(AttributeError):
        context._butterfly_otel_parent = found  # noqa: SLF001
    return found
