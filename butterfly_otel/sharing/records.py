"""What is written down: snapshots, and what the processes that have ended leave behind.

A record has a checksum and is put in place by a rename, so it is there as a whole or not at all.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Magic, the member's number, the length of the body and its checksum.
HEADER: Final = struct.Struct(">8sQQI")
_MAGIC: Final = b"bfly-sh1"
_COUNT: Final = struct.Struct(">I")
#: Bytes of one record at most; more is not one of ours.
_MOST: Final = 1 << 31


class CorruptError(ValueError):
    """These bytes are not a record."""


@dataclass(frozen=True, slots=True)
class Record:
    """A snapshot of one member.

    Attributes:
        member: Which process of its slot it is of: 1 for the first one, and so on.
        body: The snapshot.
    """

    member: int
    body: bytes

    def packed(self) -> bytes:
        """Return it as it is written and sent."""
        return HEADER.pack(_MAGIC, self.member, len(self.body), zlib.crc32(self.body)) + self.body

    @classmethod
    def unpacked(cls, data: bytes) -> Record:
        """Return what :meth:`packed` has made.

        Raises:
            CorruptError: When it has not, or not the whole of it is here.
        """
        if len(data) < HEADER.size:
            raise CorruptError("it is cut off")
        member, _ = sizes(data)
        body = data[HEADER.size :]
        _, _, length, checksum = HEADER.unpack_from(data)
        if len(body) != length or zlib.crc32(body) != checksum:
            raise CorruptError("it is cut off or damaged")
        return cls(member, body)


def sizes(header: bytes) -> tuple[int, int]:
    """Return the member and the length of the body that a header speaks of.

    Raises:
        CorruptError: When it isn't one.
    """
    magic, member, length, _ = HEADER.unpack_from(header)
    if magic != _MAGIC or length > _MOST:
        raise CorruptError("it is of another make")
    return member, length


@dataclass(frozen=True, slots=True)
class Ended:
    """What the processes that have ended leave behind.

    Attributes:
        generation: How often it was written.
        folded: By slot, the last member that is in it: those before are in it, too, since a slot
            is free again only then.
        body: What :meth:`Content.fold` made of them; None where there was nothing.
    """

    generation: int = 0
    folded: Mapping[int, int] = field(default_factory=dict[int, int])
    body: bytes | None = None

    def has(self, slot: int, member: int) -> bool:
        """Tell whether a member is in it."""
        return member <= self.folded.get(slot, 0)

    def packed(self) -> bytes:
        """Return it as it is written."""
        head = json.dumps([self.body is not None, list(self.folded.items())]).encode()
        body = _COUNT.pack(len(head)) + head + (self.body or b"")
        return Record(self.generation, body).packed()

    @classmethod
    def unpacked(cls, data: bytes) -> Ended:
        """Return what :meth:`packed` has made.

        Raises:
            CorruptError: When it has not.
        """
        record = Record.unpacked(data)
        try:
            (length,) = _COUNT.unpack_from(record.body)
            begin = _COUNT.size + length
            filled, folded = json.loads(record.body[_COUNT.size : begin])
            known = {int(slot): int(member) for slot, member in folded}
        except (struct.error, ValueError, TypeError) as error:
            raise CorruptError("its head is damaged") from error
        return cls(record.member, known, record.body[begin:] if filled else None)
