"""What a contract says under ``annotations: {butterfly_otel: …}``, checked key by key."""

from __future__ import annotations

from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, get_args

from butterfly_otel.catalog.model import Across, LabelDefault, LabelKind
from butterfly_otel.catalogs.shapes import is_list, is_mapping
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: Returns what a value is to be where it is not that, and otherwise nothing.
    Check = Callable[[object], str]

#: The key under ``annotations``.
OURS: Final = "butterfly_otel"
#: The default of an attribute that takes away that of its definition.
NO_DEFAULT: Final = "none"


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else "a text"


def _maybe_text(value: object) -> str:
    return "" if isinstance(value, str) else "a text, which may be empty"


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _count(value: object) -> str:
    return "" if type(value) is int and value > 0 else "a whole number above 0"


def _bounds(value: object) -> str:
    good = is_list(value) and value and all(map(_finite, value))
    return "" if good else "a list of numbers, such as [0.1, 1, 10]"


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _values(value: object) -> str:
    good = is_list(value) and all(isinstance(each, (str, int, float)) for each in value)
    return "" if good else "a list of values"


def _one_of(*names: str) -> Check:
    def check(value: object) -> str:
        return "" if value in names else f"one of {', '.join(names)}"

    return check


def _exceptions(value: object) -> str:
    good = is_list(value) and all(map(_is_exception, value))
    return "" if good else "a list of {rule, metric, reason}, each a text"


def _is_exception(value: object) -> bool:
    wanted = {"rule", "metric", "reason"}
    return is_mapping(value) and set(value) == wanted and not any(map(_text, value.values()))


def _mapping(value: object) -> str:
    return "" if is_mapping(value) else "a mapping"


#: Of a group of ``type: metric``.
METRIC: Final[Mapping[str, Check]] = {
    "buckets": _bounds,
    "across": _one_of(*get_args(Across)),
    "across_why": _maybe_text,
    "why": _text,
    "query": _text,
    "category": _text,
    "limit": _count,
    "observable": _flag,
    "catalog": _mapping,
}
#: Of any other group.
GROUP: Final[Mapping[str, Check]] = {"catalog": _mapping}
#: Of an attribute.
ATTRIBUTE: Final[Mapping[str, Check]] = {
    "kind": _one_of(*get_args(LabelKind)),
    "values": _values,
    "budget": _count,
    "default": _one_of(*get_args(LabelDefault), NO_DEFAULT),
    "keep": _one_of("first", "latest"),
}
#: Of the contract as a whole, under ``catalog`` of one of its groups.
CATALOG: Final[Mapping[str, Check]] = {
    "name": _text,
    "meter": _text,
    "prefix": _text,
    "exceptions": _exceptions,
}


def ours(
    data: Mapping[str, Any], known: Mapping[str, Check], fail: Callable[[str], Exception]
) -> dict[str, Any]:
    """Return what a group or an attribute says for us.

    Args:
        data: It.
        known: The keys it may have, and how their values are checked.
        fail: Returns the error that says what is wrong with it.
    """
    annotations: dict[str, Any] = data.get("annotations") or {}
    said: Any = annotations.get(OURS)
    return {} if said is None else checked(said, known, fail, f"annotations.{OURS}")


def checked(
    said: object, known: Mapping[str, Check], fail: Callable[[str], Exception], where: str
) -> dict[str, Any]:
    """Return a mapping whose keys are known and whose values are as they should be."""
    if not is_mapping(said):
        raise fail(f"{where} is {shown(said)}; write a mapping")
    for key, value in said.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}" if close else f"there are {', '.join(known)}"
            raise fail(f"{where} has {shown(key)}, which is not known here; {hint}")
        wanted = known[key](value)
        if wanted:
            raise fail(f"{where}.{key} is {shown(value)}; write {wanted}")
    return said
