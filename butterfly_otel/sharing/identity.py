"""Which metric a record is of, and what is said of its series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from butterfly_otel.sharing.payload import dumps, loads, runs, unpacked, unrolled

Kind: TypeAlias = Literal["counter", "up_down_counter", "gauge", "histogram", "exponential"]

#: What only grows, so that the totals of processes that are gone stay.
GROWING: frozenset[str] = frozenset({"counter", "histogram", "exponential"})


class Identity(NamedTuple):
    """What has to be the same for values of several processes to be of one metric.

    Attributes:
        scope: The instrumentation scope, as JSON.
        name: The metric's name.
        unit: Its unit.
        kind: What it measures by.
    """

    scope: str
    name: str
    unit: str
    kind: Kind


@dataclass(slots=True)
class Layout:
    """The first line of a record: which series it has.

    Attributes:
        identity: The metric.
        description: Its description.
        rows: The packed attributes of each series.
        starts: When each began, in nanoseconds since the epoch.
        stamps: When each was first told of, likewise: this orders them where there are too many.
        bounds: Bucket boundaries of a histogram.
        limit: How many series the metric may have; None where that is not known.
        non_negative: Whether no value is negative.
        parted: Whether the series have left their process, which had these totals then.
        lasts: Of processes that have ended, when the last one that had each did so, in
            nanoseconds since the epoch; empty where that doesn't matter.
    """

    identity: Identity
    description: str
    rows: list[dict[str, Any]]
    starts: list[int]
    stamps: list[int]
    bounds: tuple[float, ...] = ()
    limit: int | None = None
    non_negative: bool = False
    parted: bool = False
    lasts: list[int] = field(default_factory=list[int])

    def line(self) -> bytes:
        """Return it as JSON."""
        keys = _shared_keys(self.rows)
        rows: list[Any] = self.rows
        if keys is not None:
            rows = [list(row.values()) for row in self.rows]
        return dumps(
            {
                "metric": self.identity,
                "description": self.description,
                "bounds": self.bounds,
                "limit": self.limit,
                "non_negative": self.non_negative,
                "parted": self.parted,
                "keys": keys,
                "rows": rows,
                "starts": runs(self.starts),
                "stamps": runs(self.stamps),
                **({"lasts": runs(self.lasts)} if self.lasts else {}),
            }
        )


def layout_of(content: dict[str, Any]) -> Layout:
    """Return a layout of its JSON.

    Raises:
        Exception: Whatever is wrong with it.
    """
    keys, rows = content["keys"], content["rows"]
    made = Layout(
        Identity(*content["metric"]),
        content["description"],
        rows if keys is None else [dict(zip(keys, row, strict=True)) for row in rows],
        unrolled(content["starts"]),
        unrolled(content["stamps"]),
        tuple(content["bounds"]),
        content["limit"],
        content["non_negative"],
        content["parted"],
        unrolled(content.get("lasts", ())),
    )
    if not len(made.rows) == len(made.starts) == len(made.stamps):
        raise ValueError("a record's series and what is said of them are not as many")
    return made


def attributes_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a row."""
    for value in row.values():
        if type(value) is dict:
            return unpacked(row)
    return row


def is_family(content: dict[str, Any]) -> bool:
    """Tell whether a record is of a collector that is not ours."""
    return "family" in content


def parsed(layout: bytes) -> dict[str, Any]:
    """Return the JSON of a first line."""
    content: dict[str, Any] = loads(layout)
    return content


def _shared_keys(rows: list[dict[str, Any]]) -> list[str] | None:
    """Return the attribute keys where all rows have the same, in the same order."""
    if not rows:
        return None
    first = list(rows[0])
    return first if all(list(row) == first for row in rows) else None
