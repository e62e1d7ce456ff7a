"""What collectors that are not ours have in several processes, as one family each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import Metric
from prometheus_client.samples import Exemplar, Sample

from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.exact import flat, rounded, total
from butterfly_otel.sharing.foreign import ADDED
from butterfly_otel.sharing.payload import loads, unrolled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from butterfly_otel.catalog.model import Across
    from butterfly_otel.sharing.modes import Modes

#: The label that tells the processes of a node apart where nothing else does.
WORKER = "worker"

_Key = tuple[str, tuple[tuple[str, str], ...]]
#: The process, None for those that have ended; its first line, and the JSON of that; its values
#: and exemplars.
Told = tuple["int | None", bytes, "dict[str, Any]", Any, bytes]


class Part(NamedTuple):
    """What one process has of a family.

    Attributes:
        slot: The process; None for those that have ended.
        mode: How prometheus_client is to merge a gauge, where it says so.
        parted: Whether these series have left the process.
        keys: The name and the labels of each sample.
        values: Their values.
        times: When each was seen to change.
        stamped: The timestamps of the samples, where they have any.
        exemplars: By the index of the sample.
    """

    slot: int | None
    mode: str | None
    parted: bool
    keys: list[_Key]
    values: list[Any]
    times: list[int]
    stamped: list[float | None] | None
    exemplars: dict[int, Exemplar]


#: What prometheus_client calls them.
_MODES: dict[Across, str] = {
    "sum": "sum",
    "max": "max",
    "min": "min",
    "latest": "mostrecent",
    "each": "all",
    "node": "mostrecent",
}


class Families:
    """Merges families again and again. Not thread-safe.

    Args:
        modes: How gauges are merged of which somebody has said it.
    """

    def __init__(self, modes: Modes) -> None:
        self._modes = modes
        self._keys: dict[bytes, list[_Key]] = {}

    def merge(self, told: Iterable[Told]) -> list[Metric]:
        """Return the families of all processes, each once."""
        before, self._keys = self._keys, {}
        parts: dict[tuple[str, str], list[Part]] = {}
        heads: dict[tuple[str, str], Sequence[str]] = {}
        for slot, layout, content, values, exemplars in told:
            head = content["family"]
            name = (head[0], head[1])
            heads.setdefault(name, head)
            keys = before.get(layout) or keys_of(content)
            self._keys[layout] = keys
            try:
                parts.setdefault(name, []).append(part_of(slot, content, keys, values, exemplars))
            except Exception as error:  # noqa: BLE001 - one family must not cost the others
                log_once(f"the metric {head[0]} of a process is not shown", error=error)
        return [
            found
            for name, each in parts.items()
            if (found := _family(heads[name], each, self._modes.own(name[0]))) is not None
        ]


def keys_of(content: dict[str, Any]) -> list[_Key]:
    """Return what tells the samples of a record apart."""
    return [(name, tuple(sorted(labels.items()))) for name, labels in content["samples"]]


def part_of(
    slot: int | None,
    content: dict[str, Any],
    keys: list[_Key],
    values: Any,  # noqa: ANN401 - of JSON
    exemplars: bytes,
) -> Part:
    """Return what a record has.

    Raises:
        Exception: Whatever is wrong with it.
    """
    given, times, stamped = values
    if len(given) != len(keys):
        raise ValueError("a record's samples and values are not as many")
    found = loads(exemplars) if exemplars else ()
    return Part(
        *(slot, content["mode"], content["parted"], keys, given, unrolled(times), stamped),
        {index: Exemplar(labels, value, time) for index, labels, value, time in found},
    )


def _family(head: Sequence[str], parts: Sequence[Part], own: Across | None) -> Metric | None:
    name, kind, documentation, unit = head
    made = Metric(name, documentation, kind)
    made.unit = unit
    if kind in ADDED:
        made.samples = added(kind, parts)
    else:
        living = [each for each in parts if each.slot is not None]
        made.samples = _chosen(living, _mode(name, kind, living) if own is None else _MODES[own])
    return made if made.samples else None


def added(kind: str, parts: Sequence[Part]) -> list[Sample]:
    """Return the sums of what only grows, of histograms at the boundaries that all have."""
    values: dict[_Key, list[Any]] = {}
    exemplars: dict[_Key, Exemplar] = {}
    present = _present(parts)
    having: dict[_Key, int] = {}
    for part in parts:
        for base in {_base(kind, key) for key in part.keys} if kind == "histogram" else ():
            having[base] = having.get(base, 0) + 1
        for index, (key, value) in enumerate(zip(part.keys, part.values, strict=True)):
            if kind == "summary" and any(label == "quantile" for label, _ in key[1]):
                continue
            values.setdefault(key, []).append(value)
            exemplar = part.exemplars.get(index)
            if exemplar is not None and _later(exemplar, exemplars.get(key)):
                exemplars[key] = exemplar
    found: list[Sample] = []
    for key, each in values.items():
        name, labels = key
        if key not in present:
            continue
        if (
            name.endswith("_bucket")
            and kind == "histogram"
            and len(each) < having[_base(kind, key)]
        ):
            continue
        value = min(map(rounded, each)) if name.endswith("_created") else _sum(each)
        found.append(Sample(name, dict(labels), value, None, exemplars.get(key)))
    return found


def _present(parts: Sequence[Part]) -> set[_Key]:
    """Return what is shown: not what has left a process and is in none any more."""
    living: set[_Key] = set()
    parted: set[_Key] = set()
    gone: set[_Key] = set()
    for each in parts:
        (parted if each.parted else gone if each.slot is None else living).update(each.keys)
    return living | (gone - parted)


def _base(kind: str, key: _Key) -> _Key:
    """Return the series of a sample."""
    del kind
    return "", tuple(pair for pair in key[1] if pair[0] != "le")


def _sum(values: Sequence[Any]) -> float:
    return total(flat(values))


def _later(one: Exemplar, other: Exemplar | None) -> bool:
    return other is None or float(other.timestamp or 0) <= float(one.timestamp or 0)


def _mode(name: str, kind: str, parts: Sequence[Part]) -> str:
    """Return how what is not a sum is merged, in prometheus_client's words."""
    if kind in {"info", "stateset"} or _tells(name, parts):
        return "mostrecent"
    modes = {each.mode for each in parts}
    mode = (modes.pop() if len(modes) == 1 else None) or "all"
    return mode.removeprefix("live")


