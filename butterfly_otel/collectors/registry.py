"""Which collectors there are, and which of them a configuration asks for.

A new one is a file here and an entry in :data:`ENTRIES`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, cast, get_args

from butterfly_otel.collectors.handles import observable
from butterfly_otel.collectors.source import Extension, ExtensionKind
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from butterfly_otel.collectors.source import Source
    from butterfly_otel.handles.handles import ObservableHandle
    from butterfly_otel.settings.config import Config


@dataclass(frozen=True, slots=True)
class Entry:
    """A collector that ships with the package.

    Attributes:
        name: How it is asked for, and its source's name.
        path: ``module:class`` of its source, imported when it is chosen. Building one must
            touch no hardware: that is for its ``open``.
        settings: What its class is passed: parameter to attribute of
            :class:`~butterfly_otel.settings.config.Config`.
        auto: Whether it is part of ``auto``.
    """

    name: str
    path: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    auto: bool = True

    def build(self, config: Config) -> Source:
        """Return a new source."""
        module, _, attribute = self.path.partition(":")
        make = cast("Callable[..., Source]", getattr(import_module(module), attribute))
        return make(**{key: getattr(config, setting) for key, setting in self.settings.items()})


ENTRIES: tuple[Entry, ...] = (
    Entry("cpu", "butterfly_otel.collectors.cpu:CpuSource", {"per_core": "cpu_per_core"}),
    Entry("throttling", "butterfly_otel.collectors.throttling:ThrottlingSource"),
    Entry("memory", "butterfly_otel.collectors.memory:MemorySource"),
    Entry(
        "torch", "butterfly_otel.collectors.torch:TorchSource", {"interval": "sampling_interval"}
    ),
    Entry(
        "nvml",
        "butterfly_otel.collectors.nvml:NvmlSource",
        {"gpu_id": "gpu_id", "extensions": "hardware_metrics"},
    ),
    Entry("amd", "butterfly_otel.collectors.amd:AmdSource", {"gpu_id": "gpu_id"}),
    Entry("disk", "butterfly_otel.collectors.disk:DiskSource", {"directories": "checkpoint_dir"}),
)


#: Names of instruments in OpenTelemetry.
_NAME = re.compile(r"[A-Za-z][-_./A-Za-z0-9]{0,254}")
_LONGEST_UNIT = 63
_MEMBERS = ("name", "metrics", "interval", "deadline", "open", "read", "close")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A source that is to be read.

    Attributes:
        source: It.
        quiet: Whether nothing is told of it until its hardware has been found.
        own: Whether it is the application's own, which keeps its interval.
    """

    source: Source
    quiet: bool = False
    own: bool = False


def own_sources(collectors: object) -> tuple[Source, ...]:
    """Return the application's own sources in what it passed as ``collectors``.

    Raises:
        ConfigurationError: When something in it is neither a name nor a source.
    """
    if not isinstance(collectors, (list, tuple, set, frozenset)):
        return ()
    listed = tuple(cast("Iterable[object]", collectors))
    for each in listed:
        # A class has all its members, too, and is a source that nobody has made yet.
        if not isinstance(each, str) and (
            isinstance(each, type) or not all(hasattr(each, member) for member in _MEMBERS)
        ):
            raise ConfigurationError(
                f"collectors has {each!r}, which is neither a name nor a source, which has"
                f" {', '.join(_MEMBERS)}"
            )
    return tuple(cast("Source", each) for each in listed if not isinstance(each, str))


def check_names(names: Iterable[str], entries: Sequence[Entry] = ENTRIES) -> None:
    """Refuse names of collectors that there are not.

    Raises:
        ConfigurationError: With those that there are.
    """
    known = ("auto", *(entry.name for entry in entries))
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"collectors names {name!r}, which is unknown; known are"
                f" {', '.join(('auto', 'none', *known[1:]))}"
                " (set by configure(collectors=...) or BUTTERFLY_OTEL_COLLECTORS)"
            )


def choose(
    config: Config, own: Iterable[Source] = (), entries: Sequence[Entry] = ENTRIES
) -> list[Chosen]:
    """Return what ``config`` names, and the application's own sources.

    Raises:
        ConfigurationError: When a name is unknown, two sources have one name, or a source
            yields what can't be observed.
    """
    check_names(config.collectors, entries)
    auto = "auto" in config.collectors
    chosen = [
        Chosen(entry.build(config), quiet=entry.name not in config.collectors)
        for entry in entries
        if entry.name in config.collectors or (auto and entry.auto)
    ]
    chosen.extend(Chosen(source, own=True) for source in own)
    _check([each.source for each in chosen], observable(config.catalogs))
    return chosen


def _check(sources: Sequence[Source], handles: Mapping[str, ObservableHandle]) -> None:
    names: set[str] = set()
    extensions: dict[str, Extension] = {}
    for source in sources:
        if source.name in names:
            raise ConfigurationError(f"two collectors are named {source.name!r}; rename one")
        names.add(source.name)
        _check_seconds(source)
        for metric in source.metrics:
            if metric not in handles:
                raise ConfigurationError(
                    f"the collector {source.name!r} is to yield {metric!r}, which is no"
                    " observable metric of a contract; declare what is outside of contracts"
                    " in its attribute 'extensions'"
                )
        for extension in cast("tuple[object, ...]", getattr(source, "extensions", ())):
            known = _checked_extension(source, extension)
            if extensions.setdefault(known.name, known) != known:
                raise ConfigurationError(
                    f"the collector {source.name!r} declares the extension {known.name!r}"
                    " otherwise than another collector does; make them equal or rename one"
                )


def _check_seconds(source: Source) -> None:
    for seconds in cast("tuple[object, ...]", (source.interval, source.deadline)):
        # Beyond the longest time that Python can wait its threads would end.
        if not isinstance(seconds, (int, float)) or not 0 < seconds <= TIMEOUT_MAX:
            raise ConfigurationError(
                f"the collector {source.name!r} has the interval {source.interval!r} and the"
                f" deadline {source.deadline!r}; both must be seconds above 0, and finite"
            )


def _checked_extension(source: Source, extension: object) -> Extension:
    if not isinstance(extension, Extension):
        wrong = f"{extension!r}, which is no Extension"
    elif extension.kind not in get_args(ExtensionKind):
        wrong = f"{extension.name!r} of the kind {extension.kind!r}; use one of"
        wrong = f"{wrong} {', '.join(get_args(ExtensionKind))}"
    elif not _NAME.fullmatch(extension.name):
        wrong = f"{extension.name!r}, which is no name of an OpenTelemetry instrument"
    elif not extension.unit.isascii() or len(extension.unit) > _LONGEST_UNIT:
        wrong = (
            f"{extension.name!r} with the unit {extension.unit!r}; use UCUM's ASCII, such as Cel"
        )
    else:
        return extension
    raise ConfigurationError(f"the collector {source.name!r} declares the extension {wrong}")
