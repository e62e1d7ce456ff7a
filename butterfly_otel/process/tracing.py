"""Whether anybody traces, asked without importing the tracing API before there is a need.

While no TracerProvider is installed there can be no exemplar, which is the one thing that a
measurement would need a span for. Every measurement asks, so the question has to be cheap:
``tracing.api._TRACER_PROVIDER is None``.
"""

from __future__ import annotations

from typing import Any


class _NotImported:
    """Stands for the API until something is configured that could sample."""

    _TRACER_PROVIDER = None


class _Unknown:
    """Stands for an API that does not tell: whoever measures has to look at the context."""

    _TRACER_PROVIDER = ()


#: ``opentelemetry.trace`` once :func:`watch` was called.
api: Any = _NotImported


def watch() -> None:
    """Ask the real API from now on; harmless when done twice."""
    global api  # noqa: PLW0603 - one process, one API
    from opentelemetry import trace  # noqa: PLC0415 - what this module is there to put off

    api = trace if hasattr(trace, "_TRACER_PROVIDER") else _Unknown
