"""What the page is told of a node beside its metrics: who it is, and how its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Part:
    """A collector, an exporter, or one of several processes.

    Attributes:
        name: What it is called.
        ok: Whether it works; None where that is not known yet.
        tells: What it does, or where it exports to, in a few words without a secret.
        error: The last error, as it was logged; None where there was none.
        error_at: When that was, in seconds since 1970.
    """

    name: str
    ok: bool | None
    tells: str = ""
    error: str | None = None
    error_at: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """How a node is at the moment.

    Attributes:
        node_id: Its name.
        node_role: Its role.
        about: More about it, in the order in which it is shown.
        uptime: Seconds since it was configured.
        exporters: How its metrics leave.
        collectors: What reads its hardware.
        processes: The processes that make up the node, where there may be several.
    """

    node_id: str
    node_role: str
    about: Mapping[str, str]
    uptime: float
    exporters: tuple[Part, ...] = ()
    collectors: tuple[Part, ...] = ()
    processes: tuple[Part, ...] = ()
