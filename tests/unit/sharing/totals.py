"""A content that is one counter and one gauge, and programs that carry it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from butterfly_otel.sharing.family import find_family
from butterfly_otel.sharing.group import Group
from butterfly_otel.sharing.place import find_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from butterfly_otel.sharing.content import Gathered


class Totals:
    """Counts; what has ended keeps its count and loses its gauge."""

    def __init__(self) -> None:
        self.count = 0
        self.gauge = 1
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        """Count."""
        with self._lock:
            self.count += count

    def snapshot(self) -> bytes:
        """Return both."""
        return json.dumps([self.count, self.gauge]).encode()

    def fold(self, ended: bytes | None, dead: Sequence[bytes]) -> bytes:
        """Return the sum of the counts."""
        before = 0 if ended is None else json.loads(ended)[0]
        return json.dumps([before + sum(json.loads(each)[0] for each in dead), 0]).encode()


def total(gathered: Gathered) -> tuple[int, int]:
    """Return the count and the gauge of all."""
    parts = [json.loads(each) for each in gathered.members.values()]
    if gathered.ended is not None:
        parts.append(json.loads(gathered.ended))
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def joined(
    base: Path,
    totals: Totals,
    *,
    name: str = "",
    address: tuple[str, int] | None = None,
    on_lead: Callable[..., None] = lambda _listeners: None,
    on_yield: Callable[[], None] = lambda: None,
) -> Group:
    """Return a group in a directory of the test, not started."""
    place = find_place(find_family(name), ("node",), address, base)
    return Group(place, totals, on_lead, on_yield)
