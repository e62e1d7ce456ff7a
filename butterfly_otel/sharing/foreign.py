"""Records of what collectors that are not ours have: prometheus_client's own, and others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.parted import DEFAULT_LIMIT
from butterfly_otel.sharing.payload import Record, dumps, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric
    from prometheus_client.registry import Collector
    from prometheus_client.samples import Sample

#: Types whose samples are added.
ADDED = frozenset({"counter", "histogram", "summary"})
_CREATED = "_created"

_Key = tuple[str, tuple[tuple[str, str], ...]]
Counted = Mapping[tuple[str, str], Mapping[_Key, float]]


def own_files() -> bool:
    """Tell whether prometheus_client keeps its metrics in files that all processes share."""
    values: Any = sys.modules.get("prometheus_client.values")
    return bool(getattr(getattr(values, "ValueClass", None), "_multiprocess", False))


def reads_files(collector: object) -> bool:
    """Tell whether a collector reads such files: what it has is that of all processes."""
    reader: Any = getattr(
        sys.modules.get("prometheus_client.multiprocess"), "MultiProcessCollector", None
    )
    return reader is not None and isinstance(collector, reader)


def is_told(collector: object) -> bool:
    """Tell whether what a collector has is to be told to others: not what is in files anyway."""
    in_files = own_files() and is_own(collector)
    return not in_files and not reads_files(collector)


def is_own(collector: object) -> bool:
    """Tell whether a collector is one of prometheus_client's own metrics."""
    wrapper: Any = getattr(sys.modules.get("prometheus_client.metrics"), "MetricWrapperBase", None)
    return wrapper is not None and isinstance(collector, wrapper)


def mode_of(collector: object) -> str | None:
    """Return how prometheus_client is to merge a gauge; None of what is none of its own."""
    mode = getattr(collector, "_multiprocess_mode", None)
    return mode if isinstance(mode, str) else None


def counted(collectors: Iterable[Collector]) -> Counted:
    """Return what prometheus_client's own metrics have counted, by name and type of the family.

    To be called right before a fork: in the child they go on from where they were in its parent,
    which tells of that itself. The child could not ask: their locks may be held for ever there.
    """
    found: dict[tuple[str, str], dict[_Key, float]] = {}
    module: Any = sys.modules.get("prometheus_client.metrics")
    # Not gauges: they may call functions of the application's, which may take their time.
    growing = (module.Counter, module.Histogram, module.Summary) if module else ()
    for collector in () if own_files() else collectors:
        if isinstance(collector, growing):
            for metric in collector.collect():
                family = found.setdefault((metric.name, metric.type), {})
                family.update((_key(each), each.value) for each in metric.samples)
    return found


