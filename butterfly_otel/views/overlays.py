"""Overlays: files that narrow what is exported of the contract, and say what is of all else.

An overlay is a file in OpenTelemetry's declarative-configuration schema
(``meter_provider.views``, as in ``views/default.yaml``). Of metrics of the catalogue, wildcards
allowed, it may drop labels, replace bucket boundaries, lower a cardinality limit or drop a
metric. It may not add a label or rename anything: the contract is the most that is ever exported.
Of what is measured on other meters it may say all that the schema can.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import reduce
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from butterfly_otel.views.documents import load_document, wrong
from butterfly_otel.views.others import OtherView, as_written
from butterfly_otel.views.protected import Protected, is_pattern
from butterfly_otel.views.selectors import Selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.metrics.view import View

    from butterfly_otel.errors import ViewError
    from butterfly_otel.views.streams import Stream

#: Characters of a name, as OpenTelemetry has it of instruments.
_LONGEST = 255
#: Buckets of an exponential histogram, as the SDK limits them, which would say so too late.
_MAX_SIZE = 16_384
#: Metrics that an error names.
_NAMED = 3


class Overlaid(NamedTuple):
    """What overlays have made.

    Attributes:
        streams: What is exported of the contract.
        others: Views of instruments outside it, as they stand in the files.
    """

    streams: tuple[Stream, ...]
    others: tuple[OtherView, ...] = ()


def apply_overlays(streams: Iterable[Stream], paths: Iterable[str | Path]) -> tuple[Stream, ...]:
    """Return ``streams`` as overlays narrow them, one after the other; raises as one does."""
    return read_overlays(streams, paths).streams


def apply_overlay(streams: Iterable[Stream], path: str | Path) -> tuple[Stream, ...]:
    """Return ``streams`` as one overlay narrows them; raises as :func:`read_overlays`."""
    return read_overlays(streams, [path]).streams


def read_overlays(
    streams: Iterable[Stream], paths: Iterable[str | Path], others: tuple[OtherView, ...] = ()
) -> Overlaid:
    """Return what the overlays in files make of ``streams``, one after the other.

    ``others`` are Views of instruments outside the contract that there are already.

    A path may also be the bare name of an overlay that ships with the package, such as
    ``low-cardinality``.

    Raises:
        ViewError: When the file can't be read, is no valid declarative configuration, or
            asks for more than the contract; the message names file, metric and label.
        ConfigurationError: When the ``views`` extra is not installed.
    """
    return reduce(_overlaid, paths, Overlaid(tuple(streams), others))


def narrowed_by(before: Overlaid, views: Iterable[View]) -> Overlaid:
    """Return what Views of the SDK that name the contract's metrics make of them.

    Raises:
        ViewError: When one asks for more than narrowing.
    """
    return overlay_with(before, map(as_written, views), Path("given as a View of the SDK"))


def _overlaid(before: Overlaid, path: str | Path) -> Overlaid:
    source = _locate(path)
    document = load_document(source)
    views = _section(document, "meter_provider").get("views") or ()
    return overlay_with(before, views, source)


def overlay_with(before: Overlaid, views: Iterable[Mapping[str, Any]], source: Path) -> Overlaid:
    """Return what ``meter_provider.views`` of a file makes of what there was before it.

    Raises:
        ViewError: As :func:`read_overlays`.
    """
    narrowed = {stream.metric.name: stream for stream in before.streams}
    others = list(before.others)
    protected = Protected.of(before.streams)
    for view in views:
        _refuse_long_patterns(view, source)
        selector = Selector.of(view["selector"])
        selected = [name for name in narrowed if selector.selects(narrowed[name])]
        if selector.is_for_others(protected):
            if not selected and selector.name is not None:
                _refuse_misspelt(selector.name, protected, source)
            others.append(_other(selector, view, source))
        elif not selected and selector.names_nothing(narrowed):
            raise _no_metric(str(selector.name), protected, source)
        if selected:
            _refuse_unknown_labels(view["stream"], [narrowed[name] for name in selected], source)
        for name in selected:
            narrowed[name] = _narrow(narrowed[name], view["stream"], source)
    return Overlaid(tuple(narrowed.values()), tuple(others))


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


def _refuse_misspelt(name: str, protected: Protected, source: Path) -> None:
    """Raise over a name that no instrument can have, or that was meant for a contract."""
    if not name or protected.meant(name) is not None:
        raise _no_metric(name, protected, source)


def _no_metric(name: str, protected: Protected, source: Path) -> ViewError:
    near = protected.meant(name)
    hint = f"; did you mean {near}?" if near else ""
    return wrong(source, f"selects {name!r}, which is no metric of the contract{hint}")


def _other(selector: Selector, view: Mapping[str, Any], source: Path) -> OtherView:
    """Return a View of what is outside the contract, looked at as far as the schema does not."""
    stream = cast("dict[str, Any]", view["stream"])
    if stream.get("name") is not None and (selector.name is None or is_pattern(selector.name)):
        what = f"gives the name {stream['name']!r} to all that {selector.name or '*'!r} selects"
        raise wrong(source, f"{what}; select one instrument, or leave the name out")
    histogram = _section(_section(stream, "aggregation"), "explicit_bucket_histogram")
    if histogram.get("boundaries") is not None:
        _boundaries(histogram["boundaries"], selector.name or "*", source)
    exponential = _section(_section(stream, "aggregation"), "base2_exponential_bucket_histogram")
    if (exponential.get("max_size") or 0) > _MAX_SIZE:
        what = f"gives {selector.name or '*'} a max_size of {exponential['max_size']}"
        raise wrong(source, f"{what}; OpenTelemetry's SDK takes at most {_MAX_SIZE}")
    return OtherView(selector.given, stream)


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


def _refuse_long_patterns(view: Mapping[str, Any], source: Path) -> None:
    """Raise over a pattern that is longer than any name, and could take minutes to match."""
    keys = _section(view["stream"], "attribute_keys")
    patterns = [*(keys.get("included") or ()), *(keys.get("excluded") or ())]
    selected = (view["selector"].get(key) or "" for key in ("instrument_name", "unit"))
    for pattern in (*selected, *patterns):
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
        what += f", which would change its type from {stream.metric.type}"
        raise wrong(source, f"{what}; a meter_name keeps a selector from the contract")
    histogram = _section(aggregation, "explicit_bucket_histogram")
    boundaries = cast("list[float] | None", histogram.get("boundaries"))
    if boundaries is None:
        return stream
    if not boundaries:
        raise _wrong_boundaries(stream.metric.name, source)
    return stream._replace(buckets=_boundaries(boundaries, stream.metric.name, source))


def _boundaries(given: list[float], name: str, source: Path) -> tuple[float, ...]:
    if sorted(set(given)) != given or not all(map(isfinite, given)):
        raise _wrong_boundaries(name, source)
    return tuple(map(float, given))


def _wrong_boundaries(name: str, source: Path) -> ViewError:
    return wrong(source, f"gives {name} boundaries that are empty, not ascending or not finite")


def _section(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a mapping inside another, empty where it is left out or null."""
    return cast("dict[str, Any]", parent.get(key) or {})


def _any_match(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)
