"""What `butterfly-otel catalog --format weaver` writes: Weaver's format, and read back alike."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from butterfly_otel import catalog
from butterfly_otel.catalog.model import Catalog, Label, Metric
from butterfly_otel.catalogs import groups, load
from butterfly_otel.catalogs.writing import write
from butterfly_otel.cli import main

SCHEMA = Path(groups.__file__).with_name("semconv.schema.json")
ODD = Catalog(
    name="odd",
    meter="odd.meter",
    prefix="odd.",
    metrics=(
        Metric(
            name="odd.first",
            type="gauge",
            instrument="observable_gauge",
            why="Because: it is.",
            unit="1",
            help='A "quoted" help; with # and \\ in it.',
            category="odd",
            query='max(odd_first{a="\\\\"})',
            labels=(
                Label(key="same", kind="closed", help="One.", values=("1", "2"), type="int"),
                Label(key="flag", kind="closed", help="", values=("false", "true"), type="boolean"),
                Label(key="other.key", kind="unbounded", help="O.", budget=3, keep="latest"),
            ),
            across="max",
            across_why="",
        ),
        Metric(
            name="odd.second",
            type="histogram",
            instrument="histogram",
            why="W.",
            unit="By",
            help="H.",
            category="even",
            query="q",
            labels=(
                Label(key="same", kind="bounded", help="Two.", budget=9, type="int"),
                Label(key="other.key", kind="open", help="P.", values=("no",), budget=100),
            ),
            buckets=(0.5, 1e9),
            limit=7,
        ),
    ),
    exceptions=(("unit-suffix", "odd.first", "So be it."),),
)
CONTRACTS = {
    "butterfly": catalog.BUTTERFLY,
    "sdk": Catalog(name="sdk", meter=catalog.METER_NAME, metrics=catalog.EXTENSIONS),
    "odd": ODD,
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_is_written_is_read_back_alike(name: str, tmp_path: Path) -> None:
    """Every field of every metric and label survives, where labels of one name differ too."""
    file = tmp_path / "written.yaml"
    file.write_text(write(CONTRACTS[name]), encoding="utf-8")
    assert load(file) == CONTRACTS[name]


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_is_written_is_true_to_weavers_schema(name: str) -> None:
    """The published JSON schema of Weaver accepts it, and each attribute is defined once."""
    document = yaml.safe_load(write(CONTRACTS[name]))
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    defined = [
        attribute["id"]
        for group in document["groups"]
        for attribute in group.get("attributes", ())
        if "id" in attribute
    ]
    assert len(defined) == len(set(defined))


def test_the_command_writes_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's output is a contract, equal to Butterfly's, its exceptions included."""
    assert main(["catalog", "--format", "weaver"]) == 0
    file = tmp_path / "butterfly.yaml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load(file) == catalog.BUTTERFLY


def test_the_schema_keeps_its_notice() -> None:
    """The copy of Weaver's schema says where it comes from and under which licence."""
    notice = json.loads(SCHEMA.read_text(encoding="utf-8"))["$comment"]
    assert "Apache License" in notice
    assert "OpenTelemetry Authors" in notice
