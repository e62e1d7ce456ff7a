"""Shapes: what the attribute keys of a stream's series have in common.

Practically all series of a stream have the same attribute keys, all with strings for values.
Then the values alone tell series apart: as a key they take a tenth of the memory of the
SDK's, and one call finds them in a measurement's attributes.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from butterfly_otel.engine.sdk_internals import hash_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
    return all(type(value) is str for value in attributes.values())


class Keyed:
    """What tells series apart by the shape of the first one that has a shape. Thread-safe.

    Attributes:
        shape: The attribute keys of most series; None until the first that has any.
    """

    shape: Shape | None = None

    def identify(self, kept: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any] | None]:
        """Return the key of attributes, and what of them the key and the shape do not say."""
        if self.shape is None and kept and plain(kept):
            # In one step: of two threads, the first decides.
            vars(self).setdefault("shape", Shape(tuple(kept)))
        key = None if self.shape is None else self.shape.key(kept)
        return (hash_attributes(kept), kept) if key is None else (key, None)

    def attributes_of(self, key: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Return the attributes that a key of the shape stands for."""
        return {} if self.shape is None else self.shape.attributes(key)
