"""Wrong contracts: one sentence, with the file, the group, the key, and how to mend it."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from butterfly_otel import CatalogError, ConfigurationError
from butterfly_otel.catalogs import groups, load

from .test_load import ANNOTATED, PLAIN

METRIC = """\
- id: metric.a_total
  type: metric
  metric_name: a_total
  brief: A.
  instrument: counter
  unit: "{a}"
"""
#: What a file says, and what the error says of it.
WRONG = {
    "nothing": ("", "it is not a mapping; begin it with groups:"),
    "list": ("- a\n", "it is not a mapping"),
    "no-yaml": ("groups: [", "is not YAML"),
    "no-groups": ("imports: {}\n", "there is no list of groups"),
    "no-metric": ("groups: []\n", "there is no group of type: metric; add one"),
    "other-format": ("file_format: definition/2\nmetrics: []\n", "file_format is definition/2"),
    "top-level": (f"name: a\ngroups:\n{METRIC}", "the top level has 'name'"),
    "no-id": ("groups: [{type: metric}]\n", "group 1 has no id; give it one"),
    "twice": (f"groups:\n{METRIC}{METRIC}", "metric.a_total: the id is there twice"),
    "same-metric": (
        "groups:\n" + METRIC + METRIC.replace("id: metric.a_total", "id: metric.b"),
        "metric.b: the metric a_total is that of metric.a_total too; rename one",
    ),
    "no-name": (
        "groups:\n" + METRIC.replace("  metric_name: a_total\n", ""),
        "metric.a_total: has no metric_name; write",
    ),
    "no-unit": ("groups:\n" + METRIC.replace('  unit: "{a}"\n', ""), "has no unit; write a UCUM"),
    "no-brief": ("groups:\n" + METRIC.replace("  brief: A.\n", ""), "has no brief; write one"),
    "brief": ("groups:\n" + METRIC.replace("brief: A.", "brief: 1"), "its brief is 1; write one"),
    "instrument": (
        "groups:\n" + METRIC.replace("instrument: counter", "instrument: timer"),
        "its instrument is 'timer'; write one of counter, updowncounter, gauge, histogram",
    ),
    "schema": (f"groups:\n{METRIC}  stability: old\n", "stability: 'old' is not one of"),
    "extends": (
        f"groups:\n{METRIC}  extends: metric.b\n",
        "extends 'metric.b', which is the id of no group; name one",
    ),
    "extends-itself": (f"groups:\n{METRIC}  extends: metric.a_total\n", "extends itself"),
    "circle": (
        (
            f"groups:\n{METRIC}  extends: g\n"
            "- {id: g, type: attribute_group, brief: G., extends: metric.a_total}\n"
        ),
        "extends itself, by metric.a_total and g",
    ),
    "ref": (
        f"groups:\n{METRIC}  attributes: [{{ref: b}}]\n",
        "refers to the attribute 'b', which nothing defines; define it once",
    ),
    "two-definitions": (
        (
            f"groups:\n{METRIC}  attributes: [{{id: b, type: int}}]\n"
            "- {id: g, type: attribute_group, brief: G., attributes: [{id: b, type: string}]}\n"
        ),
        "attribute b: is defined here and in metric.a_total; define it once",
    ),
    "type": (
        f"groups:\n{METRIC}  attributes: [{{id: b, type: text}}]\n",
        "attribute b",
    ),
    "no-members": (
        (
            f"groups:\n{METRIC}  attributes: [{{id: b, type: string, annotations:"
            " {butterfly_otel: {kind: closed}}}]\n"
        ),
        "attribute b: it is closed and has no members",
    ),
    "closed-budget": (
        (
            f"groups:\n{METRIC}  attributes: [{{id: b, type: boolean, annotations:"
            " {butterfly_otel: {budget: 3}}}]\n"
        ),
        "attribute b: it is closed, so its members are its budget",
    ),
    "small-budget": (
        (
            f"groups:\n{METRIC}  attributes: [{{id: b, type: string, annotations:"
            " {butterfly_otel: {values: [x, y], budget: 1}}}]\n"
        ),
        "attribute b: its budget is 1, less than its 2 known values",
    ),
    "no-member": (
        (
            f"groups:\n{METRIC}  attributes: [{{id: b, type: {{members: [{{id: x, value: x}}]}},"
            " annotations: {butterfly_otel: {values: [y]}}}]\n"
        ),
        "'y' is a value and not a member; it has x",
    ),
    "values-of-int": (
        (
            f"groups:\n{METRIC}  attributes: [{{id: b, type: int, annotations:"
            " {butterfly_otel: {values: [y]}}}]\n"
        ),
        "its type is int and its values are not",
    ),
    "annotation": (
        f"groups:\n{METRIC}  annotations: {{butterfly_otel: {{bucket: [1]}}}}\n",
        "annotations.butterfly_otel has 'bucket', which is not known here; did you mean buckets",
    ),
    "annotation-value": (
        f"groups:\n{METRIC}  annotations: {{butterfly_otel: {{across: all}}}}\n",
        "annotations.butterfly_otel.across is 'all'; write one of sum, max",
    ),
    "annotation-mapping": (
        f"groups:\n{METRIC}  annotations: {{butterfly_otel: 1}}\n",
        "annotations.butterfly_otel is 1; write a mapping",
    ),
    "buckets-of-counter": (
        f"groups:\n{METRIC}  annotations: {{butterfly_otel: {{buckets: [1]}}}}\n",
        "is a counter and has buckets; take them away",
    ),
    "infinite-bucket": (
        f"groups:\n{METRIC}  annotations: {{butterfly_otel: {{buckets: [.inf]}}}}\n",
        "buckets is [inf]; write a list of numbers",
    ),
    "observable-histogram": (
        "groups:\n"
        + METRIC.replace("counter", "histogram")
        + "  annotations: {butterfly_otel: {observable: true}}\n",
        "is a histogram and observable",
    ),
    "exception": (
        (
            f"groups:\n{METRIC}  annotations: {{butterfly_otel: {{catalog: {{exceptions:"
            " [{rule: a, metric: b}]}}}\n"
        ),
        "catalog.exceptions is [{'rule': 'a', 'metric': 'b'}]; write a list of {rule, metric",
    ),
    "attributes": (f"groups:\n{METRIC}  attributes: 1\n", "its attributes are 1; write a list"),
    "attribute": (f"groups:\n{METRIC}  attributes: [a]\n", "attribute 1 is 'a'; write a mapping"),
    "id-and-ref": (
        f"groups:\n{METRIC}  attributes: [{{id: b, ref: b}}]\n",
        "attribute 1 is {'id': 'b', 'ref': 'b'}; write a mapping with id and type, or with ref",
    ),
    "annotations": (f"groups:\n{METRIC}  annotations: 1\n", "its annotations are 1; write a"),
    "members-elsewhere": (
        (
            f"groups:\n{METRIC}  attributes: [{{ref: b}}]\n"
            "- {id: s, type: span, brief: S., attributes: [{id: b, type: {members: [1]}}]}\n"
        ),
        "s: attribute b",
    ),
    "two-names": (
        (
            f"groups:\n{METRIC}  annotations: {{butterfly_otel: {{catalog: {{name: a}}}}}}\n"
            "- {id: g, type: attribute_group, brief: G., attributes: [], annotations:"
            " {butterfly_otel: {catalog: {name: b}}}}\n"
        ),
        "catalog.name is 'b', and elsewhere 'a'; say it once",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence(case: str, tmp_path: Path) -> None:
    """The error names the file and what is wrong, in one line, and nothing else is raised."""
    text, expected = WRONG[case]
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        load(file)
    said = str(caught.value)
    assert said.startswith(f"the contract {file}: ")
    assert expected in said
    assert "\n" not in said


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file, an empty source and a folder without YAML are one sentence each."""
    with pytest.raises(CatalogError, match="can't be read: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(CatalogError, match="the source is empty"):
        load("")
    with pytest.raises(CatalogError, match=r"the folder has no file that ends with \.yaml"):
        load(tmp_path)


@pytest.mark.parametrize("missing", ["yaml", "jsonschema"])
def test_a_missing_extra_is_named(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what the extra `views` brings, reading says how to install it."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"groups:\n{METRIC}", encoding="utf-8")
    groups._checker.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "butterfly_otel.views.safe_yaml", raising=False)
    with pytest.raises(ConfigurationError, match=r"needs the extra 'views': pip install"):
        load(file)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where something stands in plain data."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from places(inner, (*path, at))


def replaced(value: Any, path: tuple[Any, ...], by: object) -> Any:
    """Return plain data with something else in one place."""
    if not path:
        return by
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], by)
    return copied


def mistake(file: Path) -> str:
    """Return what is wrong with a contract; nothing where it is one."""
    try:
        load(file)
    except CatalogError as error:
        return str(error)
    return ""


DOCUMENTS = [yaml.safe_load(PLAIN), yaml.safe_load(ANNOTATED)]
ODD = [None, 1, -1.5, "", "x", "\x00", True, [], {}, [1], ["x"], {"x": 1}, [{}], [None], [[1]]]


@pytest.mark.parametrize("document", DOCUMENTS, ids=["plain", "annotated"])
def test_whatever_stands_anywhere_is_read_or_told(document: dict[str, Any], tmp_path: Path) -> None:
    """Anything in the place of anything makes a contract or one CatalogError, no other error."""
    file = tmp_path / "odd.yaml"
    told = 0
    # One after the other: each of them in each place takes a minute.
    for path, by in zip(places(document), cycle(ODD), strict=False):
        file.write_text(json.dumps(replaced(document, path, by)), encoding="utf-8")
        said = mistake(file)
        assert "\n" not in said
        told += bool(said)
    assert told > 40
