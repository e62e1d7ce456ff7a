"""Renders the handles of a contract of one's own: a module that holds the whole contract.

It has the metrics as literals, a typed class and a handle for each, and the ``Catalog`` that
``configure(catalogs=…)`` takes. It imports :mod:`butterfly_otel.handles.rendered` alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import TYPE_CHECKING

from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.errors import CatalogError
from butterfly_otel.handles import rendered
from butterfly_otel.render.handles import BETWEEN, exported, handle_class, titled

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = '''\
# Rendered from {source} by `butterfly-otel render`: edit the contract, not this.
# pyright: basic
"""The metrics of {name} as typed handles: one class and one handle each.

``CATALOG`` is the contract, for ``butterfly_otel.configure(catalogs=[CATALOG])``, before which
every handle measures nothing. Labels are keyword-only and typed, so a wrong one is an error in
the editor; those with a default may be left out.

Every method is thread-safe. In production mode none raises because of what it is passed; with
``configure(strict=True)`` they raise ``LabelError`` and ``MeasurementError``.
"""

from __future__ import annotations
'''
_ALWAYS = ("Catalog", "Metric")
#: What only annotations need.
_LATER = {
    "AbstractContextManager": "from contextlib import AbstractContextManager",
    "Observation": "from opentelemetry.metrics import Observation",
}
_CATALOG = """\
#: Every handle of the contract, in its order.
ALL = (
{handles}
)

#: The contract.
CATALOG = Catalog(
    name={name},
    meter={meter},
    metrics=tuple(handle.metric for handle in ALL),
    prefix={prefix},
    handles=ALL,
    exceptions={exceptions},
)
"""
#: Names that a module has besides, which no handle and no class may take.
_TAKEN = frozenset(
    {"ALL", "CATALOG", "TYPE_CHECKING", "Literal", "AbstractContextManager", "Observation"}
    | set(rendered.__all__)
)


def render_own_handles(contract: Catalog, source: str) -> str:
    """Return the text of the module of a contract.

    Args:
        contract: The contract.
        source: Where it comes from, as the head of the module names it.

    Raises:
        CatalogError: When two of its metrics have one name in Python.
    """
    names = handle_names(contract)
    classes = {name: _class_name(name) for name in names}
    parts = ["\n".join(_part(metric, name, classes[name])) for name, metric in names.items()]
    handles = "\n".join(f"    {name}," for name in names)
    parts.append(
        _CATALOG.format(
            handles=handles,
            name=_text(contract.name),
            meter=_text(contract.meter),
            prefix=_text(contract.prefix),
            exceptions=_literal(contract.exceptions),
        )
        + "\n"
        + "\n".join(exported(["ALL", "CATALOG", *names, *classes.values()]))
    )
    body = "\n\n\n".join(parts)
    where = " ".join(source.split())
    header = _HEADER.format(source=where, name=contract.name.replace("\\", "/"))
    return "\n".join((header, *_imports(body))) + "\n\n" + body + "\n"


def handle_names(contract: Catalog) -> dict[str, Metric]:
    """Return the metrics of a contract by the names of their handles.

    Raises:
        CatalogError: When two have the same.
    """
    found: dict[str, Metric] = {}
    for metric in contract:
        name = contract.handle_name(metric)
        if not name.isidentifier():
            name = f"metric_{name}"
        if name in _TAKEN:
            name = f"{name}_"
        other = found.setdefault(name, metric)
        if other is not metric:
            raise CatalogError(
                f"{other.name} and {metric.name} of {contract.name} are both {name} in Python;"
                " rename one of them"
            )
    return found


def _class_name(name: str) -> str:
    found = titled(name)
    return found if found.isidentifier() and found not in _TAKEN else f"{found}Handle"


def _part(metric: Metric, name: str, class_: str) -> Iterator[str]:
    yield from handle_class(metric, class_)
    yield from BETWEEN
    yield f"{name} = {class_}("
    yield f"    {_entry(metric, '    ')}"
    yield ")"


def _entry(entry: Metric | Label, margin: str) -> str:
    """Return a metric or a label as a literal: what has its default is left out."""
    lines = [f"{type(entry).__name__}("]
    for field in fields(entry):
        value: object = getattr(entry, field.name)
        if value == field.default:
            continue
        if field.name == "labels" and isinstance(entry, Metric):
            lines.append("    labels=(")
            lines += [f"        {_entry(label, margin + ' ' * 8)}," for label in entry.labels]
            lines.append("    ),")
        else:
            lines.append(f"    {field.name}={_literal(value)},")
    return f"\n{margin}".join((*lines, ")"))


def _literal(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        inner = ", ".join(_literal(each) for each in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return f"({inner},)" if len(value) == 1 else f"({inner})"  # pyright: ignore[reportUnknownArgumentType]
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _imports(body: str) -> Iterator[str]:
    """Yield the imports of the names that a module uses."""
    used = set(re.findall(r"\b\w+\b", body))
    lines = [name for name in rendered.__all__ if name in used or name in _ALWAYS]
    needed = [line for name, line in _LATER.items() if name in used]
    typing = [*(["TYPE_CHECKING"] if needed else []), *(["Literal"] if "Literal" in used else [])]
    if typing:
        yield f"from typing import {', '.join(typing)}"
        yield ""
    yield "from butterfly_otel.handles.rendered import ("
    yield from (f"    {name}," for name in lines)
    yield ")"
    if needed:
        yield ""
        yield "if TYPE_CHECKING:"
        yield from (f"    {line}" for line in needed)
    yield ""
