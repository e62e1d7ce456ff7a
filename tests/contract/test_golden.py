"""The golden expositions: what anybody who scrapes the whole contract gets, to the letter."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from butterfly_otel import catalog
from butterfly_otel.lint import check_exposition
from tests.contract.drive import FACTS
from tests.contract.golden import FOLDER, FORMATS, expositions


@pytest.fixture(scope="module")
def served() -> dict[str, str]:
    """Return what is served now for the driven contract."""
    return expositions()


@pytest.mark.parametrize("name", FORMATS)
def test_the_exposition_is_the_golden_one(served: dict[str, str], name: str) -> None:
    """Not a byte differs from what is checked in."""
    assert served[name] == (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_another_parser_reads_the_golden_exposition(name: str) -> None:
    """prometheus_client's parsers accept it and find every metric of the contract."""
    parse = parse_openmetrics if "openmetrics" in name else parse_text
    families = {family.name for family in parse((FOLDER / name).read_text(encoding="utf-8"))}
    for fact in FACTS:
        assert families & {fact["name"], fact["name"].removesuffix("_total")}


@pytest.mark.parametrize("name", FORMATS)
def test_our_own_check_finds_nothing_in_the_golden_exposition(name: str) -> None:
    """The golden expositions are true to the contract, and complete."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = check_exposition(text, expect_all=True)
    assert [each for each in found if each.severity != "info"] == []
    assert len(catalog.CONTRACT) == len(FACTS)
