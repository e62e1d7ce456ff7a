"""Renders the reference of the settings and of the command line, from what decides of both.

The declarations of the settings, and the parsers themselves: the pages can't say anything else
than the code.
"""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import TYPE_CHECKING, cast

from butterfly_otel.render import Artefact
from butterfly_otel.render.configure import default_of
from butterfly_otel.settings.config import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from butterfly_otel.settings.declaration import Setting

_NOTE = "<!-- Rendered by `butterfly-otel render`: edit {source}, not this. -->\n"
#: A role of reStructuredText, of which the last name remains.
_ROLE = re.compile(r":\w+:`~?[\w.]*?(\w+)`")

_SETTINGS = """\
# Configuration

Every setting of `butterfly_otel.configure()`. An argument beats its variable, a variable beats
the default; an empty variable counts as unset. Wrong settings are one `ConfigurationError`, with a
line for each that says what is wrong, where it was set and how to mend it. Passwords in URLs and
values of headers are shown neither there nor in `repr(runtime.config)`.

| Argument | Variable | Meaning |
|---|---|---|
"""
_MORE_SETTINGS = """
Variables without an argument:

| Variable | Meaning |
|---|---|
{variables}

`OTEL_CONFIG_FILE` replaces all variables of OpenTelemetry, those that begin with `OTEL_`, as soon
as it has a `meter_provider`: an argument beats a variable that begins with `BUTTERFLY_`, which
beats the file, which beats the default. Two kinds of variables still count beside the file:
`OTEL_SDK_DISABLED=true`, which switches off, and those that the file itself refers to.
[What is read of it](../how-to/config-file.md).

Of two variables the first beats the second: those for OTLP have a spelling for metrics alone, such
as `OTEL_EXPORTER_OTLP_METRICS_HEADERS`, which beats the shared one. Durations in variables are in
milliseconds, as OpenTelemetry has it; arguments are in seconds. Flags are `true`, `1`, `yes` or
`on`, and `false`, `0`, `no` or `off`. Several paths in `BUTTERFLY_OTEL_VIEWS` are separated as in
`PATH`. A variable that is nearly one of these, such as `BUTTERFLY_OTEL_STRCT`, is warned of once,
with the right name; what Kubernetes makes for a service called `butterfly-otel` is left alone.
"""
_COMMANDS = """\
# Command line

`butterfly-otel COMMAND`. Exit codes: 0 all is well, 1 something was found, 2 it could not be done.
"""


def render_settings(settings: Iterable[Setting] = SETTINGS) -> str:
    """Return the text of ``docs/reference/configuration.md``."""
    with_argument: list[str] = []
    without: list[str] = []
    for each in settings:
        name = f"| `{each.name}` " if each.name else ""
        row = f"{name}| {_variables(each)} | {meaning(each)} |"
        (with_argument if each.name else without).append(row)
    note = _NOTE.format(source="the declarations in `butterfly_otel/settings`")
    more = _MORE_SETTINGS.format(variables="\n".join(without))
    return "\n".join((f"{note}{_SETTINGS.rstrip()}", *with_argument, more))


def meaning(setting: Setting) -> str:
    """Return what a setting does, with its default, as Markdown."""
    return _markdown(f"{setting.tells} {default_of(setting)}".strip())


def _variables(setting: Setting) -> str:
    listed = ", ".join(f"`{name}`" for name in setting.variables)
    form = _markdown(setting.kind.form)
    return f"{listed} ({form})" if form else listed or "none"


def _markdown(text: str) -> str:
    return _cell(_ROLE.sub(r"`\1`", text).replace("``", "`"))


def render_commands(whole: argparse.ArgumentParser) -> str:
    """Return the text of ``docs/reference/cli.md``, from the parser of the whole command."""
    lines = [_NOTE.format(source="the parsers in `butterfly_otel/cli`") + _COMMANDS]
    for name, parser in _subparsers(whole).items():
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


def artefacts(whole: argparse.ArgumentParser) -> tuple[Artefact, ...]:
    """Return what is rendered here, as `butterfly_otel.render` has it."""
    return (
        Artefact("docs/reference/configuration.md", render_settings),
        Artefact("docs/reference/cli.md", partial(render_commands, whole)),
    )
