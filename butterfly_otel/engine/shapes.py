"""Shapes: what the attribute keys of a stream's series have in common.

Practically all series of a stream have the same attribute keys, all with strings for values.
Then the values alone tell series apart: as a key they take a tenth of the memory of the
SDK's, and one call finds them in a measurement's attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.engine.sdk_internals import hash_attributes
from butterfly_otel.process.remembered import Shape, plain

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["Keyed", "Shape"]


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
