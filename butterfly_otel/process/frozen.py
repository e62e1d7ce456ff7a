"""Frozen dataclasses that cost a start next to nothing.

``dataclasses`` writes six methods of each such class as source text and compiles that whenever the
module is imported: a third of a millisecond a class, on Pythons before 3.13. These have the same
ones, written once for all of them. To a type checker they are dataclasses; ``fields()``,
``replace()``, ``asdict()`` and pickling take them as such.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
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
            names = (each.name for each in dataclasses.fields(done) if each.compare)
            done._compared = attrgetter(*names)  # noqa: SLF001 - a class made here
            return done

        return made


def _fields(cls: Any) -> dict[str, Field[Any]]:  # noqa: ANN401 - one of the classes made here
    return cls.__dataclass_fields__  # type: ignore[no-any-return]


def _compared(self: Any) -> Callable[[object], object]:  # noqa: ANN401 - as above
    return type(self)._compared  # type: ignore[no-any-return]  # noqa: SLF001


def _init(self: object, *args: object, **kwargs: object) -> None:
    cls: Any = type(self)
    known = _fields(cls)
    values: dict[str, object] = dict(zip(cls.__match_args__, args, strict=False))
    if len(values) < len(args) or not values.keys().isdisjoint(kwargs):
        raise TypeError(f"{cls.__name__}() takes {len(cls.__match_args__)} arguments by place")
    values.update(kwargs)
    for name, each in known.items():
        if name in values:
            value = values.pop(name)
        elif each.default is not MISSING:
            value = each.default
        elif each.default_factory is not MISSING:
            value = each.default_factory()
        else:
            raise TypeError(f"{cls.__name__}() needs {name}")
        _set(self, name, value)
    if values:
        raise TypeError(f"{cls.__name__}() does not know {', '.join(values)}")


def _repr(self: object) -> str:
    shown = (
        f"{name}={getattr(self, name)!r}" for name, each in _fields(type(self)).items() if each.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: object, other: object) -> bool:
    if type(other) is not type(self):
        return NotImplemented
    compared = _compared(self)
    return bool(compared(self) == compared(other))


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
