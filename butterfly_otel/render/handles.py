"""Renders ``butterfly_otel/metrics.py``: a typed class and a handle for each metric.

:mod:`.own_handles` renders the same of a contract of one's own.
"""

from __future__ import annotations

import json
from textwrap import indent
from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.handles.paths import nesting
from butterfly_otel.render.docstrings import docstring
from butterfly_otel.render.quick import quick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from butterfly_otel.catalog.model import Label, Metric

_HEADER = '''\
# Rendered from butterfly_otel/catalog by `butterfly-otel render`: edit the catalogue, not this.
"""The contract's metrics as typed handles: one class and one handle each.

Labels are keyword-only and typed, so a wrong one is an error in the editor. Labels that name
this process (``node_id``, ``node_role``, the local end of a connection) may be left out: their
value comes from :func:`butterfly_otel.configure`, before which every handle measures nothing.

Every method is thread-safe. In production mode none raises because of what it is passed; with
``configure(strict=True)`` they raise :class:`~butterfly_otel.LabelError` and
:class:`~butterfly_otel.MeasurementError`.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Literal

from butterfly_otel.process import tracing
from butterfly_otel.handles.bound import (
    BoundCounter,
    BoundGauge,
    BoundHistogram,
    BoundUpDownCounter,
    negated,
)
from butterfly_otel.handles.handles import (
    CounterHandle,
    GaugeHandle,
    HistogramHandle,
    ObservableHandle,
    UpDownCounterHandle,
    int_text,
)
from butterfly_otel.handles.lookups import APART
from butterfly_otel.handles.timer import Timer
from butterfly_otel.process.values import HIGHEST, ONE, SMALL

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.metrics import Observation
'''

_BASES = {
    "counter": "CounterHandle",
    "up_down_counter": "UpDownCounterHandle",
    "gauge": "GaugeHandle",
    "histogram": "HistogramHandle",
    "observable_counter": "ObservableHandle",
    "observable_up_down_counter": "ObservableHandle",
    "observable_gauge": "ObservableHandle",
}
_BOUND = {
    "counter": "BoundCounter",
    "up_down_counter": "BoundUpDownCounter",
    "gauge": "BoundGauge",
    "histogram": "BoundHistogram",
}
#: The kind and the check of a template of ``render/quick.py``, and what the amount is called.
_Quick = tuple[str, str, str]
#: Method name, its value parameter, its result, its body, its docstring.
_Method = tuple[str, str, str, "str | _Quick", str]
#: Where a measurement goes, in line as the quick way is: calls are what costs.
_FIND = """\
cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells){path}
        except Exception:  # unknown, or no label value at all
            cell = self.find({values})
        """
_MARGIN = " " * 8
_RECORD = f"{_FIND}cell.record({{value}})"
_METHODS: dict[str, tuple[_Method, ...]] = {
    "counter": (
        ("add", "amount: float", "None", ("counter", "small", "amount"),
         "Add ``amount``, 0 or more."),
        ("inc", "", "None", ("counter", "one", "1"), "Add one."),
    ),
    "up_down_counter": (
        ("add", "amount: float", "None", _RECORD.replace("{value}", "amount"),
         "Add ``amount``, which may be negative."),
        ("inc", "amount: float = 1", "None", _RECORD.replace("{value}", "amount"),
         "Add ``amount``, by default one."),
        ("dec", "amount: float = 1", "None", _RECORD.replace("{value}", "negated(amount)"),
         "Subtract ``amount``, by default one."),
        ("track", "", "AbstractContextManager[None]",
         "return BoundUpDownCounter(self, {values}).track()",
         "Count one more for as long as a ``with`` block runs, however it ends."),
    ),
    "gauge": (
        ("set", "value: float", "None", _RECORD.replace("{value}", "value"),
         "Set the current value."),
    ),
    "histogram": (
        ("record", "value: float", "None", ("histogram", "plain", "value"),
         "Record one value, 0 or more."),
        ("time", "", "Timer", "return BoundHistogram(self, {values}).time()",
         "Time a ``with`` block, or every call of a decorated function, in seconds."),
    ),
    "observable": (
        ("observation", "value: float", "Observation",
         "return self._observation(value, {values})",
         "Return what a callback reports for one series."),
    ),
}  # fmt: skip
#: Labels whose values are naturally integers.
_INTEGERS = frozenset({"layer_id", "gpu_id", "core"})


