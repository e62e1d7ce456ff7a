"""Rules about families: names, types, HELP, UNIT, order, and which metrics are there."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.rules.context import expected_type, exposed_name, family_name
from butterfly_otel.lint.expositions.rules.names import UNIT_WORDS, bare_name, explain_name
from butterfly_otel.lint.expositions.scan import SUFFIXES
from butterfly_otel.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from butterfly_otel.lint.expositions.model import Family, Format, Sample
    from butterfly_otel.lint.expositions.rules.context import Context, Rule
    from butterfly_otel.lint.findings import Severity

_EXTENSION_PREFIX = "butterfly_otel_"
_TYPES: dict[Format, tuple[str, ...]] = {
    "text": ("counter", "gauge", "histogram", "summary", "untyped"),
    "openmetrics": (
        "counter",
        "gauge",
        "histogram",
        "gaugehistogram",
        "info",
        "stateset",
        "summary",
        "unknown",
    ),
    "otlp": ("counter", "gauge", "histogram", "exponential_histogram", "summary"),
}


def unknown_family(context: Context) -> Iterator[Finding]:
    """A name that claims to be Butterfly's is in the catalogue."""
    for family in context.unknown:
        name = exposed_name(family, context.format)
        newer = name.startswith(_EXTENSION_PREFIX)
        hint = explain_name(name, context.names)
        message = "is not a metric of the contract" + (f": {hint}" if hint else "")
        severity: Severity = "warning" if newer and not hint else "error"
        yield Finding("unknown-family", severity, name, message, family.lines[0])


def wrong_type(context: Context) -> Iterator[Finding]:
    """A metric has the contract's TYPE, or the one that is granted in its place."""
    for exposed in context.exposed:
        if not exposed.family.types:
            continue
        expected = expected_type(exposed.metric, context.format)
        if exposed.family.type == expected:
            continue
        message = f"TYPE is `{exposed.family.type}`, and must be `{expected}`"
        if expected == "unknown":
            message += ": an OpenMetrics counter would have to be called `…_total`"
        line = exposed.family.types[0].line
        yield Finding("type-wrong", "error", exposed.metric.name, message, line)


def invalid_type(context: Context) -> Iterator[Finding]:
    """A TYPE is one that the format knows, whoever the family belongs to."""
    ours = {exposed.family.name for exposed in context.exposed}
    for family in context.families:
        if family.name not in ours and family.type not in (None, *_TYPES[context.format]):
            message = f"TYPE is `{family.type}`, which the format does not know"
            yield Finding("type-invalid", "error", family.name, message, family.types[0].line)


def wrong_family_name(context: Context) -> Iterator[Finding]:
    """In OpenMetrics the family of a counter is named without ``_total``."""
    for exposed in context.exposed:
        expected = family_name(exposed.metric, context.format)
        declared = exposed.family.types or exposed.family.helps
        if exposed.usable and declared and exposed.family.name != expected:
            message = (
                f"the metadata names `{exposed.family.name}`; in OpenMetrics a counter's family"
                f" lacks `_total`: `{expected}`"
            )
            yield Finding("family-name", "error", exposed.metric.name, message, declared[0].line)


def missing_metadata(context: Context) -> Iterator[Finding]:
    """A metric has a TYPE line and a HELP line, if only under a wrong family name."""
    typed = {exposed.metric.name for exposed in context.exposed if exposed.family.types}
    helped = {exposed.metric.name for exposed in context.exposed if exposed.family.helps}
    for exposed in context.exposed:
        line = exposed.family.lines[0]
        name = exposed.metric.name
        if name not in typed:
            expected = expected_type(exposed.metric, context.format)
            message = f"no TYPE line; `{expected}` is expected"
            yield Finding("type-missing", "error", name, message, line)
        if name not in helped:
            message = "no description" if context.format == "otlp" else "no HELP line"
            yield Finding("help-missing", "warning", name, message, line)


def empty_help(context: Context) -> Iterator[Finding]:
    """A HELP line says something; its words are the implementation's own."""
    for exposed in context.exposed:
        for item in exposed.family.helps[:1]:
            if not item.text.strip():
                name = exposed.metric.name
                yield Finding("help-empty", "warning", name, "HELP is empty", item.line)


def duplicate_metadata(context: Context) -> Iterator[Finding]:
    """A family has at most one TYPE, one HELP and one UNIT line."""
    for family in context.families:
        for items in (family.types, family.helps, family.units):
            for item in items[1:]:
                message = f"a second {item.keyword} line; the first is line {items[0].line}"
                yield Finding("metadata-duplicate", "error", family.name, message, item.line)


def late_type(context: Context) -> Iterator[Finding]:
    """A TYPE line stands before the first sample of its family."""
    for family in context.families:
        if not family.types or not family.samples:
            continue
        first = min(sample.line for sample in family.samples)
        if family.types[0].line > first:
            message = f"TYPE stands behind the first sample, which is line {first}"
            yield Finding("type-late", "error", family.name, message, family.types[0].line)


