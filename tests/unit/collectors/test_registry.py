"""Which collectors a configuration asks for, and what is said about wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.collectors import Extension
from butterfly_otel.collectors.cpu import CpuSource
from butterfly_otel.collectors.registry import ENTRIES, Entry, choose, own_sources
from butterfly_otel.settings.config import load_config
from tests.unit.collectors.support import FakeSource

NODE = {"node_id": "n", "node_role": "compute"}
OPT_IN = Entry("extra", "tests.unit.collectors.support:FakeSource", auto=False)


def chosen(collectors: Any = None, *own: Any, **settings: Any) -> list[tuple[str, bool]]:
    """Return names of what is chosen, and whether quietly."""
    config = load_config({**NODE, "collectors": collectors, **settings}, {})
    found = choose(config, own, (*ENTRIES, OPT_IN))
    return [(each.source.name, each.quiet) for each in found]


def test_by_default_those_that_find_their_hardware_are_read() -> None:
    """``auto`` is all but those that have to be asked for, each of them quietly."""
    every = [(entry.name, True) for entry in ENTRIES if entry.auto]
    assert chosen() == chosen("auto") == every
    assert ("cpu", True) in every


@pytest.mark.parametrize(
    ("collectors", "names"),
    [
        ("none", []),
        ("cpu", [("cpu", False)]),
        ("throttling, cpu,cpu", [("cpu", False), ("throttling", False)]),
        (["extra"], [("fake", False)]),
    ],
)
def test_names_choose(collectors: Any, names: list[tuple[str, bool]]) -> None:
    """Named collectors are read and reported whether or not they find their hardware."""
    assert chosen(collectors) == names


def test_auto_and_a_name_reports_the_named_one() -> None:
    """What is named beside ``auto`` is reported, the rest quietly there or not."""
    assert dict(chosen(["auto", "cpu"])) == {
        **{entry.name: True for entry in ENTRIES if entry.auto},
        "cpu": False,
    }


def test_own_sources_stand_beside_names() -> None:
    """An application's own source is reported, and needs no name in the list."""
    assert chosen([FakeSource()], FakeSource()) == [("fake", False)]
    assert chosen(["cpu", FakeSource()], FakeSource()) == [("cpu", False), ("fake", False)]


@pytest.mark.parametrize(
    ("collectors", "own"),
    [(None, 0), ("cpu", 0), (["cpu"], 0), (["cpu", FakeSource()], 1), ({FakeSource()}, 1)],
)
def test_own_sources_are_told_from_names(collectors: Any, own: int) -> None:
    """Names are left to the settings."""
    assert len(own_sources(collectors)) == own


def test_settings_reach_the_source() -> None:
    """An entry says which settings its class is passed."""
    config = load_config({**NODE, "collectors": "cpu", "cpu_per_core": True}, {})
    [only] = choose(config)
    assert isinstance(only.source, CpuSource)
    assert only.source._per_core


def test_the_environment_chooses() -> None:
    """Names, interval in milliseconds, cores."""
    environ = {
        "BUTTERFLY_OTEL_COLLECTORS": "cpu,throttling",
        "BUTTERFLY_OTEL_SAMPLING_INTERVAL": "1500",
        "BUTTERFLY_OTEL_CPU_PER_CORE": "true",
    }
    config = load_config(dict(NODE), environ)
    assert config.collectors == ("cpu", "throttling")
    assert config.sampling_interval == 1.5
    assert config.cpu_per_core
    config = load_config({**NODE, "collectors": "none", "sampling_interval": 2}, environ)
    assert (config.collectors, config.sampling_interval) == ((), 2)
    assert load_config(dict(NODE), {}).sampling_interval is None


def test_an_unknown_name_is_told_the_known_ones() -> None:
    """The message lists every name, and where they are set."""
    with pytest.raises(ConfigurationError, match=r"'gpus'.*known are auto, none, cpu,.*COLLECTORS"):
        chosen("cpu,gpus")


def test_what_is_no_source_is_refused() -> None:
    """An object that could not be driven is found before anything starts."""
    with pytest.raises(ConfigurationError, match=r"<object object.*neither a name nor a source"):
        own_sources([object()])
    with pytest.raises(ConfigurationError, match=r"<class '.*Gauged'>.*neither a name nor a sou"):
        own_sources([Gauged])


X = Extension("hw.x", "observable_gauge", "1", "X.")


class Gauged(FakeSource):
    """A source with an extension."""

    extensions = (X,)


def extending(extension: Any) -> FakeSource:
    """Return a source that declares this to be an extension."""
    source = FakeSource()
    source.extensions = (extension,)
    return source


class Counted(FakeSource):
    """A source that declares the same one otherwise."""

    extensions = (Extension("hw.x", "observable_counter", "1", "X."),)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([FakeSource(), FakeSource()], "two collectors are named 'fake'"),
        ([FakeSource(metrics=("hw.power",))], "'hw.power', which is no observable metric"),
        (
            [FakeSource(metrics=("butterfly_requests_total",))],
            "'butterfly_requests_total', which is no observable metric",
        ),
        ([FakeSource(interval=0)], "interval 0 and the deadline 2.0; both must be"),
        ([FakeSource(interval=float("inf"))], "interval inf and the deadline 2.0; both must be"),
        ([FakeSource(deadline=float("inf"))], "the deadline inf; both must be"),
        ([FakeSource(deadline=float("nan"))], "the deadline nan; both must be"),
        ([FakeSource(interval="5")], "the interval '5' and the"),  # type: ignore[arg-type]
        ([extending("hw.x")], "'hw.x', which is no Extension"),
        ([extending(X._replace(kind="gauge"))], "'hw.x' of the kind 'gauge'; use one of obse"),
        ([extending(X._replace(name="hw x"))], "'hw x', which is no name of an OpenTelemetry"),
        ([extending(X._replace(unit="°C"))], "'hw.x' with the unit '°C'; use UCUM's ASCII"),
        ([Gauged(name="a"), Counted(name="b")], "'b' declares the extension 'hw.x' otherwise"),
    ],
)
def test_sources_that_cannot_work_are_refused(sources: list[Any], message: str) -> None:
    """A mistake in a source is one clear error at start, not a series that is missing."""
    with pytest.raises(ConfigurationError, match=message):
        chosen("none", *sources)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_builds_what_it_names(entry: Entry) -> None:
    """Its source goes by the entry's name, touches nothing yet, and can be closed twice."""
    source = entry.build(load_config(dict(NODE), {}))
    assert source.name == entry.name
    source.close()
    source.close()
