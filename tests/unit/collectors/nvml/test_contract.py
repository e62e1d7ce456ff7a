"""The contract's metrics of healthy GPUs, and what is left out where they cannot be told."""

from __future__ import annotations

import logging

import pytest

from butterfly_otel.collectors.nvml import NvmlSource
from tests.unit.collectors.nvml.fake import (
    A100,
    EVERY_READING,
    GIB,
    H100,
    Machine,
    besides_health,
    only,
    table,
    up,
)

USED_AND_FREE = {("GPU-00000000", "used"): 20 * GIB, ("GPU-00000000", "free"): 59 * GIB}


def test_eight_healthy_gpus_report_everything(gpus: Machine) -> None:
    """Each of eight GPUs has utilisation, memory by state, temperature, units and its state."""
    gpus.gpus(8)
    for board in range(8):
        gpus.set(board, utilization=board * 10, temperature=50 + board)
    gpus.gpm({2: 50.0, 5: 25.0})
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    values = table(besides_health(source.read()))
    assert len(values) == 8 * 7
    for board in range(8):
        gpu = f"GPU-{board:08d}"
        assert values["gpu_utilization_ratio", gpu] == board / 10
        assert values["gpu_temperature_celsius", gpu] == 50 + board
        assert values["gpu_memory_bytes", gpu, "used"] == 20 * GIB
        assert values["gpu_memory_bytes", gpu, "free"] == 59 * GIB
        assert values["gpu_compute_unit_active", gpu, "sm"] == 66
        assert values["gpu_compute_unit_active", gpu, "tensor_core"] == 132
        assert values["otel_device_up", "nvml", gpu] == 1


def test_the_first_round_has_no_averages(gpus: Machine) -> None:
    """Averages need two samples, so the first round is silent on compute units, not 0."""
    gpus.gpus(1)
    gpus.gpm({2: 50.0, 5: 25.0})
    assert only(gpus.opened().read(), "gpu_compute_unit_active") == {}


def test_rounds_in_quick_succession_keep_the_averages(gpus: Machine) -> None:
    """A round within 100 ms of the last repeats its averages and takes no sample."""
    gpus.gpus(1)
    gpus.gpm({2: 50.0})
    source = gpus.opened()
    source.read()
    gpus.advance(1)
    first = source.read()
    gpus.gpm({2: 90.0})
    gpus.advance(0.05)
    assert table(source.read()) == table(first)
    assert gpus.calls("nvmlGpmSampleGet") == 2
    gpus.advance(0.07)
    assert only(source.read(), "gpu_compute_unit_active")["GPU-00000000", "sm"] == 0.9 * 132


def test_an_average_over_a_long_sleep_is_dropped(gpus: Machine) -> None:
    """After minutes without a round the average would be of the past, so it starts afresh."""
    gpus.gpus(1)
    gpus.gpm({2: 50.0})
    source = gpus.opened()
    source.read()
    gpus.advance(600)
    assert only(source.read(), "gpu_compute_unit_active") == {}
    gpus.advance(5)
    assert only(source.read(), "gpu_compute_unit_active")


def test_gpus_before_hopper_have_no_compute_units(gpus: Machine) -> None:
    """An A100 has no GPM: everything else is there, and no sample is asked for."""
    gpus.gpus(1, A100)
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    values = table(besides_health(source.read()))
    assert {key[0] for key in values} == {
        "gpu_utilization_ratio",
        "gpu_memory_bytes",
        "gpu_temperature_celsius",
        "otel_device_up",
    }
    assert gpus.calls("nvmlGpmSampleAlloc") == 0


def test_values_that_are_no_number_are_left_out(gpus: Machine) -> None:
    """An average that is NaN, or that the driver marks as failed, yields no series."""
    gpus.gpus(1)
    gpus.gpm({2: float("nan")})
    gpus.gpm({5: 30.0}, code=3)
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    assert only(source.read(), "gpu_compute_unit_active") == {}


def test_averages_over_100_percent(gpus: Machine) -> None:
    """Rounding above 100 % is 100 %, nonsense above it is left out."""
    gpus.gpus(1)
    gpus.gpm({2: 100.2, 5: 130.0})
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    assert only(source.read(), "gpu_compute_unit_active") == {("GPU-00000000", "sm"): 132}


def test_utilization_over_100_is_left_out(gpus: Machine) -> None:
    """A driver that says 157 % is not believed, and 100 % is."""
    gpus.gpus(2)
    gpus.set(0, utilization=157)
    gpus.set(1, utilization=100)
    assert only(gpus.opened().read(), "gpu_utilization_ratio") == {("GPU-00000001",): 1}


def test_an_unknown_architecture_has_no_number_of_units(gpus: Machine) -> None:
    """Where the multiprocessors cannot be counted, nothing is guessed."""
    gpus.gpus(1, {**H100, "major": 99})
    gpus.gpm({2: 50.0, 5: 25.0})
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    assert only(source.read(), "gpu_compute_unit_active") == {}


def test_performance_counters_step_in_for_utilization(gpus: Machine) -> None:
    """Where the driver has no utilisation, GPM's share of busy time is taken."""
    gpus.gpus(1)
    gpus.fail("nvmlDeviceGetUtilizationRates", 3)
    gpus.gpm({1: 75.0})
    source = gpus.opened()
    assert only(source.read(), "gpu_utilization_ratio") == {}
    gpus.advance(5)
    assert only(source.read(), "gpu_utilization_ratio") == {("GPU-00000000",): 0.75}


