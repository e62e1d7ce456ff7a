"""What was found in each target, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from butterfly_otel.lint.expositions.model import Format
    from butterfly_otel.lint.findings import Finding, Severity

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2

_VERDICTS = {
    EXIT_OK: "true to the contract",
    EXIT_FINDINGS: "not true to the contract",
    EXIT_USAGE: "not read",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a target.

    Attributes:
        target: The target as it was named.
        format: What it was checked as; None where it could not be read.
        findings: What was found.
        ok: Whether it is true to the contract.
        error: Why it could not be read.
    """

    target: str
    format: Format | None = None
    findings: Sequence[Finding] = ()
    ok: bool = False
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code, were it the only target."""
        if self.error is not None:
            return EXIT_USAGE
        return EXIT_OK if self.ok else EXIT_FINDINGS


def as_json(reports: Sequence[Report], *, alone: bool) -> str:
    """Return one document, for one report of its own or for several."""
    if alone:
        return json.dumps(_document(reports[0]), indent=2)
    targets = [
        {**_document(each), "exit_code": each.exit_code, "error": each.error} for each in reports
    ]
    code = max(each.exit_code for each in reports)
    document = {"ok": code == EXIT_OK, "exit_code": code, "targets": targets}
    return json.dumps(document, indent=2)


def as_text(reports: Sequence[Report], *, alone: bool) -> str:
    """Return the findings of each, and where there are several an overview at the end."""
    if alone:
        return _block(reports[0])
    blocks = [_block(each) for each in reports if each.findings]
    return "\n\n".join([*blocks, _overview(reports)])


def _document(report: Report) -> dict[str, Any]:
    return {
        "target": report.target,
        "format": report.format,
        "ok": report.ok,
        "counts": _counts(report.findings),
        "findings": [asdict(finding) for finding in report.findings],
    }


def _counts(findings: Collection[Finding]) -> dict[Severity, int]:
    severities = cast("tuple[Severity, ...]", ("error", "warning", "info"))
    return {name: sum(item.severity == name for item in findings) for name in severities}


def _block(report: Report) -> str:
    width = max([len(item.rule) for item in report.findings], default=0)
    return "\n".join([*(_line(item, width) for item in report.findings), _verdict(report)])


def _verdict(report: Report) -> str:
    if report.error is not None:
        about = "" if report.target in report.error else f"{report.target}: "
        return printable(f"{about}{report.error}")
    counts = ", ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for name, count in _counts(report.findings).items()
    )
    verdict = _VERDICTS[report.exit_code]
    return printable(f"{report.target} ({report.format}): {verdict}: {counts}")


def _overview(reports: Sequence[Report]) -> str:
    codes = [each.exit_code for each in reports]
    told = [f"{codes.count(code)} {text}" for code, text in _VERDICTS.items() if code in codes]
    head = f"{len(reports)} target{'' if len(reports) == 1 else 's'}: {', '.join(told)}"
    return "\n".join([f"{head}; exit code and verdict of each:", *map(_row, reports)])


def _row(report: Report) -> str:
    return f"  {report.exit_code}  {_verdict(report)}"


def _line(finding: Finding, width: int) -> str:
    line = "-" if finding.line is None else str(finding.line)
    subject = f"{finding.subject}: " if finding.subject else ""
    text = f"{finding.severity:<7}  {line:>6}  {finding.rule:<{width}}  {subject}{finding.message}"
    return printable(text)