def contradicting_unit(context: Context) -> Iterator[Finding]:
    """A UNIT line agrees with the catalogue and, as OpenMetrics demands, with the name."""
    expected = {item.family.name: UNIT_WORDS.get(item.metric.unit, "") for item in context.exposed}
    for family in context.families:
        for item in family.units[:1]:
            wanted = expected.get(family.name, item.text)
            if item.text and item.text != wanted:
                message = f"UNIT is `{item.text}`, and must be " + (
                    f"`{wanted}`" if wanted else "none"
                )
                yield Finding("unit", "error", family.name, message, item.line)
            elif item.text and not family.name.endswith(f"_{item.text}"):
                message = f"UNIT is `{item.text}`, which OpenMetrics allows only as the name's end"
                yield Finding("unit", "error", family.name, message, item.line)


def interleaved(context: Context) -> Iterator[Finding]:
    """The lines of a family stand together."""
    severity: Severity = "error" if context.format == "openmetrics" else "warning"
    lines = sorted(
        (line, number) for number, family in enumerate(context.families) for line in family.lines
    )
    ended: set[int] = set()
    told: set[int] = set()
    current = -1
    for line, number in lines:
        if number == current:
            continue
        if number in ended and number not in told:
            told.add(number)
            name = context.families[number].name
            message = "its lines are interrupted by another family's"
            yield Finding("interleaved", severity, name, message, line)
        ended.add(current)
        current = number


def sample_names(context: Context) -> Iterator[Finding]:
    """Samples are called as their type demands."""
    for exposed in context.exposed:
        metric = exposed.metric
        histogram = metric.type == "histogram"
        suffixes = ("_bucket", "_sum", "_count") if histogram else ("",)
        expected = {metric.name + suffix for suffix in suffixes}
        for sample in exposed.samples if exposed.usable else ():
            if sample.name not in expected:
                shape = " or ".join(f"`{name}`" for name in sorted(expected))
                message = f"sample `{sample.name}`; {shape} is expected"
                yield Finding("sample-name", "error", metric.name, message, sample.line)


def mismatched_names(context: Context) -> Iterator[Finding]:
    """Samples spell their name as TYPE and HELP do: a reader takes two spellings for two metrics.

    A sample whose own spelling is declared is another metric, unless it stands where those of
    a family should be that has none.
    """
    samples = _by_bare_name(context)
    heads = sorted(
        (item.line, family.name)
        for family in context.families
        for item in (*family.types, *family.helps, *family.units)
    )
    for family in context.families:
        if not _declared(family):
            continue
        suffixes = ("", *SUFFIXES["openmetrics"].get(family.type or "", ()))
        names = [family.name + suffix for suffix in suffixes]
        strange = [
            sample
            for bare in dict.fromkeys(map(bare_name, names))
            for owner, sample in samples.get(bare, ())
            if sample.name not in names
            and (
                not _declared(owner)
                or (not family.samples and _head_of(sample, heads) == family.name)
            )
        ]
        if strange:
            listed = ", ".join(f"`{name}`" for name in dict.fromkeys(s.name for s in strange))
            message = f"samples are called {listed}: TYPE and HELP do not apply to them"
            line = min(sample.line for sample in strange)
            yield Finding("name-mismatch", "error", family.name, message, line)


def _by_bare_name(context: Context) -> dict[str, list[tuple[Family, Sample]]]:
    found: dict[str, list[tuple[Family, Sample]]] = {}
    bare: dict[str, str] = {}
    told = {family.name for family in context.unknown}  # by `unknown_family`
    for family in context.families:
        if family.name in told:
            continue
        for sample in family.samples:
            if sample.name not in bare:
                bare[sample.name] = bare_name(sample.name)
            found.setdefault(bare[sample.name], []).append((family, sample))
    return found


def _declared(family: Family) -> bool:
    return bool(family.types or family.helps or family.units)


def _head_of(sample: Sample, heads: Sequence[tuple[int, str]]) -> str:
    """Return the family whose metadata stands last before a sample."""
    at = bisect_left(heads, (sample.line, ""))
    return heads[at - 1][1] if at else ""


def coverage(context: Context) -> Iterator[Finding]:
    """The metrics of the contract are there: all of them, or at least one."""
    present = {exposed.metric.name for exposed in context.exposed if exposed.samples}
    declared = {exposed.metric.name for exposed in context.exposed} - present
    absent = [metric.name for metric in context.contract if metric.name not in present]
    total = len(context.contract)
    if context.expect_all:
        for name in absent:
            message = "is declared and has no sample" if name in declared else "is absent"
            yield Finding("absent", "error", name, message)
    elif len(absent) == total:
        message = f"none of the {total} metrics of the contract is here: is it the right endpoint?"
        yield Finding("no-metrics", "error", "", message)
    else:
        message = f"{total - len(absent)} of the {total} metrics of the contract are present"
        yield Finding("coverage", "info", "", message)


FAMILY_RULES: tuple[Rule, ...] = (
    unknown_family,
    wrong_type,
    invalid_type,
    wrong_family_name,
    missing_metadata,
    empty_help,
    duplicate_metadata,
    late_type,
    contradicting_unit,
    interleaved,
    sample_names,
    mismatched_names,
    coverage,
)
