"""What an adapter does inside somebody else's code must never raise there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec

from butterfly_otel.decorators.contain import ask, log_once

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ask", "attempt", "log_once"]

_P = ParamSpec("_P")


def attempt(measure: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Call ``measure``; what it raises is logged, once a function, and goes no further.

    Handles raise nothing in production. In strict mode they do, and the transport that is
    measured must not fail for it.
    """
    try:
        measure(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - nothing may reach the transport
        name = getattr(measure, "__qualname__", repr(measure))
        log_once(f"measuring a transport failed in {name}", error=error)
