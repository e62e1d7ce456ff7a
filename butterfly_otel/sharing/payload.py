"""What one process tells the others: lines of JSON, three a record.

A record is some hundred series of one metric, or one family of a collector that is not ours. Its
first line says which they are and stays the same, byte for byte, while they do, so that whoever
reads it needs to look at it only once; the second has their values, the third their exemplars.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from butterfly_otel.errors import ButterflyOtelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Changes with what is in a payload: another version's is left out, and that is told.
VERSION = 1
#: Series a record may have.
CHUNK = 500

_FORMAT = "butterfly-otel processes"
_LINES = 3


class PayloadError(ButterflyOtelError):
    """Bytes are no payload of this version."""


class Record(NamedTuple):
    """Some series.

    Attributes:
        layout: Which they are, as JSON.
        values: Their values, in that order.
        exemplars: Their exemplars; empty where there are none.
    """

    layout: bytes
    values: bytes
    exemplars: bytes = b""


class Payload(NamedTuple):
    """All that one process tells.

    Attributes:
        leads: Whether its hardware collectors are those of the node.
        records: What it has measured.
    """

    leads: bool
    records: list[Record]


def write(payload: Payload) -> bytes:
    """Return a payload as bytes."""
    head = {"format": _FORMAT, "version": VERSION, "leads": payload.leads}
    lines = [dumps(head), *(line for record in payload.records for line in record)]
    return b"\n".join(lines)


def read(data: bytes) -> Payload:
    """Return the payload of some bytes.

    Raises:
        PayloadError: When they are none, or one of another version.
    """
    lines = bytes(data).split(b"\n")
    try:
        head = json.loads(lines[0])
        fits = head["format"] == _FORMAT and head["version"] == VERSION
        leads = bool(head["leads"])
    except (ValueError, KeyError, TypeError) as error:
        raise PayloadError("what a process has told of its metrics can't be read") from error
    if not fits:
        raise PayloadError("what a process has told of its metrics is of another release")
    if len(lines) % _LINES != 1:
        raise PayloadError("what a process has told of its metrics is not whole")
    rest = iter(lines[1:])
    return Payload(leads, [Record(*each) for each in zip(rest, rest, rest, strict=True)])


def dumps(content: object) -> bytes:
    """Return JSON of one line."""
    return _encode(content).encode()


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
loads = json.loads


def packed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON has them, the types of their values kept."""
    return {str(key): _packed(value) for key, value in attributes.items()}


def _packed(value: Any) -> Any:  # noqa: ANN401 - of OpenTelemetry's AnyValue
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"mapping": packed(value)}  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return {"sequence": [_packed(each) for each in value]}  # pyright: ignore[reportUnknownVariableType]
    return str(value)


def unpacked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes that were packed."""
    return {key: _unpacked(value) for key, value in attributes.items()}


def _unpacked(value: Any) -> Any:  # noqa: ANN401 - of JSON
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()  # pyright: ignore[reportUnknownVariableType]
    if kind == "bytes":
        return b64decode(content)  # pyright: ignore[reportUnknownArgumentType]
    if kind == "mapping":
        return unpacked(content)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(_unpacked(each) for each in content)  # pyright: ignore[reportUnknownVariableType]


def text_of(row: Mapping[str, Any]) -> str:
    """Return what tells packed attributes from any others."""
    return _ordered(row)


_ordered = json.JSONEncoder(sort_keys=True, check_circular=False).encode


def runs(values: Iterable[int]) -> list[list[int]]:
    """Return numbers that mostly repeat as pairs of one and how often."""
    return [[value, sum(1 for _ in each)] for value, each in groupby(values)]


def unrolled(pairs: Iterable[Sequence[int]]) -> list[int]:
    """Return the numbers again."""
    return [value for value, count in pairs for _ in range(count)]