def test_an_old_driver_lacks_functions(old_gpus: Machine) -> None:
    """Missing symbols fall back on their predecessors or leave their metric out."""
    old_gpus.gpus(2)
    source = old_gpus.opened()
    source.read()
    old_gpus.advance(5)
    values = table(source.read())
    assert values["gpu_temperature_celsius", "GPU-00000001"] == 60
    # Before version 2 of the call, what the driver reserves counts as used.
    assert values["gpu_memory_bytes", "GPU-00000001", "used"] == 21 * GIB
    assert values["gpu_memory_bytes", "GPU-00000001", "free"] == 59 * GIB
    assert not any(key[0] == "gpu_compute_unit_active" for key in values)
    assert up(source.read()) == {"GPU-00000000": 1, "GPU-00000001": 1}


def test_what_is_unsupported_is_asked_for_again_after_discovery(gpus: Machine) -> None:
    """NOT_SUPPORTED switches one metric off until the next discovery, and no other."""
    gpus.gpus(1)
    gpus.fail("nvmlDeviceGetUtilizationRates", 3)
    source = gpus.opened()
    for _ in range(3):
        assert only(source.read(), "gpu_utilization_ratio") == {}
        assert only(source.read(), "gpu_memory_bytes") == USED_AND_FREE
    assert gpus.calls("nvmlDeviceGetUtilizationRates") == 1
    gpus.fail("nvmlDeviceGetUtilizationRates", 0)
    gpus.advance(31)
    assert only(source.read(), "gpu_memory_bytes") == USED_AND_FREE


def test_a_passing_fault_costs_one_round(gpus: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """An unknown error leaves one reading out, is logged once, and the next round has it."""
    gpus.gpus(1)
    source = gpus.opened()
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 999)
    with caplog.at_level(logging.WARNING):
        assert only(source.read(), "gpu_memory_bytes") == {}
        source.read()
    assert len(caplog.records) == 1
    assert "memory of GPU GPU-00000000" in caplog.text
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 0)
    assert only(source.read(), "gpu_memory_bytes") == USED_AND_FREE


@pytest.mark.parametrize("driver", ["gpus", "old_gpus"])
@pytest.mark.parametrize(
    ("value", "metric"),
    [
        ({"temperature": -1}, "gpu_temperature_celsius"),
        ({"total": -1}, "gpu_memory_bytes"),
        ({"used": -1, "reserved": 0}, "gpu_memory_bytes"),
        ({"utilization": 0xFFFFFFFF}, "gpu_utilization_ratio"),
    ],
)
def test_not_available_is_no_number(
    driver: str, value: dict[str, int], metric: str, request: pytest.FixtureRequest
) -> None:
    """NVML says that it cannot tell by -1, as wide as the number would be."""
    gpus: Machine = request.getfixturevalue(driver)
    gpus.gpus(1)
    source = gpus.opened()
    assert only(source.read(), metric) != {}
    gpus.set(0, **value)
    readings = source.read()
    assert only(readings, metric) == {}
    assert up(readings) == {"GPU-00000000": 1}


def test_a_gpu_that_fails_everything_is_down(gpus: Machine) -> None:
    """A GPU that is there and answers nothing is reported as down."""
    gpus.gpus(2, A100)
    source = gpus.opened()
    for function in EVERY_READING:
        gpus.fail(f"nvmlDeviceGet{function}", 999, board=1)
    gpus.fail("nvmlGpmQueryDeviceSupport", 999, board=1)
    assert up(source.read()) == {"GPU-00000000": 1, "GPU-00000001": 0}


@pytest.mark.parametrize(
    ("naming", "expected"),
    [
        ("uuid", {"GPU-00000000", "GPU-00000001", "MIG-00000001-1"}),
        ("index", {"0", "1", "1:2"}),
        ("pci", {"00000000:10:00.0", "00000000:11:00.0", "00000000:11:00.0/5"}),
    ],
)
def test_how_gpus_are_named(gpus: Machine, naming: str, expected: set[str]) -> None:
    """A GPU is named by its UUID, its index or its slot, and an instance likewise."""
    gpus.gpus(2)
    gpus.mig(1, 2, gpu_instance=5)
    assert set(up(gpus.opened(gpu_id=naming).read())) == expected


def test_uuids_follow_the_gpu_when_indexes_move(gpus: Machine) -> None:
    """The default name stays with the GPU when NVML lists it elsewhere after a restart."""
    gpus.gpus(3)
    gpus.set(2, temperature=77)
    source = gpus.opened()
    before = only(source.read(), "gpu_temperature_celsius")
    source.close()
    gpus.order(2, 0, 1)
    source.open()
    assert only(source.read(), "gpu_temperature_celsius") == before


def test_all_it_yields_is_announced(gpus: Machine) -> None:
    """Every metric read is among those that the source names, and each of those is read."""
    gpus.gpus(1)
    gpus.gpm({2: 50.0, 5: 25.0})
    source = gpus.opened()
    source.read()
    gpus.xid(0, 79)
    gpus.advance(5)
    assert {reading.metric for reading in source.read()} == set(NvmlSource.metrics)
