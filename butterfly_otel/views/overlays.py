"""Overlays: files that narrow what is exported.

An overlay is a file in OpenTelemetry's declarative-configuration schema
(``meter_provider.views``, as in ``views/default.yaml``) whose selectors name metrics of the
catalogue, wildcards allowed. It may drop labels, replace bucket boundaries, lower a
cardinality limit or drop a metric. It may not add a label or rename anything: the contract is
the most that is ever exported.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import reduce
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel import catalog
from butterfly_otel.views.documents import load_document, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from butterfly_otel.views.streams import Stream

#: Characters of a name, as OpenTelemetry has it of instruments.
_LONGEST = 255
#: Metrics that an error names.
_NAMED = 3


def apply_overlays(streams: Iterable[Stream], paths: Iterable[str | Path]) -> tuple[Stream, ...]:
    """Return ``streams`` as overlays narrow them, one after the other; raises as one does."""
    return reduce(apply_overlay, paths, tuple(streams))


def apply_overlay(streams: Iterable[Stream], path: str | Path) -> tuple[Stream, ...]:
    """Return ``streams`` as the overlay in the file ``path`` narrows them.

    ``path`` may also be the bare name of an overlay that ships with the package, such as
    ``low-cardinality``.

    Raises:
        ViewError: When the file can't be read, is no valid declarative configuration, or
            asks for more than the contract; the message names file, metric and label.
        ConfigurationError: When the ``views`` extra is not installed.
    """
    source = _locate(path)
    narrowed = {stream.metric.name: stream for stream in streams}
    document = load_document(source)
    for view in _section(document, "meter_provider").get("views") or ():
        _refuse_long_patterns(view, source)
        selected = list(_selected(view["selector"], narrowed, source))
        _refuse_unknown_labels(view["stream"], [narrowed[name] for name in selected], source)
        for name in selected:
            narrowed[name] = _narrow(narrowed[name], view["stream"], source)
    return tuple(narrowed.values())


def shipped(name: str) -> Path:
    """Return the path of a shipped overlay: ``views/NAME.yaml`` of the source tree."""
    packaged = Path(str(files("butterfly_otel"))) / "_views"
    # An editable install has no copy inside the package: the source tree is next to it.
    folder = packaged if packaged.is_dir() else packaged.parent.parent / "views"
    return folder / f"{name}.yaml"


def _locate(path: str | Path) -> Path:
    given = Path(path)
    try:
        if given.suffix or given.exists():
            return given
        named = shipped(str(path))
        return named if named.exists() else given
    except (OSError, ValueError):  # no name that a file can have: reading it says so
        return given


def _selected(selector: dict[str, Any], streams: dict[str, Stream], source: Path) -> Iterator[str]:
    unsupported = sorted(set(selector) - {"instrument_name", "meter_name", "instrument_type"})
    if unsupported:
        raise wrong(source, f"selects by {unsupported[0]}; select by instrument_name")
    named = cast("str | None", selector.get("instrument_name"))
    pattern = "*" if named is None else named
    kind = selector.get("instrument_type")
    if selector.get("meter_name") not in (None, catalog.METER_NAME, "*"):
        return
    names = [name for name in streams if fnmatchcase(name, pattern)]
    if not names:
        raise wrong(source, f"selects {pattern!r}, which is no metric of the contract")
    yield from (n for n in names if kind in (None, streams[n].metric.instrument))


def _narrow(stream: Stream, wanted: dict[str, Any], source: Path) -> Stream:
    name = stream.metric.name
    for forbidden in ("name", "description"):
        if wanted.get(forbidden) is not None:
            raise wrong(source, f"changes the {forbidden} of {name}; the contract fixes it")
    stream = _narrow_labels(stream, _section(wanted, "attribute_keys"))
    stream = _narrow_aggregation(stream, _section(wanted, "aggregation"), source)
    limit = wanted.get("aggregation_cardinality_limit")
    if limit is not None and limit > stream.metric.stream_limit:
        what = f"raises the cardinality limit of {name} to {limit}"
        raise wrong(source, f"{what}; the contract allows {stream.metric.stream_limit}")
    # The schema takes 5.0 for an integer.
    return stream if limit is None else stream._replace(limit=int(limit))


def _refuse_long_patterns(view: dict[str, Any], source: Path) -> None:
    """Raise over a pattern that is longer than any name, and could take minutes to match."""
    keys = _section(view["stream"], "attribute_keys")
    patterns = [*(keys.get("included") or ()), *(keys.get("excluded") or ())]
    for pattern in (view["selector"].get("instrument_name") or "", *patterns):
        if len(pattern) > _LONGEST:
            what = f"has a pattern of {len(pattern):,} characters"
            raise wrong(source, f"{what}; names have at most {_LONGEST}: {pattern!r}")


def _refuse_unknown_labels(
    wanted: dict[str, Any], selected: Sequence[Stream], source: Path
) -> None:
    """Raise when a label is asked for that none of the selected metrics has."""
    allowed = {key for stream in selected for key in stream.metric.label_keys}
    for pattern in _section(wanted, "attribute_keys").get("included") or ():
        if not any(fnmatchcase(key, pattern) for key in allowed):
            names = " and ".join(stream.metric.name for stream in selected[:_NAMED])
            if len(selected) > _NAMED:
                names += f" and {len(selected) - _NAMED} more"
            allows = ", ".join(sorted(allowed)) or "no label"
            what = f"adds the label {pattern!r} to {names}; the contract allows {allows}"
            raise wrong(source, what)


def _narrow_labels(stream: Stream, keys: dict[str, Any]) -> Stream:
    included: list[str] = keys.get("included") or ["*"]
    excluded: list[str] = keys.get("excluded") or []
    kept = tuple(
        label
        for label in stream.labels
        if _any_match(label.key, included) and not _any_match(label.key, excluded)
    )
    return stream._replace(labels=kept)


def _narrow_aggregation(stream: Stream, aggregation: dict[str, Any], source: Path) -> Stream:
    if not aggregation or "default" in aggregation:
        return stream
    if "drop" in aggregation:
        return stream._replace(dropped=True)
    if "explicit_bucket_histogram" not in aggregation or stream.metric.type != "histogram":
        what = f"gives {stream.metric.name} the aggregation {next(iter(aggregation))}"
        raise wrong(source, f"{what}, which would change its type from {stream.metric.type}")
    histogram = _section(aggregation, "explicit_bucket_histogram")
    boundaries = cast("list[float] | None", histogram.get("boundaries"))
    if boundaries is None:
        return stream
    ascending = sorted(set(boundaries)) == boundaries
    if not boundaries or not ascending or not all(map(isfinite, boundaries)):
        what = "boundaries that are empty, not ascending or not finite"
        raise wrong(source, f"gives {stream.metric.name} {what}")
    return stream._replace(buckets=tuple(map(float, boundaries)))


def _section(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a mapping inside another, empty where it is left out or null."""
    return cast("dict[str, Any]", parent.get(key) or {})


def _any_match(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)
