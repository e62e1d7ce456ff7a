"""What callers hand in as functions, checked where it is handed in."""

from __future__ import annotations

import inspect

from butterfly_otel.errors import ConfigurationError


def require_text(place: str, text: object) -> None:
    """Refuse what is not a text, or an empty one.

    Raises:
        ConfigurationError: With what was given.
    """
    if not isinstance(text, str) or not text:
        raise ConfigurationError(f"{place} is {text!r}; pass a name, which is a text")


def require_function(place: str, function: object, *arguments: str) -> None:
    """Refuse what cannot be called with that many arguments, or answers only when awaited.

    Args:
        place: Where it was given, such as ``failed``.
        function: What was given.
        arguments: What it will be called with, in words.

    Raises:
        ConfigurationError: With what it has to take.
    """
    takes = " and ".join(arguments) or "nothing"
    if not callable(function):
        raise ConfigurationError(f"{place} is {function!r}; pass a function that takes {takes}")
    call = getattr(function, "__call__", None)  # noqa: B004 - of an object, its method
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
        raise ConfigurationError(f"{place} is {function!r}, which is async; pass a plain function")
    try:
        inspect.signature(function).bind(*arguments)
    except ValueError:  # of what is written in C nobody knows
        return
    except TypeError:
        raise ConfigurationError(
            f"{place} is {function!r}, which can't be called with {takes} alone; pass a function"
            " that can"
        ) from None
