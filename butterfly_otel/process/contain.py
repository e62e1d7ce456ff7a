"""What somebody else's code must never notice: that measuring it failed.

Decorators and adapters run inside it, so nothing that they do may raise there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")

_logger = logging.getLogger("butterfly_otel")
#: What differs more often than this is not worth being told.
_MOST: Final = 1000
_logged: set[str] = set()


def log_once(message: str, *, error: BaseException | None = None) -> None:
    """Log a warning that this process has not logged yet."""
    if message not in _logged and len(_logged) < _MOST:
        _logged.add(message)
        _logger.warning("%s (logged once)", message, exc_info=error)


def attempt(measure: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Call ``measure``; what it raises is logged, once a function, and goes no further.

    Handles raise nothing in production. In strict mode they do, and the transport that is
    measured must not fail for it.
    """
    try:
        measure(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - nothing may reach the transport
        name = _name(measure)
        log_once(f"measuring a transport failed in {name}", error=error)


def ask(function: Callable[_P, _T], instead: _T, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what a caller's function answers, or ``instead`` where it raises, logged once."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the function is the application's
        name = _name(function)
        log_once(f"{name} raised; {instead!r} is reported instead", error=error)
        return instead


def _name(function: object) -> str:
    name: object = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else shown(function)
