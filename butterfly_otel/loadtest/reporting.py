"""A report as text for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from butterfly_otel.loadtest.model import Clustered, Flooded, Report

_FLOOD_HEAD = (
    *("metric", "scenario", "label sets", "offered", "kept", "overflowed", "refused"),
    *("series", "budget", "ns a call", "memory"),
)
_CLUSTER_HEAD = ("metric", "offered", "kept", "overflowed", "refused", "samples", "predicted")
_FIGURES_HEAD = ("of the cluster", "measured", "predicted")


def as_json(report: Report) -> str:
    """Return one object: all figures, in bytes, seconds and whole numbers."""
    document: dict[str, Any] = asdict(report)
    for found, flood in zip(document["floods"], report.floods, strict=True):
        found["nanoseconds_a_call"] = round(flood.nanoseconds)
    return json.dumps({**document, "ok": not report.broken}, indent=2)


def as_text(report: Report) -> str:
    """Return tables for a terminal."""
    return "\n".join(_report(report, _columns))


def as_markdown(report: Report) -> str:
    """Return the same tables in Markdown."""
    lines = list(_report(report, _markdown))
    return "\n".join([f"`{report.command}`", "", *lines])


def _report(report: Report, table: Any) -> Iterator[str]:  # noqa: ANN401 - one of the two below
    if report.cluster is not None:
        yield from table([_FIGURES_HEAD, *_figures(report.cluster)])
        yield ""
        yield from table([_CLUSTER_HEAD, *_cluster_rows(report.cluster)])
        yield ""
    if report.floods:
        yield from table([_FLOOD_HEAD, *map(_flood_row, report.floods)])
        yield ""
    yield _verdict(report)
    for each in report.broken:
        yield f"- {each}"


def _verdict(report: Report) -> str:
    if report.broken:
        return f"{len(report.broken)} wrong:"
    return (
        "Every budget held, nothing was lost, and no prediction is off by more than a factor of"
        f" {report.factor:g}."
    )


def _figures(found: Clustered) -> Iterator[tuple[str, ...]]:
    shared, series = found.found, found.predicted_series
    yield "nodes, all of them", f"{found.nodes:,}", ""
    yield "nodes driven", f"{found.driven:,}", ""
    yield "processes", f"{found.processes:,}", ""
    yield (
        "samples on their pages",
        f"{sum(shared.samples.values()):,}",
        f"{series - found.driven:,}",
    )
    if shared.memory is not None:
        yield "memory of the nodes", _size(shared.memory), ""
        yield "memory of a sample, in a node", f"{shared.memory / series:,.0f} B", ""
    if shared.calls:
        each = shared.calls * 1e-9
        yield "a call that begins a series", f"{shared.first_seconds / each:,.0f} ns", ""
        yield "a call after it", f"{shared.seconds / each:,.0f} ns", ""
    yield "slowest page", f"{shared.page_seconds * 1e3:,.1f} ms", ""
    yield "largest page", _size(shared.page_bytes), ""
    yield "all pages", _size(shared.bytes), ""
    if found.scraped is not None:
        yield from _prometheus(found)
    yield "series of the whole cluster", "", f"{found.whole_series:,}"


def _prometheus(found: Clustered) -> Iterator[tuple[str, ...]]:
    scraped = found.scraped
    if scraped is None:
        return
    name = f"Prometheus {scraped.version}"
    yield f"{name}: nodes scraped", f"{scraped.targets:,}", f"{found.driven:,}"
    yield f"{name}: samples a round", f"{scraped.samples:,}", f"{found.predicted_series:,}"
    yield f"{name}: series in its head", f"{scraped.head_series:,}", f"{found.predicted_series:,}"
    yield f"{name}: memory", _size(scraped.memory), _size(found.predicted_memory)
    if scraped.head_series:
        each = scraped.memory / scraped.head_series
        predicted = found.predicted_memory / found.predicted_series
        yield f"{name}: memory of a series", f"{each:,.0f} B", f"{predicted:,.0f} B"
    yield f"{name}: slowest scrape", f"{scraped.slowest * 1e3:,.0f} ms", ""


def _cluster_rows(found: Clustered) -> Iterator[tuple[str, ...]]:
    shared = found.found
    for name, offered in shared.offered.items():
        counts = (offered, shared.kept[name], shared.folded[name], shared.refused[name])
        samples = (shared.samples[name], found.predicted.get(name, 0))
        yield name, *(f"{each:,}" for each in (*counts, *samples))


def _flood_row(found: Flooded) -> tuple[str, ...]:
    counts = (found.sets, found.offered, found.kept, found.overflowed, found.refused)
    return (
        found.metric,
        found.flood,
        *(f"{each:,}" for each in (*counts, found.series, found.budget)),
        f"{found.nanoseconds:,.0f}",
        "-" if found.memory is None else _size(max(0, found.memory)),
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([name.ljust(widths[0]), *numbers]).rstrip()


def _markdown(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    head, *others = rows
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in others:
        yield f"| {' | '.join(row)} |"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:  # noqa: PLR2004 - what the units mean
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
