"""GPUs that are lost, reset, added or forbidden, and drivers that are missing or too new."""

from __future__ import annotations

import logging
import threading

import pytest

from butterfly_otel.collectors.source import UnavailableError
from tests.unit.collectors.nvml.fake import A100, EVERY_READING, Machine, only, table, up

GPU = "GPU-0000000"


def test_a_gpu_lost_in_the_middle_comes_back(
    gpus: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost GPU has no readings and is down until it answers; the others go on."""
    gpus.gpus(3)
    source = gpus.opened()
    source.read()
    gpus.fail("nvmlDeviceGetUtilizationRates", 15, board=1)
    gpus.advance(5)
    with caplog.at_level(logging.INFO):
        readings = source.read()
        assert up(readings) == {f"{GPU}0": 1, f"{GPU}1": 0, f"{GPU}2": 1}
        assert not [each for each in readings if each.labels.get("gpu_id") == f"{GPU}1"]
        gpus.advance(5)
        assert up(source.read()) == {f"{GPU}0": 1, f"{GPU}1": 0, f"{GPU}2": 1}
        gpus.fail("nvmlDeviceGetUtilizationRates", 0, board=1)
        gpus.advance(31)
        assert up(source.read()) == {f"{GPU}0": 1, f"{GPU}1": 1, f"{GPU}2": 1}
    assert [each.levelname for each in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.parametrize("code", [15, 16])
def test_a_lost_gpu_is_let_go_of_so_that_it_can_be_reset(gpus: Machine, code: int) -> None:
    """NVML is started afresh without the lost GPU, which is looked at ever more seldom."""
    gpus.gpus(2)
    source = gpus.opened()
    gpus.fail("nvmlDeviceGetUtilizationRates", code, board=0)
    gpus.fail("nvmlDeviceGetHandleByIndex_v2", code, board=0)
    looks: list[float] = []
    began, seen = gpus.now, 1
    while gpus.now < began + 1000:
        assert up(source.read()) == {f"{GPU}0": 0, f"{GPU}1": 1}
        # GPU 1 is looked at in each discovery, GPU 0 only when it is its time.
        calls = gpus.calls("nvmlDeviceGetHandleByIndex_v2") - gpus.calls("nvmlDeviceGetCount_v2")
        if calls != seen:
            looks.append(gpus.now - began)
            seen = calls
        gpus.advance(5)
    assert looks == [35, 100, 225, 470, 955]
    assert gpus.calls("nvmlInitWithFlags") == 2 + len(looks)
    assert gpus.users == 1


def test_a_gpu_already_lost_at_the_start_is_reported(gpus: Machine) -> None:
    """A GPU that is lost before its name is known is down under its index."""
    gpus.gpus(2)
    gpus.fail("nvmlDeviceGetHandleByIndex_v2", 15, board=1)
    source = gpus.opened()
    assert up(source.read()) == {f"{GPU}0": 1, "1": 0}
    gpus.fail("nvmlDeviceGetHandleByIndex_v2", 0, board=1)
    gpus.advance(31)
    assert up(source.read()) == {f"{GPU}0": 1, f"{GPU}1": 1}


def test_gpus_are_added_while_it_runs(gpus: Machine) -> None:
    """A GPU that NVML comes to list is read from the next discovery on."""
    gpus.gpus(3)
    gpus.count(2)
    source = gpus.opened()
    source.read()
    gpus.count(3)
    gpus.advance(5)
    assert len(up(source.read())) == 2
    gpus.advance(26)
    assert up(source.read()) == {f"{GPU}{board}": 1 for board in range(3)}


def test_a_gpu_no_longer_listed_is_down_for_a_time(gpus: Machine) -> None:
    """A GPU that fell off the bus is down; after an hour it counts as removed."""
    gpus.gpus(3)
    source = gpus.opened(forget_after=3600)
    source.read()
    gpus.order(0, 2)
    gpus.advance(31)
    assert up(source.read()) == {f"{GPU}0": 1, f"{GPU}1": 0, f"{GPU}2": 1}
    gpus.advance(3590)
    assert up(source.read())[f"{GPU}1"] == 0
    gpus.advance(31)
    assert up(source.read()) == {f"{GPU}0": 1, f"{GPU}2": 1}


def test_indexes_as_names_never_collide(gpus: Machine) -> None:
    """When indexes move up into the place of a lost GPU, that index is up, and only once."""
    gpus.gpus(2)
    source = gpus.opened(gpu_id="index")
    source.read()
    gpus.order(1)
    gpus.advance(31)
    assert up(source.read()) == {"0": 1, "1": 0}


def test_a_lost_gpu_that_is_listed_again_but_answers_nothing(gpus: Machine) -> None:
    """A GPU that is found again and fails every reading is still down, and told once."""
    gpus.gpus(1, A100)
    source = gpus.opened()
    for code in (15, 999):
        for function in EVERY_READING:
            gpus.fail(f"nvmlDeviceGet{function}", code)
        assert up(source.read()) == {f"{GPU}0": 0}
        gpus.advance(31)
        assert up(source.read()) == {f"{GPU}0": 0}
        gpus.advance(100)


def test_discovery_keeps_the_averages(gpus: Machine) -> None:
    """A discovery that changes nothing costs no round of averages."""
    gpus.gpus(1)
    gpus.gpm({2: 50.0})
    source = gpus.opened()
    source.read()
    for _ in range(10):
        gpus.advance(20)
        assert only(source.read(), "gpu_compute_unit_active")
    assert gpus.calls("nvmlGpmSampleAlloc") == 2


def test_no_permission_for_one_gpu(gpus: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """A GPU that may not be opened is left out and named once; the others are read."""
    gpus.gpus(3)
    gpus.fail("nvmlDeviceGetHandleByIndex_v2", 4, board=1)
    source = gpus.opened()
    for _ in range(3):
        gpus.advance(31)
        assert up(source.read()) == {f"{GPU}0": 1, f"{GPU}2": 1}
    assert len(caplog.records) == 1
    assert caplog.records[0].message == (
        "GPU 1 cannot be read and is left out:"
        " nvmlDeviceGetHandleByIndex: Insufficient Permissions (NVML error 4)"
    )


def test_a_name_that_is_no_text(gpus: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """A GPU whose UUID can't be decoded is left out and named once; the others are read."""
    gpus.gpus(2)
    gpus.set(1, garbled=1)
    source = gpus.opened()
    for _ in range(3):
        gpus.advance(31)
        assert up(source.read()) == {f"{GPU}0": 1}
    assert [record.message for record in caplog.records] == [
        (
            "GPU 1 cannot be read and is left out:"
            " nvmlDeviceGetUUID: the answer is no text (NVML error 999)"
        )
    ]


def test_no_permission_for_performance_counters(
    gpus: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """Counters that only an administrator may read are tried once a GPU and named once."""
    gpus.gpus(2)
    gpus.fail("nvmlGpmSampleGet", 4)
    source = gpus.opened()
    for _ in range(3):
        gpus.advance(31)
        readings = source.read()
    assert only(readings, "gpu_compute_unit_active") == {}
    assert len(only(readings, "gpu_utilization_ratio")) == 2
    assert gpus.calls("nvmlGpmSampleGet") == 2
    assert len(caplog.records) == 1
    assert "performance counters is left out" in caplog.text


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (9, "kernel driver is not loaded"),
        (4, "may not talk to NVIDIA's driver"),
        (18, "come back when the process is restarted"),
        (999, "NVML does not work: nvmlInitWithFlags"),
    ],
)
def test_a_driver_that_does_not_start(gpus: Machine, code: int, sentence: str) -> None:
    """Each reason not to start is a sentence for the log, and a later try may succeed."""
    gpus.gpus(1)
    gpus.fail("nvmlInitWithFlags", code)
    source = gpus.source()
    with pytest.raises(UnavailableError, match=sentence):
        source.open()
    gpus.fail("nvmlInitWithFlags", 0)
    source.open()
    assert up(source.read()) == {f"{GPU}0": 1}


