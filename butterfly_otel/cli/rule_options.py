"""The options that rules are made with, for whichever command takes them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from butterfly_otel.operate.rules import Options

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``rules``, ``dashboards`` and ``init`` take, in the same sense."""
    add = parser.add_argument
    add(
        "--selector",
        action="append",
        default=[],
        metavar="MATCHER",
        help="a matcher that every selector gets, such as 'cluster=\"a\"'; may be given several"
        " times",
    )
    add("--jobs", metavar="REGEX", help="the job label of all that is Butterfly's")
    add(
        "--runbooks",
        metavar="URL",
        help="where the runbooks are, as ALERT.md, or with {alert} in the place of its name"
        " (default: nowhere; `butterfly-otel runbook ALERT` shows one)",
    )


def add_adjusted(
    parser: argparse.ArgumentParser,
    *,
    label: str = "a label of every recorded series and every alert",
    threshold: str = "where an alert begins",
    interval: str = "of Prometheus, or of pushes (default: 15s); no rate looks at less than four",
) -> None:
    """Add the options that say what is different with a cluster, with what they mean here."""
    add = parser.add_argument
    for option, meaning in (("--extra-label", label), ("--threshold", threshold)):
        add(
            option,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"{meaning}; may be given several times",
        )
    add("--scrape-interval", type=parse_duration, metavar="DURATION", help=interval)


def rule_options(args: argparse.Namespace, **more: Any) -> Options:  # noqa: ANN401 - as Options has
    """Return the options of rules.

    Args:
        args: Has what ``rules``, ``dashboards`` and ``init`` take.
        more: What only one of them takes; None where it was not given.

    Raises:
        ConfigurationError: When one of them is wrong.
    """
    # Imported late, so that the other commands start as fast as they can.
    from butterfly_otel.operate.rules import Options, Thresholds, parse_labels  # noqa: PLC0415

    return Options(
        thresholds=Thresholds().changed(args.threshold),
        extra_labels=parse_labels(args.extra_label),
        selector=tuple(args.selector),
        **given(
            jobs=args.jobs,
            runbooks=args.runbooks.rstrip("/") if args.runbooks else None,
            scrape_interval=args.scrape_interval,
            **more,
        ),
    )


def given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever options take
    """Return those values that were given: the others have defaults."""
    return {name: value for name, value in values.items() if value is not None}


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``15s``, ``500ms`` or ``1m``.

    Raises:
        ArgumentTypeError: When it is none.
    """
    for unit, seconds in _UNITS.items():
        count = text.removesuffix(unit)
        if count != text and count.isascii() and count.isdigit():
            return int(count) * seconds
    msg = f"{text!r} is no duration; write one such as 15s or 1m"
    raise argparse.ArgumentTypeError(msg)
