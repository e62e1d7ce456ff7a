"""``butterfly-otel runbook``: what an alert means, and what to do."""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EPILOG = """\
examples:
  butterfly-otel runbook
  butterfly-otel runbook GPUOverheating
"""
_SYMPTOM = "## Symptom"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "runbook",
        help="show what an alert means, and what to do",
        description="Show the runbook of an alert, as Markdown: what it means, what to ask"
        " Prometheus, what to do. Without one, list the alerts.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("alert", nargs="?", metavar="ALERT", help="its name")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a runbook, or one line an alert.

    Raises:
        ConfigurationError: There is no such alert.
        NoRunbookError: Its runbook is not installed.
    """
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.page.runbooks import runbook  # noqa: PLC0415

    severities = _severities()
    if args.alert is None:
        print("\n".join(_list(severities)))
        return 0
    print(runbook(_named(args.alert, severities)), end="")
    return 0


def _severities() -> Mapping[str, str]:
    """Return the severity of each alert, by names in their order."""
    from butterfly_otel.operate.rules import Alert, alert_groups  # noqa: PLC0415

    alerts = [rule for group in alert_groups() for rule in group.rules if isinstance(rule, Alert)]
    return dict(sorted((alert.name, alert.severity) for alert in alerts))


def _named(given: str, alerts: Mapping[str, str]) -> str:
    by_lower_case = {name.lower(): name for name in alerts}
    found = by_lower_case.get(given.lower())
    if found is not None:
        return found
    near = difflib.get_close_matches(given.lower(), by_lower_case, n=1)
    hint = f"did you mean {by_lower_case[near[0]]}? " if near else ""
    msg = f"there is no alert {given!r}; {hint}`butterfly-otel runbook` lists them"
    raise ConfigurationError(msg)


def _list(alerts: Mapping[str, str]) -> Iterator[str]:
    from butterfly_otel.page.runbooks import runbook  # noqa: PLC0415

    width = max(map(len, alerts))
    # A terminal would break long lines; a pipe gets all of them.
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name, severity in alerts.items():
        symptom = runbook(name).partition(_SYMPTOM)[2].strip().partition("\n")[0]
        line = f"{name:{width}}  {severity:8}  {symptom}".rstrip()
        yield line if len(line) <= most else line[: most - 1] + "…"
