"""Where attributes and label values have led to, so that the same ones need no second look.

Python takes 1, 1.0 and True for one dictionary key; as attribute values they are three. So
values that are not exact strings are remembered by their types as well, and sequences by those
of what is in them. What is remembered holds nothing of a caller's but small plain values.
"""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# What is in a plain dict of the caller's, no type checker can tell.

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Found = TypeVar("_Found")

#: A set of attributes with more text than this, or a number of more bits, is not remembered.
_LARGEST: Final = 4096
#: How many values may be in a sequence; one within another is not remembered either.
_LONGEST: Final = 64
#: Types whose values can't change and can be told apart by type and equality.
_PLAIN: Final = frozenset({str, int, float, bool, bytes, type(None)})


class Shape:
    """Attribute keys in one order. Immutable.

    Attributes:
        keys: The attribute keys, one or more.
        width: How many they are.
        values: Returns the values of a mapping in the order of the keys: a tuple, or the
            value itself where there is one key.
    """

    __slots__ = ("keys", "values", "width")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.width = len(keys)
        self.values: Callable[[Mapping[str, Any]], Any] = itemgetter(*keys)

    def key(self, attributes: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the key of attributes that have this shape; None for any others.

        Only exact strings will do: 1, 1.0 and True are one dictionary key and three
        attribute values.
        """
        if len(attributes) != self.width or not plain(attributes):
            return None
        try:
            return self.values(attributes)
        except KeyError:
            return None

    def owns(self, key: Any) -> bool:  # noqa: ANN401
        """Tell whether a key in a stream's table is of this shape; else it is the SDK's."""
        return type(key if self.width == 1 else key[1]) is str

    def attributes(self, key: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the attributes that a key stands for."""
        return dict(zip(self.keys, (key,) if self.width == 1 else key, strict=True))


def plain(attributes: Mapping[str, Any]) -> bool:
    """Tell whether all values are exact strings."""
    for value in attributes.values():  # noqa: SIM110 - a generator costs more than all its items
        if type(value) is not str:
            return False
    return True


#: How many attributes make a look-up, the values of which, and in what.
Lookup: TypeAlias = "tuple[int, Callable[[Any], Any], dict[Any, Any]]"
#: No measurement has -1 attributes.
NO_LOOKUP: Final[Lookup] = (-1, len, {})


class Remembering(Generic[_Found]):
    """Remembers where attributes have led to. Thread-safe.

    Most measurements of an instrument have the same keys and strings for values: these are found
    by one look-up, ``_lookup``, which stands in line where somebody measures. It is replaced as
    a whole: whoever measures takes no lock. All others are in a :class:`Memory`.
    """

    __slots__ = ("_bare", "_lookup", "_memory", "_most", "_shape")

    _bare: _Found

    def _forget(self, most: int, odd: int | None = None) -> None:
        """Start with nothing remembered.

        Who has just found something must find out that it is stale before it is remembered.

        Args:
            most: How many may be found by the one look-up.
            odd: How many others are remembered, by default as many.
        """
        self._most = most
        self._lookup: Lookup = NO_LOOKUP
        self._shape: Shape | None = None
        self._memory: Memory[_Found] = Memory(most if odd is None else odd)
        # Where no attributes at all lead; not there while that is not known.
        if hasattr(self, "_bare"):
            del self._bare

    def recall(self, attributes: Any) -> _Found:  # noqa: ANN401 - of the caller's
        """Return where attributes lead that are not found by the one look-up.

        Never raises because of what it is passed.
        """
        try:
            if attributes is None or (type(attributes) is dict and not attributes):
                return self._bare
            if type(attributes) is dict:
                found = self._memory.recall(attributes)
                if found is not None:
                    return found
        except Exception:  # noqa: BLE001 - not known, or values that do anything
            return self._find_anew(attributes)
        return self._find_anew(attributes)

    def _find_anew(self, attributes: Any) -> _Found:  # noqa: ANN401 - of the caller's
        """Return where attributes lead that are not remembered."""
        raise NotImplementedError

    def _remember(self, attributes: dict[str, Any] | None, found: _Found) -> None:
        """Remember where a plain dict leads, or no attributes at all, if that can be."""
        if not attributes:
            self._bare = found
        elif not self._look_up(attributes, found):
            self._memory.remember(attributes, found)

    def _look_up(self, attributes: dict[str, Any], found: _Found) -> bool:
        """Let attributes be found by the one look-up from now on; tell whether they can be."""
        if self._shape is None:
            if not plain(attributes) or not all(type(each) is str for each in attributes):
                return False
            self._shape = Shape(tuple(attributes))
        key = self._shape.key(attributes)
        if key is None or not small(attributes):
            return False
        table = self._lookup[2]
        if self._lookup is NO_LOOKUP or len(table) >= self._most:
            # A flood: start over.
            table = {}
            self._lookup = (self._shape.width, self._shape.values, table)
        table[key] = found
        return True


class _Sequence:
    """Stands for the type of a sequence, in place of the types that a caller's values can have."""


class Memory(Generic[_Found]):
    """What was found for attributes, or for label values. Thread-safe.

    Forgotten as a whole by replacing it, so that who has just found something for what is stale
    by now can't put it into what counts from then on.

    Args:
        most: How many are remembered; when there are more, all are forgotten.
    """

    __slots__ = ("_flooded", "_found", "_most", "_seen", "_sequences")

    def __init__(self, most: int) -> None:
        self._found: dict[Any, _Found] = {}
        self._most = most
        self._sequences = False
        self._flooded = False
        # The hashes of label values that came once since then.
        self._seen: set[int] = set()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._found)

    def recall(self, attributes: dict[Any, Any]) -> _Found | None:
        """Return what was remembered for a plain dict.

        Raises:
            Exception: Whatever a key or value of the caller's raises.
        """
        values = attributes.values()
        if self._sequences:
            kinds = (*map(type, values),)
            if list in kinds or tuple in kinds:
                parts, types = _parts(values)
                return self._found.get(((*attributes, *parts), *types))
        flat = (*attributes, *values)
        found = self._found.get(flat)
        if found is not None:
            return found
        return self._found.get((flat, *map(type, values)))

    def recall_values(self, values: tuple[object, ...]) -> _Found | None:
        """Return what was remembered for label values, which are no sequences.

        Raises:
            Exception: Whatever a value of the caller's raises.
        """
        return self._found.get((values, *map(type, values)))

    def remember(self, attributes: dict[Any, Any], found: _Found) -> None:
        """Remember what was found for a plain dict, if it can be."""
        types: list[type] = []
        for key, value in attributes.items():
            # Of keys, 1 and True are one to Python, and become two.
            if type(key) is not str:
                return
            types.append(type(value))
        values: Iterable[Any] = attributes.values()
        if list in types or tuple in types:
            values, types = _parts(values)
            self._sequences = True
        if _can_be_kept(values, types):
            flat = (*attributes, *values)
            strings = types.count(str) == len(types)
            self._put(flat if strings else (flat, *types), found)

    def remember_values(self, values: tuple[object, ...], found: _Found) -> None:
        """Remember what was found for label values, if it can be.

        Once there have been too many, only what comes a second time: of values that are new each
        time, the rest would be thrown away anyway.
        """
        left = _LARGEST
        for value in values:
            if value is None:
                continue
            if type(value) is str:
                left -= len(value)
            elif type(value) in _PLAIN:
                left -= _size(value)
            else:
                return
        if left < 0:
            return
        if self._flooded:
            seen, number = self._seen, hash(values)
            if number not in seen:
                if len(seen) >= self._most:
                    seen.clear()
                seen.add(number)
                return
        self._put((values, *map(type, values)), found)

    def _put(self, key: Any, found: _Found) -> None:  # noqa: ANN401
        if len(self._found) >= self._most:
            # A flood: start over.
            self._found = {}
            self._flooded = True
        self._found[key] = found


def _parts(values: Iterable[Any]) -> tuple[list[Any], list[type]]:
    """Return values as they are remembered, and their types."""
    parts: list[Any] = []
    types: list[type] = []
    for value in values:
        kind = type(value)
        if kind is list or kind is tuple:
            value = (*value, *map(type, value))  # noqa: PLW2901
            kind = _Sequence
        parts.append(value)
        types.append(kind)
    return parts, types


def _can_be_kept(parts: Iterable[Any], types: Iterable[type]) -> bool:
    """Tell whether parts of a key are plain and small."""
    left = _LARGEST
    for part, kind in zip(parts, types):  # noqa: B905 - it costs
        if kind is str:
            left -= len(part)
        elif kind is _Sequence:
            half = len(part) // 2
            if half > _LONGEST or not _can_be_kept(part[:half], part[half:]):
                return False
            left -= sum(map(_size, part[:half]))
        elif kind in _PLAIN:
            left -= _size(part)
        else:
            return False
    return left >= 0


def small(attributes: Mapping[str, str]) -> bool:
    """Tell whether strings are short enough to be kept."""
    return sum(map(len, attributes.values())) <= _LARGEST


def _size(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, (str, bytes)):
        return len(value)
    return value.bit_length() if isinstance(value, int) else 1
