"""What tells that a GPU is failing, and GPUs that share the machine's memory."""

from __future__ import annotations

import logging

import pytest

from butterfly_otel.collectors.host_memory import Capacity
from butterfly_otel.collectors.nvml import source as source_module
from tests.unit.collectors.nvml.fake import A100, GIB, Machine, only, up

GPU = "GPU-00000000"
OTHER = "GPU-00000001"


def test_memory_errors_are_counted_by_what_became_of_them(gpus: Machine) -> None:
    """Corrected and uncorrected errors of the GPU's life are two series."""
    gpus.gpus(1)
    gpus.set(0, corrected=7, uncorrected=2)
    errors = only(gpus.opened().read(), "otel_gpu_memory_errors_total")
    assert errors == {(GPU, "corrected"): 7, (GPU, "uncorrected"): 2}


def test_a_row_that_waits_for_a_reset(gpus: Machine) -> None:
    """Pending and failed replacements are states of their own."""
    gpus.gpus(1)
    gpus.set(0, remap_pending=1)
    states = only(gpus.opened().read(), "otel_gpu_row_remapping")
    assert states == {(GPU, "pending"): 1, (GPU, "failed"): 0}


def test_a_driver_that_knows_no_remapping_tells_none(old_gpus: Machine) -> None:
    """What a driver lacks is left out, not 0, and its other readings go on."""
    old_gpus.gpus(1)
    readings = old_gpus.opened().read()
    assert only(readings, "otel_gpu_row_remapping") == {}
    assert only(readings, "otel_gpu_memory_errors_total")


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        (0, set()),
        (0x1, set()),  # idle
        (0x20, {"thermal"}),
        (0x40 | 0x8, {"thermal"}),
        (0x80 | 0x8, {"power_brake"}),
        (0x4, {"power_cap"}),
        (0x8, {"hardware"}),
        (0x4 | 0x20, {"power_cap", "thermal"}),
    ],
)
@pytest.mark.parametrize("driver", ["gpus", "old_gpus"])
def test_why_clocks_are_held(
    driver: str, bits: int, reasons: set[str], request: pytest.FixtureRequest
) -> None:
    """Each reason has a series; the hardware's slowdown is told where no other reason is."""
    machine: Machine = request.getfixturevalue(driver)
    machine.gpus(1)
    machine.set(0, clock_events=bits)
    states = only(machine.opened().read(), "otel_gpu_throttled")
    assert {reason for (_, reason), held in states.items() if held} == reasons
    assert len(states) == 4


def test_links_of_older_gpus_are_counted_together(gpus: Machine) -> None:
    """Totals over all links are taken where there are any; both checksums are one kind."""
    gpus.gpus(1)
    gpus.set(0, pcie_replays=4)
    gpus.fields({52: 1, 59: 2, 38: 3, 45: 5})
    gpus.link_fields(161, {0: 100})
    errors = only(gpus.opened().read(), "otel_gpu_link_errors_total")
    assert errors == {
        (GPU, "pcie", "replay"): 4,
        (GPU, "nvlink", "replay"): 1,
        (GPU, "nvlink", "recovery"): 2,
        (GPU, "nvlink", "crc"): 8,
    }


def test_links_of_newer_gpus_are_summed(gpus: Machine) -> None:
    """Where each link counts for itself, the sum of those that answer is told."""
    gpus.gpus(1)
    gpus.link_fields(161, {0: 1, 17: 2})
    gpus.link_fields(215, {3: 7})
    source = gpus.opened()
    for _ in range(2):
        errors = only(source.read(), "otel_gpu_link_errors_total")
    assert errors == {
        (GPU, "pcie", "replay"): 0,
        (GPU, "nvlink", "replay"): 3,
        (GPU, "nvlink", "recovery"): 7,
    }


def test_xids_are_counted_by_gpu_and_number(gpus: Machine) -> None:
    """What the driver kept between two rounds is counted, and stays counted."""
    gpus.gpus(2)
    source = gpus.opened()
    assert only(source.read(), "otel_gpu_xid_errors_total") == {}
    for board, xid in ((0, 63), (0, 63), (1, 79)):
        gpus.xid(board, xid)
    counted = {(GPU, "63"): 2, (OTHER, "79"): 1}
    assert only(source.read(), "otel_gpu_xid_errors_total") == counted
    assert only(source.read(), "otel_gpu_xid_errors_total") == counted


