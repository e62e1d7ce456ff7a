"""Attributes as the SDK cleans them, told once an instrument instead of at each measurement."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# What is in attributes that a caller passes, no type checker can tell.

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("butterfly_otel")

#: Types of values that the SDK exports as they are.
_LEFT_ALONE: Final = frozenset({str, int, float, bool, bytes, type(None)})


class Reports:
    """What one instrument has told already; a subject each. Thread-safe.

    Args:
        name: Of the instrument.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[str] = set()

    def __call__(self, subject: str, message: str, *details: object) -> None:
        """Log a warning, if it is the first on this subject."""
        before = len(self._told)
        self._told.add(subject)
        if len(self._told) > before:
            shorter = tuple(map(shown, details))
            _logger.warning(f"%s: {message} (logged once)", self._name, *shorter)  # noqa: G004


def clean(attributes: object) -> dict[str, Any] | None:
    """Return a copy of attributes that the SDK would leave as they are; None of any others."""
    if type(attributes) is not dict:
        return None
    known = cast("dict[object, object]", attributes)
    for key, value in known.items():
        if type(key) is not str or not key or type(value) not in _LEFT_ALONE:
            return None
    return cast("dict[str, Any]", known.copy())


def exportable(attributes: object, report: Callable[..., None]) -> Mapping[str, Any]:
    """Return attributes that can be exported, as the SDK makes them of what it is given.

    Always a copy: a callback may use one dict for all it observes.
    """
    left = clean(attributes)
    return mended(attributes, report) if left is None else left


def mended(attributes: object, report: Callable[..., None]) -> Mapping[str, Any]:
    """Return the same for attributes of which it is known that the SDK would change them."""
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        report("mapping", "ignored attributes that are not a mapping: %s", attributes)
        return {}
    return _mapping(attributes, report)


def _mapping(given: Mapping[Any, Any], report: Callable[..., None]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for key, value in given.items():
        if not key:
            report("empty key", "ignored an attribute whose key is empty: %s", key)
        elif isinstance(key, str):
            cleaned[key] = _value(value, report)
        elif _has_text(key):
            report("key", "took the text of an attribute key that is not a string: %s", key)
            cleaned[str(key)] = _value(value, report)
        else:
            report("odd key", "ignored an attribute whose key is not a string: %s", key)
    return cleaned


def _value(value: Any, report: Callable[..., None]) -> Any:  # noqa: ANN401 - an attribute value
    if value is None or isinstance(value, (str, bool, int, float, bytes)):
        return value
    if isinstance(value, Sequence):
        return tuple(_value(each, report) for each in value)
    if isinstance(value, Mapping):
        return _mapping(value, report)
    if _has_text(value):
        report("value", "took the text of an attribute value of another type: %s", value)
        return str(value)
    report("odd value", "an attribute value of another type has no text: %s", value)
    return None


def _has_text(value: object) -> bool:
    kind = type(value)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__
