"""Renders ``butterfly_otel/runtime/configure.py``: ``configure()``, as the settings are declared.

A signature that is written out is what every editor completes and describes, and what ``help()``
shows; so it is rendered, and not made when the package is imported.
"""

from __future__ import annotations

import re
from textwrap import fill
from typing import TYPE_CHECKING, Final, cast

from butterfly_otel.settings import config, exporters, processes
from butterfly_otel.settings.config import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.settings.declaration import Setting

#: Where types of arguments are, beside those of the settings themselves.
_HOMES: Final = {
    "Mapping": "collections.abc",
    "Sequence": "collections.abc",
    "PathLike": "os",
    "MetricReader": "opentelemetry.sdk.metrics.export",
    "View": "opentelemetry.sdk.metrics.view",
    "CollectorRegistry": "prometheus_client",
    "Source": "butterfly_otel.collectors",
    "Across": "butterfly_otel.catalog.model",
    "Catalog": "butterfly_otel.catalog.model",
    "Runtime": "butterfly_otel.runtime.lifecycle",
}
_BUILT_IN: Final = frozenset({"str", "bool", "int", "float", "None"})
_WIDTH: Final = 100

_TEXT: Final = '''\
# Rendered from butterfly_otel/settings by `butterfly-otel render`: edit the declarations, not this.
"""``configure()``, with an argument for each setting; what it does is in ``lifecycle.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from butterfly_otel.runtime.lifecycle import start
from butterfly_otel.settings.spelling import suggests_names

if TYPE_CHECKING:
{imports}

class Arguments(TypedDict, total=False):
    """What :func:`configure` takes, where each is described, for what passes settings on."""

{fields}


@suggests_names
def configure(  # noqa: PLR0913 - one parameter a setting, all keyword-only
    *,
{parameters}
) -> Runtime:
    """Start measuring and exporting.

    Every argument that is left out comes from the environment variable in parentheses, of
    several from the first that is set, else from its default. Calling it again with equal
    settings returns the same runtime. Thread-safe.

    Args:
{described}

    Raises:
        ConfigurationError: When settings are missing or wrong (a line for each), the port is in
            use, or the SDK is already configured differently. Nothing is left running then.
        TypeError: When there is no such argument.
    """
    return start(locals())
'''


def render_configure(settings: Iterable[Setting] = SETTINGS) -> str:
    """Return the text of ``butterfly_otel/runtime/configure.py``."""
    arguments = [each for each in settings if each.name]
    types = [f"{each.takes} | None" for each in arguments]
    return _TEXT.format(
        imports=_imports(types),
        fields="\n".join(
            f"    {each.name}: {taken}" for each, taken in zip(arguments, types, strict=True)
        ),
        parameters="\n".join(
            f"    {each.name}: {taken} = None,"
            for each, taken in zip(arguments, types, strict=True)
        ),
        described="\n".join(map(_described, arguments)),
    )


def default_of(setting: Setting) -> str:
    """Return a sentence on the default; empty where its own sentences tell it."""
    value = setting.default
    if isinstance(value, tuple):
        value = ", ".join(map(str, cast("tuple[object, ...]", value)))
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return f"Default ``{value}``."
    return f"Default {value:g}." if isinstance(value, float) else f"Default {value}."


def _described(setting: Setting) -> str:
    variables = ", ".join(setting.variables)
    form = f"; {setting.kind.form}" if setting.kind.form else ""
    stated = f"({variables}{form})" if variables else ""
    text = " ".join(part for part in (setting.tells, default_of(setting), stated) if part)
    return fill(
        f"{setting.name}: {text}",
        _WIDTH,
        initial_indent=" " * 8,
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _imports(types: Iterable[str]) -> str:
    homes: dict[str, set[str]] = {}
    for name in {"Runtime", *re.findall(r"\w+", " ".join(types))} - _BUILT_IN:
        home = _HOMES.get(name) or next(
            each.__name__ for each in (exporters, processes, config) if hasattr(each, name)
        )
        homes.setdefault(home, set()).add(name)
    groups: dict[int, list[str]] = {}
    for home in sorted(homes):
        # The order of every module here: Python's own, others', ours.
        rank = (home.split(".")[0] in {"opentelemetry", "prometheus_client"}) + 2 * home.startswith(
            "butterfly_otel"
        )
        groups.setdefault(rank, []).append(_import(home, sorted(homes[home])))
    return "\n\n".join("\n".join(groups[rank]) for rank in sorted(groups)) + "\n"


def _import(home: str, names: list[str]) -> str:
    line = f"    from {home} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return f"    from {home} import (\n" + "".join(f"        {each},\n" for each in names) + "    )"
