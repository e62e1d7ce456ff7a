"""Values as text: numbers, label values and escapes of the exposition formats.

Everything here is pure, never raises on any value, and is safe to call from any thread.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

_JSON: TypeAlias = "str | int | float | bool | list[_JSON] | dict[str, _JSON] | None"


def number_text(value: float) -> str:
    """Return a number as prometheus_client and Go's client write it.

    Integers carry ``.0`` and exponents begin at a million, so that an ``le`` is canonical
    in the sense of OpenMetrics 1.0, "Considerations: Canonical Numbers".

    >>> [number_text(value) for value in (5, 0.001, 1_000_000, 1234567.5, float("inf"))]
    ['5.0', '0.001', '1e+06', '1.2345675e+06', '+Inf']
    """
    try:
        number = float(value)
    except OverflowError:  # an int beyond any float
        number = math.inf if value > 0 else -math.inf
    text = repr(number)
    if number > 999_999:  # noqa: PLR2004 - where Go's %g turns to an exponent
        return _with_exponent(number, text)
    if number == -math.inf:
        return "-Inf"
    return "NaN" if text == "nan" else text


def _with_exponent(number: float, text: str) -> str:
    if number == math.inf:
        return "+Inf"
    whole, dot, fraction = text.partition(".")
    if not dot or "e" in fraction or len(whole) <= 6:  # noqa: PLR2004 - as above
        return text
    mantissa = f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0").rstrip(".")
    return f"{mantissa}e+{len(whole) - 1:02d}"


def clean(text: str) -> str:
    """Return ``text`` with lone surrogates, which no wire format can carry, as U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_name(text: str) -> str:
    """Return a name likewise, and without NUL, at which Prometheus' parsers stop reading.

    In the value of a label it does no harm.
    """
    return clean(text).replace("\0", "\ufffd")


def label_text(value: object) -> str:
    """Return an attribute value as a label value.

    Source: the OpenTelemetry specification, "AnyValue representation for non-OTLP
    protocols": JSON for booleans, numbers, arrays and maps, base64 for bytes, nothing for
    an empty value.
    """
    if isinstance(value, str):
        # Not str(value): that of a (str, Enum) member is its name, not its value.
        return clean(str.__str__(value))
    if value is None:
        return ""
    try:
        plain = _plain(value)
        if isinstance(plain, str):
            return clean(plain)
        return clean(json.dumps(plain, ensure_ascii=False, allow_nan=False))
    except Exception:  # noqa: BLE001 - a value's own methods may do anything
        return type(value).__name__


def _plain(value: object) -> _JSON:
    """Return what JSON can hold, with the specification's strings for what it cannot."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _special(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    return _plain_collection(value)


def _plain_collection(value: object) -> _JSON:
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {str(key): _plain(item) for key, item in mapping.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return str(value)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def escape_value(text: str) -> str:
    """Escape a label value, or a HELP text of OpenMetrics: backslash, quote, line feed."""
    if "\\" in text or '"' in text or "\n" in text:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return text


def escape_help(text: str) -> str:
    """Escape a HELP text of format 0.0.4, in which quotes stand for themselves."""
    return text.replace("\\", r"\\").replace("\n", r"\n")
