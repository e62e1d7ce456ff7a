"""What the class of a metric's handle says of it: unit, labels, buckets, an example query."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.catalog.model import Label, Metric


def docstring(metric: Metric) -> Iterator[str]:
    """Yield the lines of the docstring of a handle's class."""
    yield f'    """{_quotable(metric.help or metric.name)}'
    yield ""
    yield f"    ``{metric.name}``, {metric.type}, unit ``{metric.unit}``."
    yield from _indented(_quotable(metric.why))
    if metric.labels:
        yield ""
        yield "    Labels:"
    for label in metric.labels:
        told = " ".join(filter(None, (label.help, _vocabulary(label))))
        yield from _hanging(_quotable(f"{label.parameter}: {told}"))
    if metric.buckets:
        yield ""
        yield from _indented(f"Buckets: {', '.join(map(_bound, metric.buckets))}.")
    yield ""
    yield "    Example query::"
    yield ""
    yield from (f"        {line}" for line in _quotable(metric.query).splitlines())
    yield '    """'


def _quotable(text: str) -> str:
    """Return a text as a docstring can have it."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _vocabulary(label: Label) -> str:
    if label.kind == "closed":
        return f"One of {', '.join(label.values)}."
    known = f"Such as {', '.join(label.values)}. " if label.values else ""
    return f"{known}At most {label.budget} distinct values."


def _bound(value: float) -> str:
    return repr(value)


def _indented(text: str) -> Iterable[str]:
    return wrap(text, 100, initial_indent="    ", subsequent_indent="    ")


def _hanging(text: str) -> Iterable[str]:
    return wrap(text, 100, initial_indent=" " * 8, subsequent_indent=" " * 12)
