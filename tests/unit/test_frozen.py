"""Frozen dataclasses whose methods are written once for all of them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any, Literal, get_type_hints

import pytest

from butterfly_otel.process import frozen


@frozen.dataclass(frozen=True, slots=True)
class Ours:
    """One of each kind of field."""

    first: int
    second: str = "b"
    third: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    hidden: object = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def both(self) -> str:
        """Of its fields."""
        return f"{self.first}{self.second}"


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs:
    """The same of the standard library."""

    first: int
    second: str = "b"
    third: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    hidden: object = dataclasses.field(default=None, repr=False, compare=False)


@frozen.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ByName:
    """Its arguments have names, and it is shown as any object."""

    name: str
    unit: str = ""


_GIVEN: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    ((1,), {}),
    ((1, "c"), {"third": {"a": 1}}),
    ((), {"first": 1, "hidden": 5}),
    ((), {}),
    ((1, "b", {}, None, 5), {}),
    ((1,), {"first": 2}),
    ((1,), {"fourth": 2}),
)


def _outcome(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    try:
        made = cls(*args, **kwargs)
    except TypeError:
        return TypeError
    assert made == cls(*args, **kwargs)
    assert copy.copy(made) == made
    assert dataclasses.replace(made, first=7) != made
    return dataclasses.asdict(made), repr(made).removeprefix(cls.__name__), made.hidden


@pytest.mark.parametrize(("args", "kwargs"), _GIVEN)
def test_they_are_as_those_of_the_standard_library(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The same arguments make the same, or are refused."""
    assert _outcome(Ours, args, kwargs) == _outcome(Theirs, args, kwargs)


def test_they_compare_and_hash_by_their_fields() -> None:
    """Those that are not compared make no difference, and another class is never equal."""
    first, second = ByName(name="a"), ByName(name="a", unit="")
    assert (first == second, hash(first) == hash(second)) == (True, True)
    assert ByName(name="b") != first
    assert Ours(1, hidden=1) == Ours(1, hidden=2)
    assert Ours(1) != Theirs(1)


def test_they_never_change() -> None:
    """Fields can be neither set nor deleted, and there is room for no others."""
    made: Any = Ours(1)
    for name in ("first", "more"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.first
    assert (made.first, made.both, hasattr(made, "__dict__")) == (1, "1b", False)


def test_they_can_be_pickled() -> None:
    """What comes back is equal."""
    made = Ours(1, third={"a": 2})
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own


def test_places_are_refused_where_names_are_asked_for() -> None:
    """The same holds for ``kw_only``; ``repr=False`` leaves what there is."""
    made: Any = ByName
    with pytest.raises(TypeError, match="by place"):
        made("a")
    assert repr(made(name="a")).startswith("<")


def test_other_dataclasses_are_not_made_here() -> None:
    """What may change has to say so where it is read."""
    make: Any = frozen.dataclass
    with pytest.raises(TypeError, match="standard library"):
        make(frozen=False, slots=True)


def test_no_source_is_compiled_for_a_class() -> None:
    """All of them share the very same methods."""
    for name in ("__init__", "__eq__", "__hash__", "__setattr__"):
        assert inspect.getattr_static(Ours, name) is inspect.getattr_static(ByName, name)


class Pair(frozen.NamedTuple):
    """A named tuple with a default and a method."""

    first: int
    second: Literal["a", "b"] = "a"

    def both(self) -> str:
        """Of its fields."""
        return f"{self.first}{self.second}"


def test_named_tuples_are_those_of_the_standard_library() -> None:
    """Fields, defaults, methods, the types of fields and pickling are the same."""
    made = Pair(1)
    assert (made, Pair._fields, Pair._field_defaults) == (
        (1, "a"),
        ("first", "second"),
        {"second": "a"},
    )
    assert made._replace(second="b").both() == "1b"
    assert repr(made) == "Pair(first=1, second='a')"
    assert get_type_hints(Pair) == {"first": int, "second": Literal["a", "b"]}
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own
    assert (Pair.__module__, Pair.__doc__) == (
        __name__,
        "A named tuple with a default and a method.",
    )
