"""A tolerant scanner of Prometheus text 0.0.4 and OpenMetrics 1.0.

``prometheus_client``'s parsers rename counters and stop at the first mistake. A checker needs
the names as they were written, the line numbers, and everything behind the mistake, so what
cannot be read becomes a finding and the scan goes on. Nothing raises.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from butterfly_otel.lint.expositions.lines import (
    LineError,
    parse_metadata,
    parse_sample,
)
from butterfly_otel.lint.expositions.model import Exposition, Family
from butterfly_otel.lint.findings import Finding
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from butterfly_otel.lint.expositions.model import ExpositionFormat, Metadata, Sample
    from butterfly_otel.lint.findings import Severity

_EOF = "# EOF"
_EOF_LINE = re.compile(r"^# EOF\r?$", re.MULTILINE)
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_SHOWN = 60

#: Suffixes of the samples of a family, by type; only OpenMetrics has them for counters.
SUFFIXES: Mapping[ExpositionFormat, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "text": {
            "histogram": ("_bucket", "_sum", "_count"),
            "summary": ("_sum", "_count"),
        },
        "openmetrics": {
            "counter": ("_total", "_created"),
            "histogram": ("_bucket", "_sum", "_count", "_created"),
            "summary": ("_sum", "_count", "_created"),
            "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
            "info": ("_info",),
        },
    }
)
_ANY_SUFFIX = ("_bucket", "_sum", "_count", "_total", "_created", "_gsum", "_gcount", "_info")


def detect_format(text: str, content_type: str = "") -> ExpositionFormat:
    """Tell the format by the content type, and without one by the ``# EOF`` line."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/openmetrics-text":
        return "openmetrics"
    if media_type:
        return "text"
    return "openmetrics" if _EOF_LINE.search(text) else "text"


def scan(
    text: str,
    exposition_format: ExpositionFormat | Literal["auto"] = "auto",
    *,
    known_types: Mapping[str, str] | None = None,
) -> Exposition:
    """Read an exposition.

    Args:
        text: The exposition. Bytes that are no UTF-8 may be there as lone surrogates, as
            ``errors="surrogateescape"`` leaves them; their lines are reported.
        exposition_format: The format, or ``auto`` to tell it by ``# EOF``.
        known_types: Types of families by name, used for families without a TYPE line, so
            that the samples of an undeclared histogram stay together.

    Returns:
        The families in the order of their first lines, and a finding for each line that
        the format does not allow.
    """
    used = detect_format(text) if exposition_format == "auto" else exposition_format
    reader = _Reader(openmetrics=used == "openmetrics")
    reader.read(text)
    families = _group(reader, known_types or {})
    return Exposition(used, families, tuple(reader.findings))


class _Reader:
    """Collects metadata, samples and findings, line by line."""

    def __init__(self, *, openmetrics: bool) -> None:
        self.openmetrics = openmetrics
        self.metadata: list[Metadata] = []
        self.samples: list[Sample] = []
        self.findings: list[Finding] = []
        self._eof: int | None = None

    def read(self, text: str) -> None:
        """Read all lines; only a line feed ends one (a label value may hold U+2028)."""
        lines = text.split("\n")
        unfinished = lines.pop()
        if unfinished:
            lines.append(unfinished)
            if not (self.openmetrics and unfinished.rstrip("\r") == _EOF):
                self._report("final-newline", "the last line has no line feed", len(lines))
        returns = [number for number, line in enumerate(lines, 1) if line.endswith("\r")]
        if returns:
            message = "lines end with CR LF, and Prometheus reads the CR as part of the value"
            self._report("line-ending", message, returns[0])
        for number, line in enumerate(lines, 1):
            self._line(line.removesuffix("\r"), number)
        if self.openmetrics and self._eof is None:
            message = "`# EOF` is missing: the exposition is cut off, or is not OpenMetrics"
            self._report("missing-eof", message, len(lines) or None)

    def _line(self, line: str, number: int) -> None:
        if self._eof is not None:
            self._report("after-eof", "only the end may follow `# EOF`", number)
            return
        if self.openmetrics and line == _EOF:
            self._eof = number
            return
        try:
            self._content(line, number)
        except LineError as error:
            shown = printable(line[:_SHOWN]) + ("…" if len(line) > _SHOWN else "")
            self._report("malformed-line", f"{error}, in `{shown}`", number)

    def _content(self, line: str, number: int) -> None:
        if _NOT_UTF8.search(line):
            raise LineError("bytes that are no UTF-8")
        content = line if self.openmetrics else line.strip(" \t")
        if content.startswith("#"):
            found = parse_metadata(content, number, openmetrics=self.openmetrics)
            if found is not None:
                self.metadata.append(found)
            elif self.openmetrics:
                raise LineError("OpenMetrics has no comments")
        elif content:
            self.samples.append(parse_sample(content, number, openmetrics=self.openmetrics))
        elif self.openmetrics:
            raise LineError("OpenMetrics has no empty lines")

    def _report(self, rule: str, message: str, line: int | None) -> None:
        severity: Severity = "warning" if rule == "final-newline" else "error"
        self.findings.append(Finding(rule, severity, "", message, line))


def _group(reader: _Reader, known_types: Mapping[str, str]) -> tuple[Family, ...]:
    """Put metadata and samples together, families in the order of their first lines."""
    types: dict[str, str | None] = {item.name: None for item in reader.metadata}
    for item in reversed(reader.metadata):
        if item.keyword == "TYPE":
            types[item.name] = item.text
    bucketed = {
        sample.name.removesuffix("_bucket")
        for sample in reader.samples
        if sample.name.endswith("_bucket") and any(key == "le" for key, _ in sample.labels)
    }
    undeclared = {**dict.fromkeys(bucketed, "histogram"), **known_types}
    metadata: dict[str, list[Metadata]] = {}
    for item in reader.metadata:
        metadata.setdefault(item.name, []).append(item)
    samples: dict[str, list[Sample]] = {}
    owners: dict[str, str] = {}
    for sample in reader.samples:
        owner = owners.get(sample.name)
        if owner is None:
            owner = _owner(sample.name, types, undeclared, openmetrics=reader.openmetrics)
            owners[sample.name] = owner
        samples.setdefault(owner, []).append(sample)
    families = [
        _family(name, metadata.get(name, ()), samples.get(name, ()))
        for name in {**metadata, **samples}
    ]
    return tuple(sorted(families, key=lambda family: family.lines[0]))


def _owner(
    name: str,
    declared: Mapping[str, str | None],
    undeclared: Mapping[str, str],
    *,
    openmetrics: bool,
) -> str:
    """Name the family of a sample: declared exactly, declared by suffix, then as known."""
    suffixes = SUFFIXES["openmetrics" if openmetrics else "text"]
    for types in (declared, undeclared):
        if name in types:
            return name
        for suffix in _ANY_SUFFIX:
            base = name.removesuffix(suffix)
            if base == name or base not in types:
                continue
            kind = types[base] or undeclared.get(base, "histogram")
            if suffix in suffixes.get(kind, ()):
                return base
    return name


def _family(name: str, metadata: Collection[Metadata], samples: Collection[Sample]) -> Family:
    return Family(
        name,
        tuple(item for item in metadata if item.keyword == "TYPE"),
        tuple(item for item in metadata if item.keyword == "HELP"),
        tuple(item for item in metadata if item.keyword == "UNIT"),
        tuple(samples),
    )
