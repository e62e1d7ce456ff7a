"""Comparing expositions by what they say, not by how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from math import inf, isclose, isnan
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.expositions.fetch import TargetError, read_target
from butterfly_otel.expositions.scan import scan
from butterfly_otel.handles.handles import Handle
from butterfly_otel.lint.exposition import check_exposition
from butterfly_otel.testing.capture import Captured
from butterfly_otel.testing.series import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from butterfly_otel.expositions.scan import Exposition, Family, Sample

#: Text of an exposition, a URL (``http://…``, ``https://…``), a file, or what is captured.
Readable: TypeAlias = "str | Path | Captured"
#: A line's place in its family, and what it is about.
_Key: TypeAlias = "tuple[str, int, str, tuple[tuple[str, float, str], ...]]"

_HELP, _TYPE, _UNIT, _SAMPLE = range(4)
#: Labels that are numbers written as text.
_NUMBERS = frozenset({"le", "quantile"})


@dataclass(frozen=True, slots=True)
class _Line:
    """A line in its one spelling; ``value`` is None for metadata, whose text says it all."""

    text: str
    value: float | None = None

    def __str__(self) -> str:
        """Write it."""
        return self.text if self.value is None else f"{self.text} {_number(self.value)}"


def assert_exposition(
    actual: Readable,
    expected: str | Path,
    *,
    metrics: Iterable[str | Handle] | None = None,
    subset: bool = False,
    tolerance: float | None = None,
    lint: bool = False,
    timeout: float = 10.0,
) -> None:
    """Assert that an exposition says what is expected: the same series with the same values.

    The order of families, series and labels, spaces, comments and the spelling of numbers
    (``5`` is ``5.0``, in ``le`` too) don't matter; timestamps and exemplars are not looked at.
    HELP, TYPE and UNIT are compared where they are expected. Indentation common to all
    lines is taken off.

    Args:
        actual: Text, a URL (asked for text 0.0.4, as curl shows it), a file
            (:class:`~pathlib.Path`), or a capture.
        expected: Text or a file.
        metrics: Compare these metrics only, by name or handle; a name may be the family's
            or that of its samples.
        subset: Look only for what is expected; whatever else there is doesn't matter.
        tolerance: How far off values may be; by default the rounding of floats.
        lint: Also hold ``actual`` against the contract, as ``butterfly-otel check`` does; its
            errors fail.
        timeout: Seconds a URL has for its answer.

    Raises:
        AssertionError: When they differ, as a unified diff; when ``actual`` can't be read.
        ValueError: When ``expected`` is no exposition.
    """
    __tracebackhide__ = True
    text = _text(actual, timeout)
    found = scan(text)
    for finding in found.findings:
        if finding.rule == "malformed-line":
            raise AssertionError(f"line {finding.line} of the exposition: {finding.message}")
    wanted_text = expected.read_text("utf-8") if isinstance(expected, Path) else _dedent(expected)
    types = {family.name: family.type or "untyped" for family in found.families}
    wanted = scan(wanted_text, known_types=types)
    for finding in wanted.findings:
        if finding.rule == "malformed-line":
            msg = f"what is expected is no exposition: line {finding.line}: {finding.message}"
            raise ValueError(msg)
    names = None if metrics is None else {_name(each) for each in metrics}
    # Without metadata, nothing in what is expected says that OpenMetrics calls the family of
    # jobs_total jobs.
    owners = {each.name: family.name for family in found.families for each in family.samples}
    ours, theirs = (_lines(_only(each, names), owners) for each in (found, wanted))
    if lint:
        _require_clean(text)
    difference = _diff(_alike(ours, theirs, tolerance, subset=subset), theirs)
    if difference:
        raise AssertionError("the exposition is not as expected:\n" + "\n".join(difference))


def _text(actual: Readable, timeout: float) -> str:
    __tracebackhide__ = True
    if isinstance(actual, Captured):
        return actual.exposition()
    if isinstance(actual, str) and not actual.startswith(("http://", "https://")):
        return _dedent(actual)
    try:
        return read_target(str(actual), "text", timeout).text
    except TargetError as error:
        raise AssertionError(str(error)) from None


def _dedent(text: str) -> str:
    """Return text as it would stand in a file of its own, however deep it is in a test."""
    return dedent(text).strip("\n") + "\n"


def _name(metric: str | Handle) -> str:
    return metric.metric.name if isinstance(metric, Handle) else metric


def _only(exposition: Exposition, names: set[str] | None) -> list[Family]:
    if names is None:
        return list(exposition.families)
    return [
        family
        for family in exposition.families
        if family.name in names or any(sample.name in names for sample in family.samples)
    ]


def _lines(families: Iterable[Family], owners: Mapping[str, str]) -> dict[_Key, _Line]:
    """Return every line in its one spelling, by what it is about, in the one order.

    Args:
        families: Whose lines.
        owners: Families of samples, by name, where they are known.
    """
    __tracebackhide__ = True
    found: dict[_Key, _Line] = {}
    for family in families:
        metadata = ((_HELP, family.helps), (_TYPE, family.types), (_UNIT, family.units))
        for place, items in metadata:
            for item in items[:1]:
                text = f"# {item.keyword} {item.name} {item.text}".replace("\n", "\\n")
                found[family.name, place, "", ()] = _Line(text)
        for sample in family.samples:
            labels = _sorted_labels(sample)
            key = (owners.get(sample.name, family.name), _SAMPLE, sample.name, labels)
            line = _Line(sample.name + _labels_text(labels), sample.value)
            if key in found:
                raise AssertionError(f"the series {line.text} is there twice")
            found[key] = line
    return dict(sorted(found.items()))


def _sorted_labels(sample: Sample) -> tuple[tuple[str, float, str], ...]:
    """Return labels in order; a boundary sorts, and equals another, as the number it is."""
    labels: list[tuple[str, float, str]] = []
    for key, text in sample.labels:
        try:
            value = float(text) if key in _NUMBERS else None
        except ValueError:
            value = None
        labels.append((key, 0.0, text) if value is None else (key, value, _number(value)))
    # The boundary last, so that the buckets of one series stand together.
    return tuple(sorted(labels, key=lambda label: (label[0] in _NUMBERS, label)))


def _labels_text(labels: Sequence[tuple[str, float, str]]) -> str:
    escaped = (
        (key, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for key, _, text in labels
    )
    inner = ",".join(f'{key}="{text}"' for key, text in escaped)
    return f"{{{inner}}}" if inner else ""


def _alike(
    actual: Mapping[_Key, _Line],
    expected: Mapping[_Key, _Line],
    tolerance: float | None,
    *,
    subset: bool,
) -> dict[_Key, _Line]:
    """Return the actual lines that count, those that are near enough spelled as expected."""
    kept: dict[_Key, _Line] = {}
    for key, line in actual.items():
        other = expected.get(key)
        if other is None and (subset or key[1] != _SAMPLE):
            continue
        near = other is not None and _near(line.value, other.value, tolerance)
        kept[key] = other if near and other is not None else line
    return kept


def _near(actual: float | None, expected: float | None, tolerance: float | None) -> bool:
    if actual is None or expected is None:
        return False
    if isnan(actual) or isnan(expected):
        return isnan(actual) and isnan(expected)
    if tolerance is None:
        return isclose(actual, expected, rel_tol=1e-9, abs_tol=1e-12)
    return actual == expected or abs(actual - expected) <= tolerance


def _diff(actual: Mapping[_Key, _Line], expected: Mapping[_Key, _Line]) -> list[str]:
    return list(
        unified_diff(
            [str(line) for line in expected.values()],
            [str(line) for line in actual.values()],
            "expected",
            "actual",
            lineterm="",
            n=2,
        )
    )


def _require_clean(text: str) -> None:
    __tracebackhide__ = True
    errors = [each for each in check_exposition(text) if each.severity == "error"]
    if errors:
        listed = "".join(
            f"\n  line {each.line or '-'}: {each.rule}: {each.subject}: {each.message}"
            for each in errors
        )
        raise AssertionError(f"the exposition is not true to the contract:{listed}")


def _number(value: float) -> str:
    if isnan(value):
        return "NaN"
    return number(value) if abs(value) != inf else f"{'+' if value > 0 else '-'}Inf"
