"""Views: exactly one a metric, and overlays that may narrow them.

The default Views are compiled from the catalogue. An overlay is a file in OpenTelemetry's
declarative-configuration schema (``meter_provider.views``, as in ``views/default.yaml``)
whose selectors name metrics of the catalogue, wildcards allowed. It may drop labels, replace
bucket boundaries, lower a cardinality limit or drop a metric. It may not add a label or
rename anything: the contract is the most that is ever exported.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View

from butterfly_otel import catalog
from butterfly_otel.engine.sdk_internals import DropTheRest
from butterfly_otel.errors import ConfigurationError, ViewError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from butterfly_otel.views.streams import Stream


def compile_views(streams: Iterable[Stream]) -> list[View]:
    """Return one View a stream, and one that drops all else on our meter.

    The SDK applies *every* View that matches an instrument and merges none of them, so the
    Views compiled here never overlap.
    """
    known = list(streams)
    rest = DropTheRest(catalog.METER_NAME, frozenset(each.metric.name for each in known))
    return [*map(_view, known), rest]


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
    for view in _load(source):
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


def _view(stream: Stream) -> View:
    metric = stream.metric
    if stream.dropped:
        aggregation: Any = DropAggregation()
    elif metric.type == "histogram":
        aggregation = ExplicitBucketHistogramAggregation(
            boundaries=list(stream.buckets), record_min_max=False
        )
    else:
        aggregation = None
    return View(
        instrument_name=metric.name,
        meter_name=catalog.METER_NAME,
        attribute_keys={label.key for label in stream.labels},
        aggregation=aggregation,
        aggregation_cardinality_limit=stream.limit,
    )


def _locate(path: str | Path) -> Path:
    given = Path(path)
    if given.suffix or given.exists():
        return given
    named = shipped(str(path))
    return named if named.exists() else given


def _load(source: Path) -> Sequence[dict[str, Any]]:
    """Return the views of a declarative configuration, validated by the official schema."""
    try:
        import jsonschema  # noqa: PLC0415 - optional extra
        import yaml  # noqa: PLC0415

        schema = json.loads((files("opentelemetry.configuration") / "schema.json").read_bytes())
    except ImportError as error:
        msg = (
            f"reading the overlay {source} needs the extra 'views':"
            " pip install 'butterfly-otel[views]'"
        )
        raise ConfigurationError(msg) from error
    try:
        loaded: object = yaml.safe_load(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ViewError(f"the overlay {source} can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ViewError(f"the overlay {source} is not YAML: {_one_line(error)}") from error
    if not isinstance(loaded, dict):
        raise ViewError(
            f"the overlay {source} is not a mapping with file_format and meter_provider"
        )
    document = cast("dict[str, Any]", loaded)
    complete = _with_reader(document)
    try:
        jsonschema.validate(complete, schema)
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path)) or "top level"
        msg = (
            f"the overlay {source} breaks OpenTelemetry's configuration schema at {where}:"
            f" {error.message}"
        )
        raise ViewError(msg) from error
    return cast("list[dict[str, Any]]", _section(document, "meter_provider").get("views") or [])


def _with_reader(document: dict[str, Any]) -> dict[str, Any]:
    """Add the reader that the schema demands and an overlay has no use for."""
    provider = document.get("meter_provider")
    if not isinstance(provider, dict) or "readers" in provider:
        return document
    reader = {"periodic": {"exporter": {"console": None}}}
    return {**document, "meter_provider": {**provider, "readers": [reader]}}


def _selected(selector: dict[str, Any], streams: dict[str, Stream], source: Path) -> Iterator[str]:
    unsupported = sorted(set(selector) - {"instrument_name", "meter_name", "instrument_type"})
    if unsupported:
        msg = f"the overlay {source} selects by {unsupported[0]}; select by instrument_name"
        raise ViewError(msg)
    pattern = cast("str", selector.get("instrument_name") or "*")
    kind = selector.get("instrument_type")
    if selector.get("meter_name") not in (None, catalog.METER_NAME, "*"):
        return
    names = [name for name in streams if fnmatchcase(name, pattern)]
    if not names:
        msg = f"the overlay {source} selects {pattern!r}, which is no metric of the contract"
        raise ViewError(msg)
    yield from (n for n in names if kind in (None, streams[n].metric.instrument))


def _narrow(stream: Stream, wanted: dict[str, Any], source: Path) -> Stream:
    name = stream.metric.name
    for forbidden in ("name", "description"):
        if wanted.get(forbidden) is not None:
            msg = f"the overlay {source} changes the {forbidden} of {name}; the contract fixes it"
            raise ViewError(msg)
    stream = _narrow_labels(stream, _section(wanted, "attribute_keys"))
    stream = _narrow_aggregation(stream, _section(wanted, "aggregation"), source)
    limit = wanted.get("aggregation_cardinality_limit")
    if limit is not None and limit > stream.metric.stream_limit:
        msg = (
            f"the overlay {source} raises the cardinality limit of {name} to {limit};"
            f" the contract allows {stream.metric.stream_limit}"
        )
        raise ViewError(msg)
    return stream if limit is None else replace(stream, limit=limit)


def _refuse_unknown_labels(
    wanted: dict[str, Any], selected: Sequence[Stream], source: Path
) -> None:
    """Raise when a label is asked for that none of the selected metrics has."""
    allowed = {key for stream in selected for key in stream.metric.label_keys}
    for pattern in _section(wanted, "attribute_keys").get("included") or ():
        if not any(fnmatchcase(key, pattern) for key in allowed):
            msg = (
                f"the overlay {source} adds the label {pattern!r} to"
                f" {' and '.join(stream.metric.name for stream in selected)};"
                f" the contract allows {', '.join(sorted(allowed)) or 'no label'}"
            )
            raise ViewError(msg)


def _narrow_labels(stream: Stream, keys: dict[str, Any]) -> Stream:
    included: list[str] = keys.get("included") or ["*"]
    excluded: list[str] = keys.get("excluded") or []
    kept = tuple(
        label
        for label in stream.labels
        if _any_match(label.key, included) and not _any_match(label.key, excluded)
    )
    return replace(stream, labels=kept)


def _narrow_aggregation(stream: Stream, aggregation: dict[str, Any], source: Path) -> Stream:
    if not aggregation or "default" in aggregation:
        return stream
    if "drop" in aggregation:
        return replace(stream, dropped=True)
    if "explicit_bucket_histogram" not in aggregation or stream.metric.type != "histogram":
        msg = (
            f"the overlay {source} gives {stream.metric.name} the aggregation"
            f" {next(iter(aggregation))}, which would change its type from {stream.metric.type}"
        )
        raise ViewError(msg)
    histogram = _section(aggregation, "explicit_bucket_histogram")
    boundaries = cast("list[float] | None", histogram.get("boundaries"))
    if boundaries is None:
        return stream
    ascending = sorted(set(boundaries)) == boundaries
    if not boundaries or not ascending or not all(map(isfinite, boundaries)):
        msg = (
            f"the overlay {source} gives {stream.metric.name} boundaries that are empty,"
            " not ascending or not finite"
        )
        raise ViewError(msg)
    return replace(stream, buckets=tuple(map(float, boundaries)))


def _section(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a mapping inside another, empty where it is left out or null."""
    return cast("dict[str, Any]", parent.get(key) or {})


def _any_match(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
