"""Families as bytes: text format 0.0.4 and OpenMetrics 1.0.

What a series' lines begin with is kept on the :class:`Series` itself, so a repeated scrape
formats little more than the values.

Sources: "Exposition formats" of the Prometheus documentation; OpenMetrics 1.0.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, cast

from butterfly_otel.exporters.prometheus.model.escaping import is_legacy_metric_name
from butterfly_otel.exporters.prometheus.model.exemplars import text_of
from butterfly_otel.exporters.prometheus.model.series import (
    histogram_form,
    layout_of,
    quoted,
    sample_head,
)
from butterfly_otel.exporters.prometheus.model.text import escape_help, escape_value, number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

    from butterfly_otel.exporters.prometheus.model.families import Family
    from butterfly_otel.exporters.prometheus.model.series import Series

#: From here on numbers are written with an exponent (see ``number_text``).
_MILLION = 1_000_000
_TEXT_TYPES = {"info": "gauge", "unknown": "untyped"}


def text_lines(family: Family) -> str:
    """Return one family in text format 0.0.4."""
    name = _metadata_name(family.name)
    kind = _TEXT_TYPES.get(family.type, family.type)
    lines = [f"# HELP {name} {escape_help(family.help)}\n"] if family.help else []
    lines.append(f"# TYPE {name} {kind}\n")
    if family.block is not None:
        lines.extend(family.block.lines())
    elif family.type == "histogram":
        _add_histograms(lines, family, cast("Sequence[HistogramDataPoint]", family.points))
    else:
        _add_numbers(lines, family, cast("Sequence[NumberDataPoint]", family.points))
    return "".join(lines)


def openmetrics_lines(family: Family, name: str) -> str:
    """Return one family in OpenMetrics 1.0.

    Args:
        family: The family.
        name: Its OpenMetrics name, from :func:`~.conflicts.openmetrics_names`. Where that is
            the full name of a counter or an info, the type becomes ``unknown``.
    """
    kind = family.type
    if kind in {"counter", "info"} and name == family.name:
        kind = "unknown"
    shown = _metadata_name(name)
    lines = [f"# HELP {shown} {escape_value(family.help)}\n"] if family.help else []
    lines.append(f"# TYPE {shown} {kind}\n")
    if family.unit and kind != "info" and name.endswith(f"_{family.unit}"):
        lines.append(f"# UNIT {shown} {family.unit}\n")
    if family.block is not None and not family.created:
        lines.extend(family.block.lines(exemplars=kind in {"counter", "histogram"}))
        return "".join(lines)
    if kind == "histogram":
        points = cast("Sequence[HistogramDataPoint]", family.points)
        _add_openmetrics_histograms(lines, family, points)
        return "".join(lines)
    numbers = cast("Sequence[NumberDataPoint]", family.points)
    if kind == "counter" and (family.created or any(each.exemplars for each in family.series)):
        _add_openmetrics_counters(lines, family, name, numbers)
    else:
        _add_numbers(lines, family, numbers)
    return "".join(lines)


def _metadata_name(name: str) -> str:
    return name if is_legacy_metric_name(name) else quoted(name)


def _add_numbers(lines: list[str], family: Family, points: Sequence[NumberDataPoint]) -> None:
    for series, point in zip(family.series, points, strict=True):
        value = point.value
        # The same as number_text for nearly every value, without calling it.
        if -_MILLION < value < _MILLION:
            kind = type(value)
            if kind is float:
                lines.append(f"{series.head}{value}\n")
                continue
            if kind is int:
                lines.append(f"{series.head}{value}.0\n")
                continue
        lines.append(f"{series.head}{number_text(value)}\n")


def _add_openmetrics_counters(
    lines: list[str], family: Family, name: str, points: Sequence[NumberDataPoint]
) -> None:
    for series, point in zip(family.series, points, strict=True):
        exemplar = series.exemplars.get(0)
        tail = text_of(exemplar) if exemplar is not None else ""
        lines.append(f"{series.head}{number_text(point.value)}{tail}\n")
        if family.created:
            lines.append(_created_line(series, name, point.start_time_unix_nano))


def _add_histograms(lines: list[str], family: Family, points: Sequence[HistogramDataPoint]) -> None:
    for series, point in zip(family.series, points, strict=True):
        if series.bounds is not point.explicit_bounds:
            _prepare(series, family.name, point.explicit_bounds)
        lines.append(series.template % tuple(_cells(series, point)))


def _add_openmetrics_histograms(
    lines: list[str], family: Family, points: Sequence[HistogramDataPoint]
) -> None:
    for series, point in zip(family.series, points, strict=True):
        if series.bounds is not point.explicit_bounds:
            _prepare(series, family.name, point.explicit_bounds)
        template = series.template
        cells = _cells(series, point)
        for index, exemplar in series.exemplars.items():
            if index < len(cells) - 2:
                cells[index] += text_of(exemplar)
        bounds = series.layout.bounds
        if (bounds and bounds[0] < 0) or not point.sum >= 0:
            # OpenMetrics forbids a sum that can fall, and a count without a sum.
            template = "\n".join((*template.split("\n")[:-3], ""))
            del cells[-2:]
        lines.append(template % tuple(cells))
        if family.created:
            lines.append(_created_line(series, family.name, point.start_time_unix_nano))


def _created_line(series: Series, name: str, start_time_unix_nano: int) -> str:
    if not start_time_unix_nano:
        return ""
    seconds = number_text(start_time_unix_nano / 1e9)
    return f"{sample_head(f'{name}_created', series.block)} {seconds}\n"


def _prepare(series: Series, name: str, bounds: Sequence[float]) -> None:
    """Write the lines of a histogram's series, with a ``%s`` for each value."""
    layout = layout_of(tuple(bounds))
    if layout is not series.layout:
        # The lines become a %-format, so what is text in them must not look like fields.
        block, name = series.block.replace("%", "%%"), name.replace("%", "%%")
        series.template = histogram_form(name, block, layout.bounds)
        series.layout = layout
    series.bounds = bounds


def _cells(series: Series, point: HistogramDataPoint) -> list[str]:
    """Return the values of a histogram's lines: cumulated counts, the count, the sum."""
    counts = list(accumulate(point.bucket_counts))
    total = counts[-1]
    if type(total) is int and total < _MILLION:
        cells = [f"{count}.0" for count in counts]
    else:
        cells = [number_text(count) for count in counts]
    picks = series.layout.picks
    if picks is not None:
        cells = [cells[index] for index in picks]
    # The total rather than point.count: measured at the same instant as the buckets.
    cells += (cells[-1], number_text(point.sum))
    return cells
