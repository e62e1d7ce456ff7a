"""``butterfly-otel check``: are expositions true to the contract?

Exit codes: 0, they are; 1, one has errors (or warnings, with ``--strict``); 2, wrong usage, or a
target that cannot be read.

``--json`` prints one object; of one target that was named::

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

Of several, of those in files, or of what is pushed, where each resource is a target and ``format``
is ``otlp``, ``{"ok": false, "exit_code": 2, "targets": […]}``, where each has
besides its own ``exit_code`` and ``error``, a sentence where it could not be read, which leaves
``format`` null; otherwise null.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from butterfly_otel import catalog
from butterfly_otel.cli.access import EPILOG, access_of, add_access_options
from butterfly_otel.cli.check.otlp import add_options, listen
from butterfly_otel.cli.check.report import EXIT_OK, EXIT_USAGE, Report, as_json, as_text
from butterfly_otel.cli.check.usage import require_one_way, require_rules, seconds
from butterfly_otel.cli.contracts import add_catalog_option, contract_of
from butterfly_otel.cli.discovered import targets_of
from butterfly_otel.lint.expositions.check import check_exposition, in_prometheus, sort_findings
from butterfly_otel.lint.expositions.fetch import Answer, Client, TargetError
from butterfly_otel.lint.expositions.otlp.sources import Sources
from butterfly_otel.lint.expositions.scan import detect_format
from butterfly_otel.lint.findings import Finding
from butterfly_otel.views.overlays import read_overlays
from butterfly_otel.views.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.expositions.model import ExpositionFormat, Format

_MOST_AT_ONCE = 32

_DESCRIPTION = """\
Check whether Prometheus or OpenMetrics expositions, or what is pushed by OTLP, of any
implementation in any language, are true to the contract: names, types, labels, vocabularies,
buckets, units, HELP.
"""
_EPILOG = f"""\
exit codes: 0 true to the contract; 1 errors, or warnings with --strict; 2 wrong usage, or a
target that cannot be read. Of several targets it is the highest, and the report has each one's.

{EPILOG}
otlp: --otlp listens instead, as a Collector does, by gRPC and by HTTP (protobuf and JSON, path
  /v1/metrics), without TLS. Each resource that pushes is a target of the report.

examples:
  butterfly-otel check http://localhost:9464/metrics
  butterfly-otel check node-1:9464 node-2:9464 --ca ca.pem --bearer-file token
  butterfly-otel check --file-sd targets.yml --json
  butterfly-otel check --format text --all --strict http://localhost:9464/metrics
  curl -s "$PROMETHEUS/federate?match[]={{job=\\"butterfly\\"}}" |
    butterfly-otel check --allow-label job --allow-label instance -
  butterfly-otel check --otlp 127.0.0.1:4317 --otlp http://127.0.0.1:4318 --for 2m
"""


@dataclass(frozen=True, slots=True)
class _Options:
    """The command's arguments, typed."""

    targets: Sequence[str]
    file_sd: Sequence[str]
    format: ExpositionFormat | Literal["auto"]
    json: bool
    all: bool
    allow_label: Sequence[str]
    ignore: Sequence[str]
    strict: bool
    timeout: float
    views: Sequence[str]
    otlp: Sequence[str]
    duration: float | None
    count: int | None
    catalog: str | None


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
    add(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a URL (http, https), a host:port, a file, or - for standard input; several are read"
        " at once",
    )
    add(
        "--file-sd",
        action="append",
        default=[],
        metavar="FILE",
        help="file of targets, in JSON or YAML, as Prometheus' file_sd_configs; repeatable",
    )
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
        type=seconds,
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
    add_options(add)
    add_catalog_option(parser, "check against this contract; Butterfly's metrics are known besides")
    add_access_options(parser)
    parser.set_defaults(run=run)


def run(
    args: argparse.Namespace, stdout: TextIO | None = None, stderr: TextIO | None = None
) -> int:
    """Check the targets and print what was found.

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
        require_rules(options.ignore)
        require_one_way(
            listens=bool(options.otlp),
            reads=bool(options.targets or options.file_sd),
            lasts=options.duration is not None or options.count is not None,
        )
        contract = _contract(options)
        if options.otlp:
            alone = False
            reports = _pushed(contract, options, errors)
        else:
            reports = _read(contract, options, Client(access_of(args)))
            alone = len(reports) == 1 and not options.file_sd
    except TargetError as error:
        _write(errors, f"butterfly-otel check: {error}")
        return EXIT_USAGE
    if alone and reports[0].error is not None:
        _write(errors, f"butterfly-otel check: {reports[0].error}")
    else:
        _write(out, (as_json if options.json else as_text)(reports, alone=alone))
    return max((report.exit_code for report in reports), default=EXIT_OK)


def _read(contract: Sequence[Metric], options: _Options, client: Client) -> list[Report]:
    targets = targets_of(options.targets, options.file_sd)
    contract = [in_prometheus(metric) for metric in contract]
    with ThreadPoolExecutor(min(len(targets), _MOST_AT_ONCE)) as pool:
        return list(pool.map(partial(_report, client, contract, options), targets))


def _pushed(contract: Sequence[Metric], options: _Options, errors: TextIO) -> list[Report]:
    def tell(text: str) -> None:
        _write(errors, text)
        errors.flush()

    return listen(
        options.otlp,
        duration=options.duration,
        count=options.count,
        sources=Sources(contract, expect_all=options.all, allow_labels=options.allow_label),
        tell=tell,
        report=partial(_judged, "otlp", options),
    )


def _report(client: Client, contract: Sequence[Metric], options: _Options, target: str) -> Report:
    try:
        answer = client.read(target, options.format, options.timeout)
    except TargetError as error:
        return Report(target, error=str(error))
    used = _format_of(answer, options.format)
    return _judged(used, options, target, _findings(answer, used, contract, options))


def _judged(used: Format, options: _Options, target: str, found: Iterable[Finding]) -> Report:
    findings = tuple(sort_findings(each for each in found if each.rule not in options.ignore))
    failing = {"error", "warning"} if options.strict else {"error"}
    ok = not any(finding.severity in failing for finding in findings)
    return Report(target, used, findings, ok=ok)


def _format_of(answer: Answer, wanted: ExpositionFormat | Literal["auto"]) -> ExpositionFormat:
    """Believe a content type, as Prometheus does; then the option; then the text."""
    if answer.content_type:
        return detect_format(answer.text, answer.content_type)
    return detect_format(answer.text) if wanted == "auto" else wanted


def _findings(
    answer: Answer, used: ExpositionFormat, contract: Sequence[Metric], options: _Options
) -> list[Finding]:
    found = check_exposition(
        answer.text,
        metrics=contract,
        known=catalog.ALL if options.catalog else catalog.EXTENSIONS,
        expect_all=options.all,
        allow_labels=options.allow_label,
        exposition_format=used,
    )
    return found + _content_type(answer, used, options)


def _contract(options: _Options) -> Sequence[Metric]:
    """Return the contract as the overlays narrow it.

    Raises:
        ViewError: When an overlay is wrong.
        CatalogError: When the contract is.
    """
    whole = catalog.BUTTERFLY if options.catalog is None else contract_of(options.catalog)
    streams = (Stream.of(metric, whole.meter) for metric in whole)
    return [
        replace(stream.metric, labels=stream.labels, buckets=stream.buckets)
        for stream in read_overlays(streams, options.views).streams
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


def _write(stream: TextIO, text: str) -> None:
    """Write a line in the stream's encoding, escaping what it does not have."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
