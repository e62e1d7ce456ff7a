"""The scanner: what it reads, where it stood, and what it reports instead of raising."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from butterfly_otel.lint.expositions.model import Family
from butterfly_otel.lint.expositions.scan import detect_format, scan
from butterfly_otel.process.text import printable
from tests.unit.lint.exposition_fixture import render_openmetrics, render_text


def one(text: str) -> Family:
    """Scan a text that holds one family and no mistake."""
    exposition = scan(text)
    assert not exposition.findings
    (family,) = exposition.families
    return family


def rules(text: str, exposition_format: str = "auto") -> list[tuple[str, int | None]]:
    """Scan a text and give the rules and lines of the findings."""
    findings = scan(text, exposition_format).findings  # type: ignore[arg-type]
    return [(finding.rule, finding.line) for finding in findings]


def test_lines_and_metadata() -> None:
    """A family keeps its type, help, samples and the number of every line."""
    family = one("# HELP a Some help.\n\n# TYPE\n# TYPE a counter\na 1\na 2\n")
    assert (family.name, family.type) == ("a", "counter")
    assert [(item.text, item.line) for item in family.helps] == [("Some help.", 1)]
    assert [(sample.value, sample.line) for sample in family.samples] == [(1.0, 5), (2.0, 6)]
    assert family.lines == (1, 4, 5, 6)


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("a 1", ()),
        ("a{} 1", ()),
        ('a{b="c"} 1', (("b", "c"),)),
        ('a{b="c",} 1', (("b", "c"),)),
        ('a { b = "c" , d = "" } 1', (("b", "c"), ("d", ""))),
        (r'a{b="\\ \" \n"} 1', (("b", '\\ " \n'),)),
        ('a{b="}, {x=1"}\t1', (("b", "}, {x=1"),)),
        ('a{b="é\u2028"} 1', (("b", "é\u2028"),)),
        ('{"a"} 1', ()),
        ('{"a", "b.c"="d"} 1', (("b.c", "d"),)),
        ('  a{b="c"}1', (("b", "c"),)),
    ],
)
def test_labels_of_text(line: str, labels: tuple[tuple[str, str], ...]) -> None:
    """Text 0.0.4 allows blanks, a last comma, escapes and quoted names."""
    (sample,) = one(line + "\n").samples
    assert (sample.name, sample.labels, sample.value) == ("a", labels, 1.0)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("1", 1.0),
        ("-1.5e+06", -1.5e6),
        (".5", 0.5),
        ("1.", 1.0),
        ("+Inf", math.inf),
        ("-inf", -math.inf),
        ("infinity", math.inf),
        ("1E3", 1000.0),
    ],
)
def test_numbers(number: str, value: float) -> None:
    """Numbers are read as Go reads them."""
    (sample,) = one(f"a {number}\n").samples
    assert sample.value == value


def test_nan() -> None:
    """NaN is a value."""
    (sample,) = one("a NaN\n").samples
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    ("text", "timestamp"), [("a 1 1395066363000\n", 1395066363000.0), ("a 1 -5\n", -5.0)]
)
def test_timestamps_of_text(text: str, timestamp: float) -> None:
    """Timestamps of text are whole milliseconds."""
    (sample,) = one(text).samples
    assert sample.timestamp == timestamp


def test_openmetrics_exemplar() -> None:
    """An OpenMetrics sample carries a timestamp and an exemplar with its own."""
    text = '# TYPE a counter\na_total{b="c"} 1 1.5 # {trace_id="x"} 0.5 2.5\n# EOF\n'
    family = one(text)
    (sample,) = family.samples
    assert (family.name, sample.name, sample.timestamp) == ("a", "a_total", 1.5)
    assert sample.exemplar is not None
    assert sample.exemplar.labels == (("trace_id", "x"),)
    assert (sample.exemplar.value, sample.exemplar.timestamp) == (0.5, 2.5)


def test_help_escapes() -> None:
    """HELP is unescaped, and a strange escape in it is left as it is."""
    family = one("# HELP a back\\\\slash, line\\nfeed, \\d\na 1\n")
    assert family.helps[0].text == "back\\slash, line\nfeed, \\d"


def test_quoted_metadata() -> None:
    """Metadata of a UTF-8 name is found by its name."""
    family = one('# TYPE "a.b" gauge\n{"a.b",c="d"} 1\n')
    assert (family.name, family.type, len(family.samples)) == ("a.b", "gauge", 1)


@pytest.mark.parametrize(
    ("text", "content_type", "expected"),
    [
        ("a 1\n", "", "text"),
        ("a 1\n# EOF\n", "", "openmetrics"),
        ("a 1\r\n# EOF\r\n", "", "openmetrics"),
        ("# HELP a # EOF\n", "", "text"),
        ("a 1\n# EOF\n", "text/plain; version=0.0.4", "text"),
        ("a 1\n", "application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"),
    ],
)
def test_format(text: str, content_type: str, expected: str) -> None:
    """The content type tells the format, and without one the EOF line does."""
    assert detect_format(text, content_type) == expected


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a{",
        'a{b="c" 1',
        'a{b="c} 1',
        "a{b=c} 1",
        "a{b} 1",
        'a{b="1",b="2"} 1',
        'a{b="1"c="2"} 1',
        r'a{b="\x"} 1',
        'a{"b"} 1',
        "a 1_0",
        "a 0x",
        "a \u0661",
        "a \u0131nf",
        "a\u212a 1",
        "a 1 2 3",
        "a 1 2.5",
        "a 1 # {} 1",
        "1a 1",
        "a-b 1",
        "=",
        '{b="c"} 1',
        '# TYPE "a counter',
        "# TYPE 1a counter",
        'a{b="\udcff"} 1',
        "<html>",
    ],
)
def test_malformed_text(line: str) -> None:
    """What text 0.0.4 does not allow is one finding, and the scan goes on behind it."""
    exposition = scan(f"first 1\n{line}\nlast 1\n")
    assert [(item.rule, item.line) for item in exposition.findings] == [("malformed-line", 2)]
    assert [family.name for family in exposition.families] == ["first", "last"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# a comment",
        "a  1",
        " a 1",
        "a 1 ",
        "a\t1",
        'a{b="c"}1',
        'a{b="c",} 1',
        'a{b="c", d="e"} 1',
        "#  TYPE a gauge",
        "# TYPE  a gauge",
        "a 1 # 5",
        "a 1 # {b=} 1",
        'a 1 # {b="c"}',
        'a 1 # {"b"} 1',
    ],
)
def test_malformed_openmetrics(line: str) -> None:
    """OpenMetrics allows neither comments nor blank lines nor a blank too many."""
    exposition = scan(f"first 1\n{line}\nlast 1\n# EOF\n")
    assert [(item.rule, item.line) for item in exposition.findings] == [("malformed-line", 2)]
    assert [family.name for family in exposition.families] == ["first", "last"]


def test_ends() -> None:
    """A missing line feed, CR LF, a missing EOF and what follows it are told apart."""
    assert rules("a 1") == [("final-newline", 1)]
    assert rules("a 1\r\nb 2\r\n") == [("line-ending", 1)]
    assert rules("a 1\n", "openmetrics") == [("missing-eof", 1)]
    assert rules("a 1\n# EOF") == []
    assert rules("a 1\n# EOF\nb 2\n") == [("after-eof", 3)]
    assert rules("") == []
    assert rules("", "openmetrics") == [("missing-eof", None)]


def test_crlf_is_read() -> None:
    """Lines that end with CR LF are reported once and read all the same."""
    exposition = scan("# TYPE a gauge\r\na 1\r\n")
    (family,) = exposition.families
    assert (family.type, [sample.value for sample in family.samples]) == ("gauge", [1.0])


def test_duplicates_and_order_are_kept() -> None:
    """Two TYPE lines, a late one and interleaved families are read as they stand."""
    families = scan("a 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# TYPE a counter\na 2\n").families
    assert [(family.name, family.lines) for family in families] == [
        ("a", (1, 4, 5, 6)),
        ("b", (2, 3)),
    ]
    assert [item.text for item in families[0].types] == ["gauge", "counter"]
    assert families[0].type == "gauge"


def test_suffixes_belong_to_their_type() -> None:
    """A suffix makes a sample part of a histogram; a declared name is its own family."""
    text = (
        "# TYPE a histogram\n"
        'a_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'
        "# TYPE b gauge\nb 1\nb_count 1\n"
        "# TYPE a_count gauge\n"
    )
    families = {family.name: family for family in scan(text).families}
    assert [sample.name for sample in families["a"].samples] == ["a_bucket", "a_sum"]
    assert [sample.name for sample in families["a_count"].samples] == ["a_count"]
    assert [sample.name for sample in families["b_count"].samples] == ["b_count"]


def test_undeclared_histogram() -> None:
    """Buckets, or what the caller knows, hold a histogram without TYPE together."""
    (family,) = scan('a_bucket{le="1"} 1\na_sum 1\na_count 1\n').families
    assert family.name == "a"
    assert {item.name for item in scan("a_sum 1\na_count 1\n").families} == {"a_sum", "a_count"}
    (family,) = scan("a_sum 1\na_count 1\n", known_types={"a": "histogram"}).families
    assert family.name == "a"


def test_counters_of_both_formats() -> None:
    """``_total`` is a suffix of samples in OpenMetrics and a part of the name in text."""
    text = "# TYPE a counter\na_total 1\n"
    assert [family.name for family in scan(text).families] == ["a", "a_total"]
    assert [family.name for family in scan(text + "# EOF\n").families] == ["a"]


@given(st.text())
def test_nothing_raises(text: str) -> None:
    """Any text gives an exposition, whose every line number is one of the text's."""
    for exposition_format in ("text", "openmetrics"):
        exposition = scan(text, exposition_format)  # type: ignore[arg-type]
        lines = range(1, text.count("\n") + 2)
        assert all(line in lines for family in exposition.families for line in family.lines)
        assert all(item.line in (None, *lines) for item in exposition.findings)