def test_the_xid_of_a_gpu_that_is_lost_is_told(gpus: Machine) -> None:
    """XID 79, by which a GPU falls off the bus, is counted though the GPU no longer answers."""
    gpus.gpus(2)
    source = gpus.opened()
    source.read()
    gpus.xid(0, 79)
    gpus.fail("nvmlDeviceGetUtilizationRates", 15, board=0)
    readings = source.read()
    assert up(readings) == {GPU: 0, OTHER: 1}
    assert only(readings, "otel_gpu_xid_errors_total") == {(GPU, "79"): 1}


def test_xids_go_on_after_nvml_was_started_afresh(gpus: Machine) -> None:
    """Counts outlive a restart of NVML, and GPUs are watched again."""
    gpus.gpus(1)
    source = gpus.opened()
    gpus.xid(0, 31)
    source.read()
    source.open()
    gpus.xid(0, 31)
    assert only(source.read(), "otel_gpu_xid_errors_total") == {(GPU, "31"): 2}


def test_a_gpu_that_is_added_later_is_watched(gpus: Machine) -> None:
    """A discovery watches new GPUs, and those that are watched not once more."""
    gpus.gpus(2)
    gpus.count(1)
    source = gpus.opened()
    gpus.count(2)
    gpus.advance(31)
    source.read()
    gpus.xid(1, 48)
    assert only(source.read(), "otel_gpu_xid_errors_total") == {(OTHER, "48"): 1}


@pytest.mark.parametrize("function", ["nvmlEventSetCreate", "nvmlDeviceRegisterEvents"])
def test_without_events_everything_else_is_read(gpus: Machine, function: str) -> None:
    """Where events are not supported, nothing is invented and nothing else is missing."""
    gpus.gpus(1)
    gpus.fail(function, 3)
    readings = gpus.opened().read()
    assert only(readings, "otel_gpu_xid_errors_total") == {}
    assert only(readings, "gpu_utilization_ratio")


def test_events_that_fail_are_told_once(gpus: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """Reading events that fails costs no reading, and one line of the log."""
    gpus.gpus(1)
    source = gpus.opened()
    gpus.fail("nvmlEventSetWait_v2", 999)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert only(source.read(), "gpu_utilization_ratio")
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_a_gpu_in_mig_mode_tells_of_its_health(gpus: Machine) -> None:
    """Errors are the whole GPU's; instances have none of their own."""
    gpus.gpus(1)
    gpus.mig(0, 0, gpu_instance=3)
    gpus.set(0, uncorrected=1)
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 3)
    readings = gpus.opened().read()
    errors = only(readings, "otel_gpu_memory_errors_total")
    assert errors == {(GPU, "corrected"): 0, (GPU, "uncorrected"): 1}
    assert only(readings, "gpu_memory_bytes") == {}


def test_a_gpu_without_memory_of_its_own_tells_the_machines(
    gpus: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where NVML does not know the question, the kernel's figures stand in, said once."""
    monkeypatch.setattr(source_module, "machine_memory", lambda: Capacity(128 * GIB, 28 * GIB))
    gpus.gpus(1)
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 3)
    source = gpus.opened(extensions=True)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            readings = source.read()
    used_and_free = {(GPU, "used"): 28 * GIB, (GPU, "free"): 100 * GIB}
    assert only(readings, "gpu_memory_bytes") == used_and_free
    assert [each.value for each in readings if each.metric == "hw.gpu.memory.limit"] == [128 * GIB]
    said = [each for each in caplog.records if "shares the machine's memory" in each.message]
    assert len(said) == 1


def test_memory_that_nobody_can_tell_is_left_out(
    gpus: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off Linux there is no figure to stand in: nothing is invented."""
    monkeypatch.setattr(source_module, "machine_memory", lambda: None)
    gpus.gpus(1, A100)
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 3)
    assert only(gpus.opened().read(), "gpu_memory_bytes") == {}
