"""The messages that all kinds of metrics are made of, and the tags of their fields."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from butterfly_otel.exporters.prometheus.model.exemplars import labelled
from butterfly_otel.exporters.wire import UINT64_MAX, delimited, pack_double, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.engine.cells import Cell
    from butterfly_otel.exporters.prometheus.model.blocks import Block
    from butterfly_otel.exporters.prometheus.model.series import SeriesExemplar

#: ``MetricFamily.type``.
TYPES: Final[Mapping[str, int]] = {
    "counter": 0,
    "gauge": 1,
    "info": 1,
    "stateset": 1,
    "summary": 2,
    "unknown": 3,
    "untyped": 3,
    "histogram": 4,
    "gaugehistogram": 5,
}
#: Fields of ``Metric`` that hold one number.
NUMBERS: Final[Mapping[int, bytes]] = {0: b"\x1a", 1: b"\x12", 3: b"\x2a"}
COUNTER: Final = NUMBERS[0]
#: ``MetricFamily.metric``, ``Metric.label``, and where a message has one number, that.
METRIC: Final = b"\x22"
LABEL: Final = b"\x0a"
VALUE: Final = b"\x09"
#: ``Counter.exemplar`` and ``Bucket.exemplar``.
COUNTER_EXEMPLAR: Final = b"\x12"
BUCKET_EXEMPLAR: Final = b"\x1a"
#: Where messages have the time at which a series began.
COUNTER_START: Final = b"\x1a"
SUMMARY_START: Final = b"\x22"
HISTOGRAM_START: Final = b"\x7a"

_NAME, _TEXT = b"\x0a", b"\x12"
_EXEMPLAR_VALUE, _EXEMPLAR_TIME = b"\x11", b"\x1a"
_BILLION = 1_000_000_000


def family(name: str, kind: int, help_text: str, unit: str, metrics: list[bytes]) -> bytes:
    """Return a family as it is written out: its length before it.

    Args:
        name: Its name, which is that of its samples.
        kind: One of :data:`TYPES`.
        help_text: The HELP text, unescaped.
        unit: The unit, only where the name ends in it: Prometheus refuses any other.
        metrics: Its metrics, each a field of it.
    """
    content = [delimited(_NAME, name.encode())]
    if help_text:
        content.append(delimited(b"\x12", help_text.encode()))
    content.append(b"\x18%c" % kind)
    if unit:
        content.append(delimited(b"\x2a", unit.encode()))
    content += metrics
    return b"".join((varint(sum(map(len, content))), *content))


def unit_of(name: str, unit: str) -> str:
    """Return the unit of a family that may say so."""
    return unit if unit and name.removesuffix("_total").endswith(f"_{unit}") else ""


def labels(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return labels, of a metric or of an exemplar."""
    return b"".join([label(name, value) for name, value in pairs])


def label(name: str, value: str) -> bytes:
    """Return one of them."""
    return delimited(LABEL, delimited(_NAME, name.encode()) + delimited(_TEXT, value.encode()))


def labels_of(block: Block, cells: Sequence[Cell]) -> list[bytes]:
    """Return the labels of many cells of a block."""
    found = block.columns(cells)
    if found is None:
        return [labels(block.labels(cell)) for cell in cells]
    constant, columns = found
    packed: dict[str, list[bytes]] = {
        name: [label(name, value)] * len(cells) for name, value in constant
    }
    for name, values in columns.items():
        # Most values are those of many series.
        known = {value: label(name, value) for value in set(values)}
        packed[name] = [*map(known.__getitem__, values)]
    return [*map(b"".join, zip(*(packed[name] for name in sorted(packed)), strict=True))]


def double(value: float) -> bytes:
    """Return the eight bytes of any number; integers beyond all doubles are infinite."""
    try:
        return pack_double(value)
    except OverflowError:
        return pack_double(inf if value > 0 else -inf)


def doubles(values: list[float]) -> list[bytes]:
    """Return the same of many."""
    try:
        return [*map(pack_double, values)]
    except OverflowError:
        return [*map(double, values)]


def timestamp(tag: bytes, nanoseconds: int) -> bytes:
    """Return a time, in nanoseconds since the epoch; nothing where it is unknown."""
    if not nanoseconds:
        return b""
    seconds, rest = divmod(nanoseconds, _BILLION)
    return delimited(tag, b"\x08" + varint(seconds & UINT64_MAX) + b"\x10" + varint(rest))


def exemplar(tag: bytes, sampled: SeriesExemplar) -> bytes:
    """Return an exemplar."""
    return delimited(tag, sampled.packed or _exemplar(sampled))


def _exemplar(sampled: SeriesExemplar) -> bytes:
    content = labels(labelled(sampled).labels) + _EXEMPLAR_VALUE + double(sampled.value)
    return content + timestamp(_EXEMPLAR_TIME, sampled.time_unix_nano)
