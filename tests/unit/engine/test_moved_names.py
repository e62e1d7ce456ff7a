"""Whatever private name an SDK has moved: import, measuring and exposition work, and it is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel.engine import fitness, sdk_names
from butterfly_otel.engine.provider import MeterProvider
from butterfly_otel.engine.sdk_names import ENGINE, INSTRUMENT, OLDER, PARTS, QUIET, TESTING

PROGRAM = Path(__file__).with_name("moved.py")
#: Every name that stands in the list and can be replaced everywhere: the public names of some
#: fields (`views`, `resource`) are also those of arguments.
NAMES = sorted(
    {
        name
        for entry in (*ENGINE, *PARTS, *QUIET, *TESTING, *INSTRUMENT)
        for name in entry.name.split()
        if name.startswith("_") or name[0].isupper()
    }
)
_ENGINE = {name for entry in ENGINE for name in entry.name.split()}
_PARTS = {
    name: {each.without for each in PARTS if name in each.name.split()}
    for entry in PARTS
    for name in entry.name.split()
}

pytestmark = [
    pytest.mark.skipif(OLDER, reason="what was released moves no more"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="one process for all needs fork"),
]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """Return what came of each moved name, and under an empty one of none."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM)],
        input="\n".join(["", *NAMES]),
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    return {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_moved_costs_no_metric(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    """Names, labels and exposition are those of the SDK as it is; one warning says what moved."""
    plain, got, without = outcomes[""], outcomes[name], _PARTS.get(name, ())
    assert "failed" not in got, got["failed"]
    assert got["exported"] == plain["exported"]
    assert got["flushed"] is plain["flushed"] is True
    lost = name in _ENGINE and "series of the stock engine can't be removed" in without
    assert got["removed"] is not lost
    assert got["exposition"] == plain["exposition"]
    said = [each for each in got["told"] if "is not one that butterfly-otel knows" in each]
    assert [each for each in got["told"] if each not in said] == plain["told"]
    if name not in _ENGINE and name not in _PARTS:
        assert not said
        return
    [once] = said
    assert f"{name} is not there" in once
    assert ("the stock engine measures" in once) is (name in _ENGINE)
    for consequence in without:
        assert consequence in once


def test_nothing_is_missing_here(outcomes: dict[str, dict[str, Any]]) -> None:
    """The installed SDK has every name or a stand-in, the trial succeeds and nothing is said."""
    assert not sdk_names.missing(ENGINE)
    assert not sdk_names.missing(PARTS)
    assert not any("butterfly-otel knows" in each for each in outcomes[""]["told"])
    assert outcomes[""]["engine"] == "MeterProvider"


def test_a_name_that_means_something_else_is_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where all names are there, a trial measures; what goes wrong there is said, once."""
    made: list[Any] = []

    class Broken(MeterProvider):
        def __new__(cls, *_args: Any, **_kwargs: Any) -> Any:
            made.append(cls)
            raise TypeError("another signature")

    fitness.fit.cache_clear()
    monkeypatch.setattr(fitness.sdk_names, "missing", lambda _names: ())
    try:
        assert not fitness.fit(Broken)
        assert not fitness.fit(Broken)
    finally:
        fitness.fit.cache_clear()
    [message] = [record.getMessage() for record in caplog.records]
    assert "a trial measurement raised TypeError('another signature')" in message
    assert made == [Broken]
