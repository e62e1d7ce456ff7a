"""One metric whole, as ``butterfly-otel catalog NAME`` shows it."""

from __future__ import annotations

import inspect
import re
from textwrap import wrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.catalog.model import Label, Metric

_WIDEST, _NARROWEST = 100, 30
_CALLS: Final = (
    *("inc", "add", "dec", "set", "record", "time", "track", "observe", "observation"),
    *("bind", "remove"),
)
_DEFAULTS: Final = {
    "node_id": "by default this node's id",
    "node_role": "by default this node's role",
    "empty": "by default empty",
}


def described(metric: Metric, width: int | None = None) -> list[str]:
    """Return all that is known of a metric, as lines.

    Args:
        metric: The metric.
        width: Columns of the terminal; None where the lines go to a pipe.
    """
    room = _WIDEST if width is None else max(_NARROWEST, min(width, _WIDEST))
    lines = [metric.name, *_wrapped(metric.help, room), ""]
    lines += _wrapped(f"{metric.type}, unit {metric.unit}: {metric.why}", room)
    across = f"Processes of one node together: {metric.across}. {metric.across_why}"
    lines += _wrapped(across.rstrip(), room)
    lines += _wrapped(f"At most {metric.stream_limit} series a process.", room)
    if metric.buckets:
        bounds = ", ".join(f"{bound:g}" for bound in metric.buckets)
        lines += _wrapped(f"Buckets: {bounds}.", room)
    parts = {
        "labels": [_label(label) for label in metric.labels],
        "call": _calls(metric),
    }
    parts["alerts"], parts["panels"] = _uses(metric)
    for title, texts in parts.items():
        if texts:
            lines += ["", f"{title}:"]
        for text in texts:
            lines += _wrapped(text, room, 2)
    return [*lines, *_queries(metric, room)]


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    first, later = " " * indent, " " * (indent * 2)
    return wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        # A name or a query that is broken can't be copied.
        break_long_words=False,
        break_on_hyphens=False,
    )


def _label(label: Label) -> str:
    if label.kind == "closed":
        values = f"One of {', '.join(label.values)}"
    else:
        known = f"Such as {', '.join(label.values)}. " if label.values else ""
        kept = ", the latest are kept" if label.keep == "latest" else ""
        values = f"{known}At most {label.budget} values a process{kept}"
    default = f"; {_DEFAULTS[label.default]}" if label.default else ""
    return f"{label.key}: {label.help} {values}{default}."


def _calls(metric: Metric) -> list[str]:
    """Return the signatures of the handle's methods."""
    from butterfly_otel import metrics  # noqa: PLC0415 - start-up time

    handle = next((each for each in metrics.ALL if each.metric.name == metric.name), None)
    if handle is None:
        return []
    found: list[str] = []
    for name in _CALLS:
        method = getattr(handle, name, None)
        if method is None:
            continue
        signature = inspect.signature(method)
        bare = [
            each.replace(annotation=inspect.Parameter.empty)
            for each in signature.parameters.values()
        ]
        text = inspect.Signature(bare)
        found.append(f"metrics.{metric.handle_name}.{name}{text}")
    return found


def _queries(metric: Metric, width: int) -> Iterator[str]:
    from butterfly_otel.catalog import queries  # noqa: PLC0415 - start-up time

    found = [each for each in queries.ALL if _mentions(each.expr, {metric.name})]
    if found:
        yield ""
        yield "queries:"
    for each in found:
        yield from _wrapped(f"{each.tells.rstrip('.')}:", width, 2)
        # Whole, to be copied.
        yield f"    {each.expr}"


def _uses(metric: Metric) -> tuple[list[str], list[str]]:
    """Return the alerts and the panels that use a metric, be it by recording rules."""
    from butterfly_otel.operate.dashboards import dashboards  # noqa: PLC0415 - start-up time
    from butterfly_otel.operate.rules import alert_groups, recording_groups  # noqa: PLC0415
    from butterfly_otel.operate.rules.model import Alert, RecordingRule  # noqa: PLC0415

    rules = [rule for group in (*recording_groups(), *alert_groups()) for rule in group.rules]
    recorded = [rule for rule in rules if isinstance(rule, RecordingRule)]
    names = {metric.name}
    while fresh := {
        rule.record for rule in recorded if rule.record not in names and _mentions(rule.expr, names)
    }:
        names |= fresh
    alerts = _unique(
        f"{rule.name} ({rule.severity}): {_plain(rule.summary)}"
        for rule in rules
        if isinstance(rule, Alert) and _mentions(rule.expr, names)
    )
    panels = _unique(
        f"{board.title}: {panel.title}"
        for board in dashboards()
        for row in board.rows
        for panel in row.panels
        if any(_mentions(target.expr, names) for target in panel.targets)
    )
    return list(alerts), list(panels)


def _plain(template: str) -> str:
    """Return a template of Prometheus with the labels' names in the place of their values."""
    return re.sub(r"\{\{ *\$labels\.(\w+) *\}\}", r"<\1>", template)


def _mentions(expr: str, names: Iterable[str]) -> bool:
    return any(
        re.search(rf"(?<![\w:]){re.escape(name)}(_bucket|_sum|_count)?(?![\w:])", expr)
        for name in names
    )


def _unique(texts: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(texts))
