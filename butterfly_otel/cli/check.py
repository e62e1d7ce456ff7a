"""``butterfly-otel check``: is an exposition true to the contract?

Exit codes: 0, it is; 1, it has errors (or warnings, with ``--strict``); 2, wrong usage, or a
target that cannot be read.

``--json`` prints one object::

    {
      "target": "http://localhost:9464/metrics",
      "format": "openmetrics",              // or "text": what it was checked as
      "ok": false,                          // whether the exit code is 0
      "counts": {"error": 1, "warning": 0, "info": 1},
      "findings": [
        {"rule": "label-value", "severity": "error", "subject": "butterfly_requests_total",
         "message": "…", "line": 12}        // line is null where there is none
      ]
    }
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, cast

from butterfly_otel import catalog
from butterfly_otel.lint.expositions.check import RULE_NAMES, check_exposition, sort_findings
from butterfly_otel.lint.expositions.fetch import Answer, TargetError, read_target
from butterfly_otel.lint.expositions.scan import detect_format
from butterfly_otel.lint.findings import Finding, Severity
from butterfly_otel.process.text import printable
from butterfly_otel.views.overlays import apply_overlays
from butterfly_otel.views.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import TextIO

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.expositions.model import ExpositionFormat

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2

_DESCRIPTION = """\
Check whether a Prometheus or OpenMetrics exposition, of any implementation in any language,
is true to the contract: names, types, labels, vocabularies, buckets, units, HELP.
"""
_EPILOG = """\
exit codes: 0 true to the contract; 1 errors, or warnings with --strict; 2 wrong usage, or a
target that cannot be read.

examples:
  butterfly-otel check http://localhost:9464/metrics
  butterfly-otel check --format text --all --strict http://localhost:9464/metrics
  curl -s "$PROMETHEUS/federate?match[]={job=\\"butterfly\\"}" |
    butterfly-otel check --allow-label job --allow-label instance -
"""


@dataclass(frozen=True, slots=True)
class _Options:
    """The command's arguments, typed."""

    target: str
    format: ExpositionFormat | Literal["auto"]
    json: bool
    all: bool
    allow_label: Sequence[str]
    ignore: Sequence[str]
    strict: bool
    timeout: float
    views: Sequence[str]


_FIELDS = tuple(field.name for field in fields(_Options))


def add_parser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],  # pyright: ignore[reportPrivateUsage] - it has no public name
) -> None:
    """Declare the command; ``args.run`` is then :func:`run`."""
    parser = subparsers.add_parser(
        "check",
        help="check an exposition against the contract",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("target", metavar="TARGET", help="a URL (http, https), a file, or - for standard input")
    add(
        "--format",
        choices=("auto", "text", "openmetrics"),
        default="auto",
        help="format to ask a URL for and to read a file as (default: OpenMetrics is preferred"
        " of a URL; of a file, `# EOF` tells)",
    )
    add("--json", action="store_true", help="print one JSON object")
    add("--all", action="store_true", help="report every metric of the contract that is absent")
    add(
        "--allow-label",
        action="append",
        default=[],
        metavar="KEY",
        help="label that is allowed on every metric, such as job; repeatable",
    )
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="RULE",
        help="rule whose findings are left out; repeatable",
    )
    add("--strict", action="store_true", help="fail on warnings too")
    add(
        "--timeout",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="seconds a URL has for its answer (default: 10)",
    )
    add(
        "--views",
        action="append",
        default=[],
        metavar="OVERLAY",
        help="overlay of Views the exposition was made with, a file or a shipped one's name;"
        " repeatable",
    )
    parser.set_defaults(run=run)