@pytest.mark.parametrize("code", [1, 9, 18])
@pytest.mark.parametrize("function", ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetCount_v2"])
def test_a_driver_that_goes_away_is_said_at_once(gpus: Machine, function: str, code: int) -> None:
    """An error of NVML as a whole ends the round, so that the sampler opens it again."""
    gpus.gpus(2)
    source = gpus.opened()
    source.read()
    gpus.fail(function, code)
    gpus.advance(31)
    with pytest.raises(UnavailableError):
        source.read()
    source.close()
    gpus.fail(function, 0)
    source.open()
    assert len(up(source.read())) == 2


def test_no_gpu_at_all(gpus: Machine) -> None:
    """A driver without a GPU, or without one that may be opened, says so."""
    source = gpus.source()
    with pytest.raises(UnavailableError, match="NVML lists no GPU"):
        source.open()
    gpus.gpus(2)
    gpus.fail("nvmlDeviceGetHandleByIndex_v2", 4)
    with pytest.raises(UnavailableError, match="NVML lists 2 GPUs and none of them can be read"):
        source.open()
    assert gpus.users == 0


def test_close_lets_go_of_everything(gpus: Machine) -> None:
    """Buffers are freed before NVML is shut down, and closing twice is harmless."""
    gpus.gpus(2)
    source = gpus.opened()
    source.read()
    assert (gpus.users, gpus.live_samples) == (1, 4)
    source.close()
    source.close()
    assert (gpus.users, gpus.live_samples) == (0, 0)


def test_buffers_that_cannot_be_had(gpus: Machine) -> None:
    """Without memory for samples a GPU has no averages and everything else."""
    gpus.gpus(1)
    gpus.fail("nvmlGpmSampleAlloc", 20)
    gpus.gpm({2: 50.0})
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    assert set(only(source.read(), "gpu_temperature_celsius")) == {(f"{GPU}0",)}


def test_a_driver_call_that_hangs_holds_up_only_its_thread(gpus: Machine) -> None:
    """While the driver hangs the interpreter runs on, and the round ends when it answers."""
    gpus.gpus(1)
    source = gpus.opened()
    gpus.hang("nvmlDeviceGetUtilizationRates")
    rounds: list[dict[tuple[str, ...], float]] = []
    thread = threading.Thread(target=lambda: rounds.append(table(source.read())))
    thread.start()
    gpus.await_hang()
    assert rounds == []
    gpus.release()
    thread.join()
    assert rounds[0]["gpu_utilization_ratio", f"{GPU}0"] == 0.4


@pytest.mark.parametrize("function", ["nvmlGpmQueryDeviceSupport", "nvmlDeviceGetNumGpuCores"])
def test_what_did_not_answer_at_first_is_asked_again(gpus: Machine, function: str) -> None:
    """Where only a passing fault hid the counters, the next discovery finds them."""
    gpus.gpus(1)
    gpus.gpm({2: 50.0})
    gpus.fail(function, 999)
    source = gpus.opened()
    source.read()
    gpus.fail(function, 0)
    gpus.advance(31)
    source.read()
    gpus.advance(5)
    assert only(source.read(), "gpu_compute_unit_active")[f"{GPU}0", "sm"] == 66
