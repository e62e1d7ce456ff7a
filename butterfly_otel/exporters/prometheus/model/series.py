"""One series: its labels, and what its lines begin with.

A :class:`Series` outlives a scrape and carries what never changes about its lines, which
is what makes repeated scrapes cheap.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.model.escaping import (
    is_legacy_label_name,
    is_legacy_metric_name,
)
from butterfly_otel.exporters.prometheus.model.text import escape_value, number_text
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Label names and values, sorted by name, each name once.
Labels = tuple[tuple[str, str], ...]


class SeriesExemplar(NamedTuple):
    """The latest exemplar of a counter or of one bucket.

    Attributes:
        labels: Trace and span id and the filtered attributes that fit.
        value: The measured value.
        time_unix_nano: When it was measured, in nanoseconds; 0 where unknown.
        text: What OpenMetrics appends to the sample's line.
        packed: The same in protobuf; where it was made for that, there is no text.
    """

    labels: Labels
    value: float
    time_unix_nano: int
    text: str
    packed: bytes = b""


class Layout(NamedTuple):
    """Which buckets of a histogram are exposed.

    Attributes:
        bounds: Finite upper bounds, strictly ascending.
        picks: For each exposed bucket, ``+Inf`` included, its index among the point's
            cumulated counts; None where that is simply all of them.
    """

    bounds: tuple[float, ...]
    picks: tuple[int, ...] | None


_NO_LAYOUT = Layout((), None)


class Series:
    """One series: its labels and what its lines begin with.

    Attributes:
        attributes: What these labels were made from.
        labels: The exposed labels, without ``le``.
        block: The labels as they are written between braces.
        head: What the line of a number begins with, up to the value.
        bounds: The histogram bounds that ``layout`` and ``template`` were made for.
        layout: The exposed buckets of a histogram.
        template: All lines of a histogram, a ``%s`` for each value.
        exemplars: The latest exemplar by bucket index; index 0 for a counter.
        packed: What its metric begins with in protobuf, after the tag that it was made for.

    Changed under the lock of its collector only, and then by replacing a whole attribute,
    so several threads may write one out.
    """

    __slots__ = (
        "attributes",
        "block",
        "bounds",
        "exemplars",
        "head",
        "labels",
        "layout",
        "packed",
        "template",
    )

    def __init__(
        self, name: str, labels: Labels, attributes: Mapping[str, object] | None = None
    ) -> None:
        self.attributes = attributes or {}
        self.labels = labels
        self.block = label_block(labels)
        self.head = f"{sample_head(name, self.block)} "
        self.bounds: object = None
        self.layout = _NO_LAYOUT
        self.template = ""
        self.exemplars: dict[int, SeriesExemplar] = {}
        self.packed: tuple[bytes, bytes] = (b"", b"")


@lru_cache(maxsize=1024)
def layout_of(bounds: tuple[float, ...]) -> Layout:
    """Return the exposed buckets of a histogram that has these ``bounds``.

    Formats demand ascending bounds and one ``+Inf``. A View may hold others (repeated,
    infinite or NaN ones), and those are left out; counts are cumulative, so nothing is lost.
    """
    kept: list[float] = []
    picks: list[int] = []
    for index, bound in enumerate(bounds):
        if bound < float("inf") and (not kept or bound > kept[-1]) and bound != float("-inf"):
            kept.append(bound)
            picks.append(index)
    if len(kept) == len(bounds):
        return Layout(bounds, None)
    return Layout(tuple(kept), (*picks, len(bounds)))


def label_block(labels: Labels) -> str:
    """Return labels as they are written between braces."""
    return ",".join(
        f'{key if is_legacy_label_name(key) else quoted(key)}="{escape_value(value)}"'
        for key, value in labels
    )


def sample_head(name: str, block: str) -> str:
    """Return what a sample's line begins with, up to the space before the value.

    Names outside the legacy alphabet go into the braces, in quotes.
    """
    if is_legacy_metric_name(name):
        return f"{name}{{{block}}}" if block else name
    return f"{{{quoted(name)},{block}}}" if block else f"{{{quoted(name)}}}"


def histogram_form(name: str, block: str, bounds: tuple[float, ...], count: str = "%s") -> str:
    """Return all lines of a histogram's series as a %-format.

    Args:
        name: The family's name; percent signs doubled, as in ``block``.
        block: The labels.
        bounds: The finite upper bounds that are exposed.
        count: The format of each count; that of the sum, which comes last, is ``%s``.
    """
    before = f"{block}," if block else ""
    texts = [*(number_text(bound) for bound in bounds), "+Inf"]
    heads = [sample_head(f"{name}_bucket", f'{before}le="{text}"') for text in texts]
    lines = [f"{head} {count}\n" for head in (*heads, sample_head(f"{name}_count", block))]
    return "".join((*lines, f"{sample_head(f'{name}_sum', block)} %s\n"))


def quoted(name: str) -> str:
    """Return a name in quotes, as a scraper that allows UTF-8 expects it."""
    return f'"{escape_value(name)}"'