@given(
    st.text(alphabet=st.sampled_from('a{}",=\\n \t#.1eE+-_TYPEHL\r\n')),
    st.sampled_from(["text", "openmetrics"]),
)
def test_nothing_raises_nearby(text: str, exposition_format: str) -> None:
    """Text made of the formats' own characters does not raise either."""
    scan(text, exposition_format)  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_label_values_survive(value: str) -> None:
    """Any label value comes back as it was before it was escaped."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    text = f'a{{b="{escaped}"}} 1\n# EOF\n'
    if "\r" in value:
        text = text.replace("\r\n", "\n")
    (sample,) = one(text).samples
    assert sample.labels == (("b", value),)


def test_same_samples_as_prometheus_client() -> None:
    """The scanner and prometheus_client's parsers read the same samples.

    But for two: prometheus_client's parser of text renames counters that lack ``_total``.
    """
    for text, parse in (
        (render_text(), text_string_to_metric_families),
        (render_openmetrics(), openmetrics_parser.text_string_to_metric_families),
    ):
        theirs = {
            (sample.name, frozenset(sample.labels.items()), sample.value)
            for family in parse(text)
            for sample in family.samples
            if not sample.name.startswith("butterfly_network_bytes_")
        }
        ours = {
            (sample.name, frozenset(sample.labels), sample.value)
            for family in scan(text).families
            for sample in family.samples
            if not sample.name.startswith("butterfly_network_bytes_")
        }
        assert len(ours) > 64
        assert ours == theirs


def test_printable() -> None:
    """What could command a terminal is escaped, and letters are left alone."""
    assert printable("é\x1b[31m\x9b\udcff\n") == r"é\x1b[31m\x9b\udcff\n"