def _chosen(parts: Sequence[Part], mode: str) -> list[Sample]:
    """Return what is not a sum: one series of all processes, or one a process."""
    if mode == "all":
        return [
            Sample(key[0], {**dict(key[1]), WORKER: str(part.slot)}, value, at)
            for part in parts
            for key, value, at in _rows(part)
        ]
    found: dict[_Key, list[tuple[int, Any, float | None]]] = {}
    for part in parts:
        times = part.times or [0] * len(part.keys)
        for (key, value, at), time in zip(_rows(part), times, strict=True):
            found.setdefault(key, []).append((time, value, at))
    return [Sample(key[0], dict(key[1]), *_one(mode, each)) for key, each in found.items()]


def _rows(part: Part) -> list[tuple[_Key, Any, float | None]]:
    stamped = part.stamped or [None] * len(part.keys)
    return list(zip(part.keys, part.values, stamped, strict=True))


def _one(mode: str, values: Sequence[tuple[int, Any, float | None]]) -> tuple[Any, float | None]:
    if mode == "sum":
        return total([value for _, value, _ in values]), None
    if mode in {"max", "min"}:
        # A value that is not a number says nothing, unless it is the only one.
        known = [each for each in values if each[1] == each[1]] or values
        _, value, at = (max if mode == "max" else min)(known, key=lambda each: each[1])
        return value, at
    time, value, at = values[0]
    for each in values[1:]:
        if each[0] >= time:
            time, value, at = each
    return value, at


def _tells(name: str, parts: Sequence[Part]) -> bool:
    """Tell whether a gauge merely tells something by its labels, as ``python_info`` does."""
    return name.endswith("_info") and all(value == 1 for part in parts for value in part.values)
