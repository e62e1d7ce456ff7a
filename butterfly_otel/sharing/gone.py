"""What only grows in families of collectors that are not ours, of processes that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.exact import kept, rounded
from butterfly_otel.sharing.families import Part, keys_of, part_of
from butterfly_otel.sharing.foreign import ADDED
from butterfly_otel.sharing.parted import DEFAULT_LIMIT
from butterfly_otel.sharing.payload import CHUNK, Record, dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.samples import Exemplar

_Key = tuple[str, tuple[tuple[str, str], ...]]
#: Samples of one family that are kept: of what prometheus_client has, nothing is limited.
_MOST = 20 * DEFAULT_LIMIT


class GoneFamily:
    """One family of processes that have ended.

    Args:
        head: Its name, type, help and unit.
    """

    def __init__(self, head: Sequence[str]) -> None:
        self._head = head
        self._values: dict[_Key, Any] = {}
        self._parted: set[_Key] = set()
        self._exemplars: dict[_Key, Exemplar] = {}

    def take(
        self,
        content: dict[str, Any],
        values: Any,  # noqa: ANN401 - of JSON
        exemplars: bytes,
    ) -> None:
        """Add what a process had, if it only grows.

        Raises:
            Exception: Whatever is wrong with it.
        """
        if self._head[1] not in ADDED:
            return
        part: Part = part_of(None, content, keys_of(content), values, exemplars)
        for index, (key, value) in enumerate(zip(part.keys, part.values, strict=True)):
            known = self._values.get(key)
            if known is None and len(self._values) >= _MOST:
                log_once(f"the metric {self._head[0]} of processes that have ended is too large")
                continue
            if known is None:
                self._values[key] = value
            elif key[0].endswith("_created"):
                self._values[key] = min(rounded(known), rounded(value))
            else:
                self._values[key] = kept((known, value))
            if part.parted:
                self._parted.add(key)
            else:
                self._parted.discard(key)
            if index in part.exemplars:
                self._exemplars[key] = part.exemplars[index]

    def records(self) -> Iterator[Record]:
        """Yield what is kept."""
        for parted in (False, True):
            keys = [key for key in self._values if (key in self._parted) == parted]
            for at in range(0, len(keys), CHUNK):
                yield self._record(keys[at : at + CHUNK], parted=parted)

    def _record(self, keys: list[_Key], *, parted: bool) -> Record:
        samples = [[name, dict(labels)] for name, labels in keys]
        layout = {"family": self._head, "mode": None, "samples": samples, "parted": parted}
        found = [
            [index, each.labels, each.value, each.timestamp]
            for index, key in enumerate(keys)
            if (each := self._exemplars.get(key)) is not None
        ]
        values = dumps([[self._values[key] for key in keys], [], None])
        return Record(dumps(layout), values, dumps(found) if found else b"")
