"""Comparing expositions by what they say, not by how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from math import inf, isclose, isnan
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.lint.expositions.model import as_number

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from butterfly_otel.lint.expositions.model import Exposition, Family, Sample

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
        return self.text if self.value is None else f"{self.text} {spelled(self.value)}"


def difference(
    actual: Exposition,
    expected: Exposition,
    *,
    names: Collection[str] | None = None,
    subset: bool = False,
    tolerance: float | None = None,
) -> list[str]:
    """Return a unified diff of what two expositions say, empty where they say the same.

    Metadata is compared where it is expected; timestamps and exemplars are not looked at.

    Args:
        actual: What there is.
        expected: What should be there.
        names: Compare these families only, by their own names or those of their samples.
        subset: Look only for what is expected.
        tolerance: How far off values may be; by default the rounding of floats.

    Raises:
        ValueError: When a series is there twice.
    """
    # Without metadata, nothing in what is expected says that OpenMetrics calls the family of
    # jobs_total jobs.
    owners = {each.name: family.name for family in actual.families for each in family.samples}
    ours, theirs = (_lines(_only(each, names), owners) for each in (actual, expected))
    kept = _alike(ours, theirs, tolerance, subset=subset)
    before, after = ([str(line) for line in lines.values()] for lines in (theirs, kept))
    return list(unified_diff(before, after, "expected", "actual", lineterm="", n=2))


def near(actual: float, expected: float, tolerance: float | None) -> bool:
    """Tell whether two values are equal but for a tolerance, by default the rounding of floats."""
    if isnan(actual) or isnan(expected):
        return isnan(actual) and isnan(expected)
    if tolerance is None:
        return isclose(actual, expected, rel_tol=1e-9, abs_tol=1e-12)
    return actual == expected or abs(actual - expected) <= tolerance


def spelled(value: float) -> str:
    """Return a number in its one spelling, as a person writes it: ``3``, ``0.25``, ``+Inf``."""
    if isnan(value):
        return "NaN"
    if abs(value) == inf:
        return "+Inf" if value > 0 else "-Inf"
    # Beyond 2**53 not every whole number is a float, so its digits would say too much.
    return str(int(value)) if abs(value) < 2**53 and value == int(value) else repr(value)


def _only(exposition: Exposition, names: Collection[str] | None) -> list[Family]:
    return [
        family
        for family in exposition.families
        if names is None
        or family.name in names
        or any(sample.name in names for sample in family.samples)
    ]


def _lines(families: Sequence[Family], owners: Mapping[str, str]) -> dict[_Key, _Line]:
    """Return every line in its one spelling, by what it is about, in the one order.

    Args:
        families: Whose lines.
        owners: Families of samples, by name, where they are known.
    """
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
                msg = f"the series {line.text} is there twice"
                raise ValueError(msg)
            found[key] = line
    return dict(sorted(found.items()))


def _sorted_labels(sample: Sample) -> tuple[tuple[str, float, str], ...]:
    """Return labels in order; a boundary sorts, and equals another, as the number it is."""
    labels: list[tuple[str, float, str]] = []
    for key, text in sample.labels:
        value = as_number(text) if key in _NUMBERS else None
        labels.append((key, 0.0, text) if value is None else (key, value, spelled(value)))
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
        kept[key] = other if other is not None and _same(line, other, tolerance) else line
    return kept


def _same(one: _Line, other: _Line, tolerance: float | None) -> bool:
    if one.value is None or other.value is None:
        return False  # metadata, whose text is compared as it is
    return near(one.value, other.value, tolerance)
