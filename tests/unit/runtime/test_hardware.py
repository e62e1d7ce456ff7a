"""configure() and the hardware: what is read when nothing is said, and what settings change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from butterfly_otel import memory
from butterfly_otel.collectors.registry import ENTRIES, choose
from butterfly_otel.settings.config import load_config

Start = Callable[..., Any]
NODE = {"node_id": "n1", "node_role": "compute"}


def chosen(**settings: object) -> dict[str, Any]:
    """Return the sources of these settings by name."""
    return {each.source.name: each.source for each in choose(load_config({**NODE, **settings}, {}))}


def test_every_collector_can_be_made_and_is_part_of_auto() -> None:
    """Its settings exist, and making it touches no hardware."""
    assert set(chosen(collectors="auto")) == {entry.name for entry in ENTRIES}


def test_settings_reach_their_collectors(tmp_path: Path) -> None:
    """GPU naming, the opt-in metrics and the places of checkpoints."""
    nvml = chosen(collectors=["nvml"], gpu_id="index", hardware_metrics=True)["nvml"]
    assert nvml._naming == "index"
    assert nvml.extensions
    assert not chosen(collectors=["nvml"])["nvml"].extensions
    (tmp_path / "checkpoint").write_bytes(b"x" * 10_000)
    disk = chosen(collectors=["disk"], checkpoint_dir=tmp_path)["disk"]
    disk.open()
    [reading] = disk.read()
    assert reading.value >= 10_000


def test_wrong_amounts_of_a_pool_are_counted(start: Start) -> None:
    """Pools know nothing of configure(); the runtime tells them where to count."""
    measured = start()
    with memory.pool("buffer") as pool:
        pool.add(-1)
        name = "butterfly_otel_invalid_measurements_total"
        assert list(measured.values(name).values()) == [1]


def test_a_strict_pool_raises(start: Start) -> None:
    """As every other measurement does then, and no longer after the end."""
    from butterfly_otel import MeasurementError  # noqa: PLC0415

    measured = start(strict=True)
    with memory.pool("buffer") as pool:
        with pytest.raises(MeasurementError):
            pool.add(-1)
        measured.runtime.shutdown()
        pool.add(-1)


def test_a_time_to_live_is_kept(start: Start) -> None:
    """The engine is told; a name in any case."""
    measured = start(time_to_live={"butterfly_connection_active": 5})
    consumer = measured.runtime.meter_provider._measurement_consumer
    assert consumer._time_to_live == {"butterfly_connection_active": 5.0}
