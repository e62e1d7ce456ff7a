"""Renders the reference of the settings and of the command line, from what decides of both.

``configure()``'s signature and docstring, and the parsers themselves: the pages can't say
anything else than the code.
"""

from __future__ import annotations

import argparse
import inspect
import re
from typing import TYPE_CHECKING, NamedTuple, cast

from butterfly_otel.errors import CatalogError
from butterfly_otel.render import Artefact
from butterfly_otel.runtime.lifecycle import configure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_NOTE = "<!-- Rendered by `butterfly-otel render`: edit {source}, not this. -->\n"
_ENTRY = re.compile(r"^(\w+): (.*)", re.DOTALL)
_VARIABLES = re.compile(r"\(([^()]*\b(?:OTEL|BUTTERFLY)_[A-Z_]+[^()]*)\)")
_VARIABLE = re.compile(r"\b(?:OTEL|BUTTERFLY)_[A-Z_]+\b")
#: A role of reStructuredText, of which the last name remains.
_ROLE = re.compile(r":\w+:`~?[\w.]*?(\w+)`")

_SETTINGS = """\
# Configuration

Every setting of `butterfly_otel.configure()`. An argument beats its variable, a variable beats
the default; an empty variable counts as unset. A wrong setting is one `ConfigurationError` that
says what is wrong, where it was set and how to mend it.

| Argument | Variable | Meaning |
|---|---|---|
"""
_MORE_SETTINGS = """
Variables without an argument:

| Variable | Meaning |
|---|---|
| `OTEL_SDK_DISABLED` | `true`: handles do nothing, no port is opened, no name is needed. |

Variables for OTLP have a second spelling for metrics alone, such as
`OTEL_EXPORTER_OTLP_METRICS_HEADERS`, which beats the shared one. Durations in variables are in
milliseconds, as OpenTelemetry has it; arguments are in seconds. Flags are `true`, `1`, `yes` or
`on`, and `false`, `0`, `no` or `off`. Several paths in `BUTTERFLY_OTEL_VIEWS` are separated as in
`PATH`.
"""
_COMMANDS = """\
# Command line

`butterfly-otel COMMAND`. Exit codes: 0 all is well, 1 something was found, 2 it could not be done.
"""


class Setting(NamedTuple):
    """One argument of ``configure()``.

    Attributes:
        argument: Its name.
        variables: The environment variables that stand for it.
        form: What is special about these, such as their unit.
        meaning: What it does, with its default.
    """

    argument: str
    variables: tuple[str, ...]
    form: str
    meaning: str


def settings(function: Callable[..., object] = configure) -> list[Setting]:
    """Return the arguments of a function as its docstring describes them.

    Raises:
        CatalogError: When the docstring has not exactly the arguments of the signature.
    """
    _, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:\n")
    section = re.split(r"\n\S", rest)[0]
    # Each begins with four spaces; what is deeper goes on with it.
    entries = [
        " ".join(each.split()) for each in re.split(r"^ {4}(?=\w)", section, flags=re.MULTILINE)
    ]
    found = [_setting(*match.groups()) for each in entries if (match := _ENTRY.match(each))]
    names = [each.argument for each in found]
    if names != list(inspect.signature(function).parameters):
        raise CatalogError(f"the docstring of {function.__name__} describes other arguments")
    return found


def _setting(argument: str, text: str) -> Setting:
    stated = _VARIABLES.search(text)
    variables: tuple[str, ...] = ()
    form = ""
    if stated is not None:
        variables = tuple(_VARIABLE.findall(stated[1]))
        # Several variables are explained by a sentence, one by an addition.
        form = _VARIABLE.sub("", stated[1]).strip(" ,") if len(variables) == 1 else ""
        text = text.replace(stated[0], "")
    text = _ROLE.sub(r"`\1`", text).replace("``", "`")
    return Setting(argument, variables, form, re.sub(r"\s+([.,])", r"\1", " ".join(text.split())))


def render_settings() -> str:
    """Return the text of ``docs/reference/configuration.md``."""
    rows = "\n".join(
        f"| `{each.argument}` | {_variables(each)} | {_cell(each.meaning)} |" for each in settings()
    )
    note = _NOTE.format(source="the docstring of `configure()`")
    return f"{note}{_SETTINGS}{rows}\n{_MORE_SETTINGS}"


def _variables(setting: Setting) -> str:
    names = ", ".join(f"`{name}`" for name in setting.variables)
    return f"{names} ({setting.form})" if setting.form else names or "none"


def render_commands() -> str:
    """Return the text of ``docs/reference/cli.md``."""
    from butterfly_otel.cli import build_parser  # noqa: PLC0415 - it has the command that renders

    lines = [_NOTE.format(source="the parsers in `butterfly_otel/cli`") + _COMMANDS]
    for name, parser in _subparsers(build_parser()).items():
        lines += [f"## `butterfly-otel {name}`", "", _cell(parser.description or ""), ""]
        lines += ["| Argument | Meaning |", "|---|---|"]
        lines += [f"| {_spelling(each)} | {_help(each)} |" for each in _actions(parser)]
        lines += ["", *_epilog(parser)]
    return "\n".join(lines)


def _epilog(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    text = (parser.epilog or "").rstrip()
    return ("```text figure", text, "```", "") if text else ()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    # argparse has no public way to ask what a parser takes.
    every = cast("Iterable[argparse.Action]", parser._actions)  # noqa: SLF001
    return (each for each in every if each.help != argparse.SUPPRESS and each.dest != "help")


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in _actions(parser):
        if isinstance(action.choices, dict):
            return cast("dict[str, argparse.ArgumentParser]", action.choices)
    return {}


def _spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest.upper()}`"
    value = ""
    if action.nargs != 0:
        choices = cast("Iterable[object] | None", action.choices)
        listed = "{" + ",".join(map(str, choices)) + "}" if choices else None
        value = f" {action.metavar or listed or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return _cell(text[:1].upper() + text[1:])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


#: What is rendered here, as `butterfly_otel.render` has it.
ARTEFACTS: tuple[Artefact, ...] = (
    Artefact("docs/reference/configuration.md", render_settings),
    Artefact("docs/reference/cli.md", render_commands),
)