class ForeignCapture:
    """Makes records of families, and remembers what only grows. Not thread-safe.

    Args:
        inherited: What a forked child has of its parent, as :func:`counted` found it.
    """

    def __init__(self, inherited: Counted | None = None) -> None:
        self._inherited = inherited or {}
        self._growing: dict[tuple[str, str], _Growing] = {}
        # When each sample of what may differ by process was seen to change.
        self._changes: dict[tuple[str, str], dict[_Key, tuple[float, int]]] = {}

    def records(self, found: Iterable[tuple[object, Sequence[Metric]]], now: int) -> list[Record]:
        """Return the records of what collectors have.

        Args:
            found: Collectors and their families.
            now: In nanoseconds since the epoch.
        """
        records: list[Record] = []
        met: set[tuple[str, str]] = set()
        for collector, families in found:
            for metric in families:
                try:
                    key = (metric.name, metric.type)
                    inherited: Mapping[_Key, float] = {}
                    if is_own(collector):
                        inherited = self._inherited.get(key, inherited)
                    again = key in met
                    records += self._family(metric, mode_of(collector), now, inherited, again=again)
                    met.add(key)
                except Exception as error:  # noqa: BLE001, PERF203 - somebody else's metric
                    name = str(getattr(metric, "name", metric))
                    log_once(f"the metric {name} can't be shared with other processes", error=error)
        for key, growing in self._growing.items():
            if key not in met:
                # Its collector was late or raised: its totals must not be missing from the sum.
                records += growing.follow({})
        return records

    def _family(
        self,
        metric: Metric,
        mode: str | None,
        now: int,
        inherited: Mapping[_Key, float],
        *,
        again: bool,
    ) -> list[Record]:
        samples = [each for each in metric.samples if not getattr(each, "native_histogram", None)]
        head = [metric.name, metric.type, metric.documentation, metric.unit]
        keys = [_key(each) for each in samples]
        values = [each.value for each in samples]
        if inherited and metric.type in ADDED:
            values = [
                _own_part(key, value, inherited) for key, value in zip(keys, values, strict=True)
            ]
        times: list[int] = []
        key = (metric.name, metric.type)
        if metric.type not in ADDED:
            times = self._times(key, dict(zip(keys, values, strict=True)), now)
        at = [None if each.timestamp is None else float(each.timestamp) for each in samples]
        stamped = at if any(each is not None for each in at) else None
        record = Record(
            _layout(head, mode, keys),
            dumps([values, runs(times), stamped]),
            _exemplars(samples),
        )
        if metric.type not in ADDED or again:
            return [record]
        growing = self._growing.setdefault(key, _Growing(head))
        return [record, *growing.follow(dict(zip(keys, values, strict=True)))]

    def _times(self, name: tuple[str, str], values: Mapping[_Key, float], now: int) -> list[int]:
        before = self._changes.get(name, {})
        after: dict[_Key, tuple[float, int]] = {}
        for key, value in values.items():
            known = before.get(key)
            same = known is not None and known[0] == value
            after[key] = known if known is not None and same else (value, now)
        self._changes[name] = after
        return [time // 1_000_000 for _, time in after.values()]


class _Growing:
    """One family of what only grows: the totals of series that are not there any more."""

    def __init__(self, head: list[str]) -> None:
        self._head = head
        self._last: Mapping[_Key, float] = {}
        self._parted: dict[_Key, float] = {}
        self._records: list[Record] = []

    def follow(self, present: Mapping[_Key, float]) -> list[Record]:
        """Take notice of what there is; return the record of what is not there any more."""
        gone = self._last.keys() - present.keys()
        back = present.keys() & self._parted.keys() if self._parted else ()
        for key in gone:
            if not key[0].endswith(_CREATED):
                self._parted[key] = self._parted.get(key, 0) + self._last[key]
        for key in back:
            # Less than it was: it has begun anew. Else it has been there all the time.
            if key not in self._last and present[key] >= self._parted[key]:
                del self._parted[key]
        while len(self._parted) > DEFAULT_LIMIT:
            del self._parted[next(iter(self._parted))]
        self._last = present
        if not self._parted:
            return []
        keys = list(self._parted)
        values = [self._parted[key] for key in keys]
        return [Record(_layout(self._head, None, keys, parted=True), dumps([values, [], None]))]


def _layout(
    head: Sequence[str], mode: str | None, keys: Sequence[_Key], *, parted: bool = False
) -> bytes:
    samples = [[name, dict(labels)] for name, labels in keys]
    return dumps({"family": head, "mode": mode, "samples": samples, "parted": parted})


def _own_part(key: _Key, value: float, inherited: Mapping[_Key, float]) -> float:
    """Return what a forked child has added itself, unless it has begun anew."""
    before = 0 if key[0].endswith(_CREATED) else inherited.get(key, 0)
    return value - before if value >= before else value


def _key(sample: Sample) -> _Key:
    return sample.name, tuple(sorted(sample.labels.items()))


def _exemplars(samples: Sequence[Sample]) -> bytes:
    found = [
        [index, each.exemplar.labels, each.exemplar.value, _seconds(each.exemplar.timestamp)]
        for index, each in enumerate(samples)
        if each.exemplar
    ]
    return dumps(found) if found else b""


def _seconds(time: Any) -> float | None:  # noqa: ANN401 - a number or a Timestamp
    return None if time is None else float(time)
