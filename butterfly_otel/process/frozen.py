"""Frozen dataclasses and named tuples that cost a start next to nothing.

``dataclasses`` writes six methods of each such class as source text and compiles that whenever the
module is imported: a third of a millisecond a class, on Pythons before 3.13. These have the same
ones, written once for all of them. ``fields()``, ``replace()``, ``asdict()`` and pickling take them
as dataclasses.

``typing`` compiles the annotation of each field, on Pythons before 3.14. Here they stay text.

To a type checker all of them are those of the standard library.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple", "dataclass"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import NamedTuple
else:

    def dataclass(*, frozen: bool, slots: bool, **options: bool) -> Callable[[type], type]:
        """Make a dataclass that has slots and never changes, as ``dataclasses.dataclass`` does.

        It has no ``__post_init__``, and no class is derived from it. Of the other options there
        are ``kw_only`` and ``repr``.
        """
        if not (frozen and slots):
            raise TypeError("other dataclasses are those of the standard library")
        shown = options.pop("repr", True)

        def made(cls: type) -> type:
            for name, method in _METHODS.items():
                if shown or name != "__repr__":
                    setattr(cls, name, method)
            shape = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, **options)
            done = shape(cls)
            fields = dataclasses.fields(done)
            done.__compared__ = attrgetter(*(each.name for each in fields if each.compare))
            done.__given__ = {
                each.name: each.default for each in fields if each.default is not MISSING
            }
            return done

        return made

    class _Lightened(type):
        """Makes named tuples without showing ``typing`` their annotations."""

        def __new__(cls, name: str, _bases: tuple[type, ...], names: dict[str, Any]) -> type:
            told = names.get("__annotations__", {})
            names["__annotations__"] = dict.fromkeys(told, object)
            made = types.new_class(name, (typing.NamedTuple,), {}, lambda into: into.update(names))
            made.__annotations__ = told
            return made

    if sys.version_info < (3, 14):
        NamedTuple = type.__new__(_Lightened, "NamedTuple", (), {})
    else:
        NamedTuple = typing.NamedTuple


def _fields(cls: Any) -> dict[str, Field[Any]]:  # noqa: ANN401 - one of the classes made here
    return cls.__dataclass_fields__  # type: ignore[no-any-return]


def _compared(self: Any) -> Callable[[object], object]:  # noqa: ANN401 - as above
    return type(self).__compared__  # type: ignore[no-any-return]


def _init(self: object, *args: object, **kwargs: object) -> None:
    cls: Any = type(self)
    values: dict[str, object] = {**cls.__given__, **kwargs}
    if args:
        places: tuple[str, ...] = cls.__match_args__
        if len(args) > len(places) or not kwargs.keys().isdisjoint(places[: len(args)]):
            raise TypeError(f"{cls.__name__}() takes {len(places)} arguments by place")
        values.update(zip(places, args, strict=False))
    known = _fields(cls)
    if values.keys() != known.keys():
        _complete(cls.__name__, values, known)
    for name, value in values.items():
        _set(self, name, value)


def _complete(name: str, values: dict[str, object], known: dict[str, Field[Any]]) -> None:
    """Add what factories make; what is missing or unknown then is an error."""
    for key, each in known.items():
        if key not in values and each.default_factory is not MISSING:
            values[key] = each.default_factory()
    for told, keys in (
        ("needs", known.keys() - values.keys()),
        ("does not know", values.keys() - known.keys()),
    ):
        if keys:
            raise TypeError(f"{name}() {told} {', '.join(sorted(keys))}")


def _repr(self: object) -> str:
    shown = (
        f"{name}={getattr(self, name)!r}" for name, each in _fields(type(self)).items() if each.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: object, other: object) -> Any:  # noqa: ANN401 - also NotImplemented
    if type(other) is not type(self):
        return NotImplemented
    compared = _compared(self)
    return compared(self) == compared(other)


def _hash(self: object) -> int:
    return hash(_compared(self)(self))


def _refuse(_self: object, name: str, *_value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _state(self: object) -> list[object]:
    return [getattr(self, name) for name in _fields(type(self))]


def _restore(self: object, state: list[object]) -> None:
    for name, value in zip(_fields(type(self)), state, strict=True):
        _set(self, name, value)


_set = object.__setattr__
_METHODS = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _state,
    "__setstate__": _restore,
}
