"""Handles that measure: attached to a provider's instruments, and detached again."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from butterfly_otel import catalog, metrics
from butterfly_otel.enforcement.fewer import Fewer
from butterfly_otel.enforcement.guarded import Synchronous
from butterfly_otel.enforcement.meter import GuardedMeter
from butterfly_otel.enforcement.observable import GuardedObservable
from butterfly_otel.handles.first_item import first_item_seconds
from butterfly_otel.handles.handles import Handle, ObservableHandle, SynchronousHandle
from butterfly_otel.handles.own import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from butterfly_otel.catalog.model import Label
    from butterfly_otel.enforcement.guarded import Guarded
    from butterfly_otel.engine import GatedMeterProvider
    from butterfly_otel.settings.config import Config
    from butterfly_otel.views.streams import Stream

#: Butterfly's handles, and the one that a decorator measures an extension with.
HANDLES = (*metrics.ALL, *OWN, first_item_seconds)
#: What is not enforced: counters of the SDK's own, whose labels are ours only.
UNENFORCED = frozenset(catalog.BY_NAME) - {handle.metric.name for handle in HANDLES}


def handles_of(config: Config) -> tuple[Handle, ...]:
    """Return all handles that may be attached: Butterfly's, and those of other contracts."""
    if not config.catalogs:
        return HANDLES
    from butterfly_otel.handles.generic import unrendered  # noqa: PLC0415 - only for those

    others = (each for owner in config.catalogs for each in owner.handles)
    own = (each for each in others if isinstance(each, Handle))
    return (*HANDLES, *own, *unrendered(config.catalogs))


def detach(handles: Iterable[Handle] = HANDLES) -> None:
    """Turn handles back into no-ops."""
    for handle in handles:
        if isinstance(handle, SynchronousHandle):
            handle.attach(None)


def attach(
    provider: GatedMeterProvider, streams: Sequence[Stream], handles: Iterable[Handle]
) -> None:
    """Let handles measure by the instruments of their streams, unless these are dropped."""
    known = {each.metric.name: each for each in streams}
    for handle in handles:
        stream = known.get(handle.metric.name)
        if stream is None or stream.dropped:
            continue
        guarded = _guarded(provider, stream)
        if isinstance(guarded, GuardedObservable):
            if isinstance(handle, ObservableHandle):
                guarded.listen(handle.source())
        elif isinstance(guarded, Synchronous) and isinstance(handle, SynchronousHandle):
            if handle.metric.label_keys == guarded.stream.metric.label_keys:
                guarded.follow(handle)
                handle.attach(guarded)
            else:
                fewer = Fewer(handle, guarded)
                guarded.follow(fewer)
                handle.attach(fewer)


def _guarded(provider: GatedMeterProvider, stream: Stream) -> Guarded | None:
    """Return the instrument of a stream; None where it is not enforced, or the SDK is disabled."""
    meter = provider.get_meter(stream.meter)
    if not isinstance(meter, GuardedMeter) or stream.metric.name in UNENFORCED:
        return None
    return meter.guarded(stream.metric.name)


def start_at_zero(provider: GatedMeterProvider, streams: Sequence[Stream], config: Config) -> None:
    """Create the series whose labels are all known beforehand (docs/contract.md, Labels).

    Counters and up-down counters only: a counter born at 1 never shows in ``rate()``.
    """
    for stream in streams:
        metric = stream.metric
        if stream.dropped or metric.instrument not in {"counter", "up_down_counter"}:
            continue
        narrow = {label.key: label for label in stream.labels}
        known = [_known_values(narrow.get(label.key), config) for label in metric.labels]
        guarded = _guarded(provider, stream) if all(known) else None
        if isinstance(guarded, Synchronous):
            for values in product(*known):
                guarded.target(values)[0].record(0)


def _known_values(label: Label | None, config: Config) -> tuple[str | None, ...]:
    """Return the values a label will have on this node; none where they can't be known."""
    if label is None:  # it is dropped
        return (None,)
    if label.default == "node_role":
        return (None,) if config.node_role in label.values else ()
    if label.default is not None:
        return (None,)
    return label.values if label.kind == "closed" else ()
