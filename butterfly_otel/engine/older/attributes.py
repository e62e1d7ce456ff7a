"""Attributes: cleaned, and told apart, as by 1.45.2."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# What a caller takes for attributes, no type checker can tell.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from opentelemetry.sdk.metrics._internal import measurement as measurements

OVERFLOW_ATTRIBUTES: Final[dict[str, Any]] = {"otel.metric.overflow": True}


def hash_attributes(value: Any) -> Any:  # noqa: ANN401 - any attribute value
    """Return a key that tells apart what only Python takes for equal: 1, 1.0 and True."""
    if isinstance(value, (str, int, float, bytes, type(None))):
        return (type(value).__name__, value)
    if isinstance(value, Mapping):
        known = cast("Mapping[str, Any]", value)
        return ("mapping", tuple((key, hash_attributes(known[key])) for key in sorted(known)))
    return ("sequence", tuple(map(hash_attributes, value)))


OVERFLOW_KEY: Final = hash_attributes(OVERFLOW_ATTRIBUTES)


def _clean(value: Any) -> Any:  # noqa: ANN401 - whatever a caller takes for an attribute value
    if isinstance(value, (str, int, float, bytes, type(None))):
        return value
    if isinstance(value, Sequence):
        return tuple(map(_clean, value))
    if isinstance(value, Mapping):
        return _clean_mapping(value)
    return str(value) if _says_something(value) else None


def _clean_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(key): _clean(each)
        for key, each in value.items()
        if key and (isinstance(key, str) or _says_something(key))
    }


def _says_something(value: object) -> bool:
    kind = type(value)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__


@dataclass(frozen=True)
class CleanMeasurement(measurements.Measurement):
    """A measurement whose attributes are cleaned, as 1.45 does."""

    def __post_init__(self) -> None:
        given: object = self.attributes
        cleaned = _clean_mapping(given) if isinstance(given, Mapping) else None
        object.__setattr__(self, "attributes", cleaned)


#: Cleaned when it is made, from 1.45 on by the SDK.
Measurement: type[measurements.Measurement] = (
    measurements.Measurement
    if hasattr(measurements.Measurement, "__post_init__")
    else CleanMeasurement
)