def render_handles() -> str:
    """Return the text of ``butterfly_otel/metrics.py``."""
    contract = catalog.BUTTERFLY
    parts = [_HEADER]
    for metric in contract:
        made = [*handle_class(metric, class_name(metric)), *BETWEEN]
        made.append(f'{metric.handle_name} = {class_name(metric)}("{metric.name}")')
        parts.append("\n".join(made))
    names = {metric.handle_name: class_name(metric) for metric in contract}
    parts.append("\n".join(_all(names)))
    return "\n\n\n".join(parts) + "\n"


#: Between a class and what follows.
BETWEEN = ("", "")


def class_name(metric: Metric) -> str:
    """Return the name of a metric's handle class in ``butterfly_otel/metrics.py``."""
    return titled(metric.handle_name)


def titled(name: str) -> str:
    """Return the name of the class of a handle."""
    return "".join(word.capitalize() for word in name.split("_"))


def handle_class(metric: Metric, name: str) -> Iterator[str]:
    """Yield the lines of the class of a metric's handle."""
    yield f"class {name}({_BASES[metric.instrument]}):"
    yield from docstring(metric)
    yield ""
    yield "    __slots__ = ()"
    kind = "observable" if metric.observable else metric.instrument
    for method, value, result, body, doc in _METHODS[kind]:
        if method == "time" and metric.unit != "s":
            continue
        yield ""
        yield from _method(metric, method, value, result, body, doc)
    if not metric.observable:
        bound = _BOUND[metric.instrument]
        yield ""
        yield from _method(
            metric, "bind", "", bound, f"return {bound}(self, {{values}})",
            "Return this metric with these labels given, for hot paths.",
        )  # fmt: skip
        yield ""
        yield from _method(
            metric, "remove", "", "None", "self._remove({values})",
            "End the series with these labels; measuring it again begins a new one.",
        )  # fmt: skip


def _in_line(kind: str, check: str, amount: str) -> str:
    """Return the body of a method that measures in line and leaves the rest to the cell."""
    way = quick(kind, check, len(_MARGIN), amount=amount)
    return f"{_FIND}{indent(way, _MARGIN).lstrip()}\n{_MARGIN}cell.record({amount})"


def _method(
    metric: Metric, name: str, value: str, result: str, body: str | _Quick, doc: str
) -> Iterator[str]:
    yield f"    def {name}("
    yield "        self,"
    if value:
        yield f"        {value},"
    if metric.labels:
        yield "        *,"
    for label in metric.labels:
        yield f"        {label.parameter}: {_annotation(label)},"
    yield f"    ) -> {result}:"
    yield f'        """{doc}"""'
    text = body if isinstance(body, str) else _in_line(*body)
    yield f"        {text.format(values=_values(metric), path=_path(metric))}"


def _annotation(label: Label) -> str:
    if label.type == "boolean":
        kind = "bool"
    elif label.kind == "closed":
        whole = label.type == "int"
        kind = f"Literal[{', '.join(label.values if whole else map(_quote, label.values))}]"
    elif label.type != "string":
        kind = {"int": "int", "double": "float"}[label.type]
    else:
        kind = "str | int" if label.key in _INTEGERS else "str"
    return kind if label.default is None else f"{kind} | None = None"


def _values(metric: Metric) -> str:
    if not metric.labels:
        return "()"
    values = ", ".join(map(_value, metric.labels))
    return f"({values},)" if len(metric.labels) == 1 else f"({values})"


def _path(metric: Metric) -> str:
    """Return the subscripts that look a measurement's target up."""
    labels = [metric.labels[at] for at in nesting(metric)]
    return "".join(f"[{_value(label)}]" for label in labels) or "[()]"


def _value(label: Label) -> str:
    name = label.parameter
    if label.type == "int":
        return f"int_text({name})"
    if label.key in _INTEGERS:
        return f"{name} if type({name}) is str else int_text({name})"
    return name


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _all(names: Mapping[str, str]) -> Iterator[str]:
    yield "#: Every handle of the contract, in the specification's order."
    yield "ALL = ("
    yield from (f"    {name}," for name in names)
    yield ")"
    yield ""
    yield from exported(["ALL", *names, *names.values()])


def exported(names: Iterable[str]) -> Iterator[str]:
    """Yield the lines that say what a module exports."""
    yield "__all__ = ["
    yield from (f"    {_quote(name)}," for name in sorted(names))
    yield "]"
