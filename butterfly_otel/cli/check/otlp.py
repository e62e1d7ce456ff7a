"""``check --otlp``: what is pushed, held against the contract."""

from __future__ import annotations

import argparse
import re
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.lint.expositions.fetch import TargetError
from butterfly_otel.lint.expositions.receive import Receiver
from butterfly_otel.lint.expositions.receive.address import parse_address
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from butterfly_otel.cli.check.report import Report
    from butterfly_otel.lint.expositions.otlp.sources import Sources
    from butterfly_otel.lint.expositions.receive import Received

#: Seconds in which a Ctrl-C is seen at the latest, also where waiting holds it up.
_PULSE: Final = 0.5
_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def add_options(add: Callable[..., object]) -> None:
    """Declare the options."""
    add(
        "--otlp",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="listen there for OTLP instead of reading targets: host:port for gRPC, such as"
        " 127.0.0.1:4317, http://host:port for HTTP; repeatable",
    )
    add(
        "--for",
        dest="duration",
        type=_duration,
        metavar="DURATION",
        help="how long to listen, such as 30s or 5m (default: until Ctrl-C)",
    )
    add(
        "--count",
        type=_count,
        metavar="N",
        help="listen until so many exports have arrived",
    )


def listen(
    addresses: Sequence[str],
    *,
    duration: float | None,
    count: int | None,
    sources: Sources,
    tell: Callable[[str], None],
    report: Callable[[str, list[Finding]], Report],
) -> list[Report]:
    """Listen for a while, and return a report for each resource that has pushed.

    Args:
        addresses: Where, as the user has them.
        duration: Seconds; None for ever.
        count: Exports; None for any number.
        sources: Takes what arrives.
        tell: Called with where it listens.
        report: Makes a report of what was found.

    Raises:
        TargetError: When it can't listen, or nothing has arrived.
    """
    broken: dict[str, list[Finding]] = {}
    with Receiver([parse_address(each) for each in addresses]) as receiver:
        places = " and ".join(map(str, receiver.listening))
        tell(f"listening for OTLP on {places}; Ctrl-C ends it")
        try:
            for received in _arriving(receiver, duration, count):
                if received.request is None:
                    finding = Finding("otlp-message", "error", "", received.problem)
                    found = broken.setdefault(str(received.address), [])
                    if finding not in found:
                        found.append(finding)
                else:
                    sources.take(received.request)
        except KeyboardInterrupt:
            tell("")  # behind the ^C
    reports = [report(name, found) for name, found in {**sources.findings(), **broken}.items()]
    if not reports:
        raise TargetError(
            f"no metrics have arrived on {places}: is that the exporter's endpoint, and does it"
            " push often enough? OTEL_METRIC_EXPORT_INTERVAL is 60000 ms by default"
        )
    return reports


def _arriving(receiver: Receiver, duration: float | None, count: int | None) -> Iterator[Received]:
    end = None if duration is None else monotonic() + duration
    arrived = 0
    while count is None or arrived < count:
        left = _PULSE if end is None else min(_PULSE, end - monotonic())
        received = receiver.next(max(0.0, left))
        if received is not None:
            arrived += 1
            yield received
        if end is not None and monotonic() >= end:
            return


def _duration(text: str) -> float:
    """Read a duration; argparse reports the error."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)", text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30s, 5m or 1h")
    return seconds


def _count(text: str) -> int:
    """Read a positive number; argparse reports the error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of exports, 1 or more")
    return int(text)