def run(
    args: argparse.Namespace, stdout: TextIO | None = None, stderr: TextIO | None = None
) -> int:
    """Check the target and print what was found.

    Args:
        args: What the parser of :func:`add_parser` gives.
        stdout: Where findings go; standard output by default.
        stderr: Where the sentence goes that says why nothing could be checked.

    Returns:
        The exit code.
    """
    out = sys.stdout if stdout is None else stdout
    errors = sys.stderr if stderr is None else stderr
    options = _Options(**{name: getattr(args, name) for name in _FIELDS})
    try:
        _known_rules(options.ignore)
        answer = read_target(options.target, options.format, options.timeout)
    except TargetError as error:
        _write(errors, f"butterfly-otel check: {error}")
        return EXIT_USAGE
    used = _format_of(answer, options.format)
    findings = _findings(answer, used, options)
    failing = {"error", "warning"} if options.strict else {"error"}
    ok = not any(finding.severity in failing for finding in findings)
    if options.json:
        _write(out, _as_json(options.target, used, findings, ok=ok))
    else:
        _write(out, _as_text(options.target, used, findings, ok=ok))
    return EXIT_OK if ok else EXIT_FINDINGS


def _known_rules(names: Collection[str]) -> None:
    for name in names:
        if name not in RULE_NAMES and name != "content-type":
            close = get_close_matches(name, RULE_NAMES, n=1)
            hint = f"did you mean {close[0]}?" if close else f"rules: {', '.join(RULE_NAMES)}"
            raise TargetError(f"--ignore {name}: there is no such rule; {hint}")


def _format_of(answer: Answer, wanted: ExpositionFormat | Literal["auto"]) -> ExpositionFormat:
    """Believe a content type, as Prometheus does; then the option; then the text."""
    if answer.content_type:
        return detect_format(answer.text, answer.content_type)
    return detect_format(answer.text) if wanted == "auto" else wanted


def _findings(answer: Answer, used: ExpositionFormat, options: _Options) -> list[Finding]:
    found = check_exposition(
        answer.text,
        metrics=_contract(options.views),
        expect_all=options.all,
        allow_labels=options.allow_label,
        exposition_format=used,
    )
    found += _content_type(answer, used, options)
    return sort_findings(item for item in found if item.rule not in options.ignore)


def _contract(overlays: Sequence[str]) -> Sequence[Metric]:
    """Return the contract as the overlays narrow it.

    Raises:
        ViewError: When an overlay is wrong.
    """
    return [
        replace(stream.metric, labels=stream.labels, buckets=stream.buckets)
        for stream in apply_overlays(map(Stream.of, catalog.CONTRACT), overlays)
        if not stream.dropped
    ]


def _content_type(answer: Answer, used: ExpositionFormat, options: _Options) -> list[Finding]:
    """Check what only an HTTP answer has."""
    if answer.content_type == "":
        message = "no Content-Type, which Prometheus 3 refuses without `fallback_scrape_protocol`"
    elif answer.content_type is not None and options.format not in ("auto", used):
        message = f"asked for {options.format}, answered {answer.content_type}; checked as {used}"
    else:
        return []
    return [Finding("content-type", "warning", "", message)]


def _counts(findings: Collection[Finding]) -> dict[Severity, int]:
    severities = cast("tuple[Severity, ...]", ("error", "warning", "info"))
    return {name: sum(item.severity == name for item in findings) for name in severities}


def _as_json(
    target: str, used: ExpositionFormat, findings: Collection[Finding], *, ok: bool
) -> str:
    document = {
        "target": target,
        "format": used,
        "ok": ok,
        "counts": _counts(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(document, indent=2)


def _as_text(
    target: str, used: ExpositionFormat, findings: Collection[Finding], *, ok: bool
) -> str:
    width = max([len(item.rule) for item in findings], default=0)
    lines = [_line(item, width) for item in findings]
    counts = ", ".join(
        f"{count} {name}{'' if count == 1 else 's'}" for name, count in _counts(findings).items()
    )
    verdict = "true to the contract" if ok else "not true to the contract"
    return "\n".join([*lines, printable(f"{target} ({used}): {verdict}: {counts}")])


def _line(finding: Finding, width: int) -> str:
    line = "-" if finding.line is None else str(finding.line)
    subject = f"{finding.subject}: " if finding.subject else ""
    text = f"{finding.severity:<7}  {line:>6}  {finding.rule:<{width}}  {subject}{finding.message}"
    return printable(text)


def _seconds(text: str) -> float:
    """Read a positive number of seconds; argparse reports the error."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _write(stream: TextIO, text: str) -> None:
    """Write a line in the stream's encoding, escaping what it does not have."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
