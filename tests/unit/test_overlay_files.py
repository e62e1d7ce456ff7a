"""Overlays: whatever a file or a path holds, the answer is one sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from butterfly_otel import ViewError
from butterfly_otel.process.text import printable
from butterfly_otel.views.overlays import apply_overlay
from butterfly_otel.views.streams import Stream, default_streams

BOUNDARIES = (
    "{selector: {instrument_name: butterfly_request_duration_seconds}, stream: {aggregation:"
    " {explicit_bucket_histogram: {boundaries: [%s]}}}}"
)
LIMIT = (
    "{selector: {instrument_name: butterfly_requests_total}, stream:"
    " {aggregation_cardinality_limit: %s}}"
)
#: Of each, YAML can be made that PyYAML or the schema's validator stumbles over.
VALUES = [
    *("2026-01-01", "2026-02-31", "2026-01-01 25:00:00", "!!timestamp x"),
    *("!!float x", '!!float ""', '!!int ""', "!!int x", "!!int 0b", "!!bool x"),
    *(
        "!!binary aGVsbG8=",
        "!!binary x",
        "!!set {a}",
        "!!set [a]",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
    ),
    *("!!python/object:os.system x", "!unknown x", "!!seq {a: 1}", "!!map [a]", "=", "*nobody"),
    *(".nan", ".inf", "-.inf", "true", "'5'", "9" * 400, "9" * 5000, "0x" + "f" * 5000),
    *(":".join(["1"] * 500) + ".5", '"\\ud800"', '"a\\nb"', "[" * 3000, "[" * 3000 + "]" * 3000),
    *("{a: " * 3000 + "}" * 3000, "&a [*a]", "&a {b: *a}", "&a {<<: *a}", "{<<: 5}"),
    *("{1: 2}", "{2026-01-01: 2}", "{~: 1}", "{true: 1}", "{0x" + "f" * 5000 + ": 1}"),
    *("{? [a] : b}", "{? {a: b} : c}", "{a: 1, a: 2}"),
]


MANY_KEYS = f"{{{', '.join(f'k{number}: 1' for number in range(999))}}}"


def mapping(view: str) -> str:
    """Return an overlay with one view."""
    return f'file_format: "1.0"\nmeter_provider:\n  views:\n    - {view}\n'


def refused(path: Path | str) -> str:
    """Return the sentence with which an overlay is refused."""
    with pytest.raises(ViewError) as caught:
        apply_overlay(default_streams(), path)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < len(str(path)) + 400
    return sentence


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:30])
@pytest.mark.parametrize(
    "around",
    [
        mapping(BOUNDARIES),
        mapping(LIMIT),
        mapping("{selector: {}, stream: {attribute_keys: {included: [%s]}}}"),
        "%s",
        'file_format: "1.0"\nmeter_provider: %s\n',
    ],
    ids=["boundary", "limit", "label", "document", "section"],
)
def test_no_value_of_yaml_escapes_as_another_error(tmp_path: Path, around: str, value: str) -> None:
    """Values that YAML has and overlays have no use for are refused, and the file is named."""
    path = tmp_path / "overlay.yaml"
    path.write_text(around % value)
    assert str(path) in refused(path)


def doubled(first: str, step: str) -> str:
    """Return twenty anchors, each made of the one before, nine times."""
    lines = [f"a0: &a0 {first}"]
    lines += [
        f"a{level}: &a{level} " + step % ",".join([f"*a{level - 1}"] * 9) for level in range(1, 20)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (doubled("[x]", "[%s]"), "stands for more than"),
        (
            doubled(f"{{{', '.join(f'k{n}: 1' for n in range(999))}}}", "{<<: [%s]}"),
            "merges bring in more than",
        ),
        (f"a: &a {'x' * 400_000}\nb: [{','.join(['*a'] * 50_000)}]\n", "stands for more than"),
        ("a: " + "x" * (1 << 20), "larger than 1 MiB"),
        ("[" * 3000, "nests deeper than 50 levels"),
        ("a: &a {<<: *a}\n", "it contains itself"),
        ("a: &a [*a]\n", "nests deeper than 50 levels"),
        (mapping(f"{{selector: {{instrument_name: '{'[' * 9999}'}}, stream: {{}}}}"), "pattern of"),
        (mapping("{selector: {}, stream: {}, stream: {}}"), "the key 'stream' is there twice"),
        (mapping(BOUNDARIES % ("9" * 400)), "beyond 64 bits"),
        (mapping(BOUNDARIES % "2026-01-01"), "boundaries.0 is a date"),
        (mapping("{selector: {instrument_name: ''}, stream: {}}"), "selects ''"),
        ("file_format: '1'\n---\nfile_format: '1'\n", "expected a single document"),
        ("\tfile_format: '1'\n", "is not YAML"),
        ("a: \0", "is not YAML"),
        ("a: [\u202e\u2028", "is not YAML"),
        ("", "is not a mapping"),
        ("# only a comment\n", "is not a mapping"),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, says: str) -> None:
    """Bombs, twins, tabs, control characters, empty files: each has its own sentence."""
    path = tmp_path / "overlay.yaml"
    path.write_text(text, encoding="utf-8")
    sentence = refused(path)
    assert str(path) in sentence
    assert says in sentence


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    """An overlay is UTF-8."""
    path = tmp_path / "overlay.yaml"
    path.write_text("a: é", encoding=encoding)
    assert "is not YAML" in refused(path)


def test_a_byte_order_mark_and_aliases_are_read(tmp_path: Path) -> None:
    """What some editors write first is not a mistake, nor are anchors and merges in their place."""
    path = tmp_path / "overlay.yaml"
    views = (
        "    - &base {selector: {instrument_name: butterfly_requests_total}, stream: &less"
        " {aggregation_cardinality_limit: 7.0}}\n"
        "    - {<<: *base, selector: {instrument_name: butterfly_request_errors_total}}\n"
    )
    head = 'file_format: "1.0"\nmeter_provider:\n  views:\n'
    path.write_text(head + views, encoding="utf-8-sig")
    streams = apply_overlay(default_streams(), path)
    changed = {each.metric.name: each.limit for each in streams if each != Stream.of(each.metric)}
    assert changed == {"butterfly_requests_total": 7, "butterfly_request_errors_total": 7}
    assert all(type(limit) is int for limit in changed.values())


@pytest.mark.parametrize(
    "path",
    [
        *("a\0b", "a\0b.yaml", "low-cardinality\0", "x" * 5000, "x" * 5000 + ".yaml"),
        *("a\nb.yaml", "a\x1bb", "\udcff.yaml", "", ".", "no/such/folder.yaml"),
    ],
    ids=lambda path: repr(path)[:20],
)
def test_no_path_escapes_as_another_error(path: str) -> None:
    """A path that no file can have is refused like one that no file has, and is named."""
    named = path or "."
    sentence = refused(path)
    assert "can't be read" in sentence
    assert printable(named) in sentence
