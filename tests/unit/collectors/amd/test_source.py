"""AMD's GPUs, through the real package and a library that is not AMD's."""

from __future__ import annotations

import ctypes
import logging

import pytest

from butterfly_otel.collectors.amd import AmdSource
from butterfly_otel.collectors.source import UnavailableError
from tests.unit.collectors.amd.conftest import Machine, forget
from tests.unit.collectors.nvml.fake import GIB, only, table, up

FIRST, SECOND = (f"0{index}ff0000-0000-1000-8000-000000000000" for index in range(2))


def test_every_gpu_tells_what_it_can(gpus: Machine) -> None:
    """Utilisation, memory, temperature, errors and the state of each, under its own name."""
    gpus.gpus(2)
    gpus.activity(1, 100)
    values = table(gpus.opened().read())
    assert len(values) == 2 * 8
    assert values["gpu_utilization_ratio", FIRST] == 0.4
    assert values["gpu_utilization_ratio", SECOND] == 1
    assert values["gpu_memory_bytes", FIRST, "used"] == 16 * GIB
    assert values["gpu_memory_bytes", FIRST, "free"] == 48 * GIB
    assert values["gpu_temperature_celsius", FIRST] == 55
    assert values["otel_gpu_memory_errors_total", FIRST, "corrected"] == 3
    assert values["otel_gpu_memory_errors_total", FIRST, "uncorrected"] == 1
    assert values["otel_gpu_link_errors_total", FIRST, "pcie", "replay"] == 5
    assert values["otel_device_up", "amd", FIRST] == 1


def test_all_it_yields_is_announced(gpus: Machine) -> None:
    """Every metric read is among those that the source names, and each of those is read."""
    gpus.gpus(1)
    assert {each.metric for each in gpus.opened().read()} == set(AmdSource.metrics)


@pytest.mark.parametrize(
    ("naming", "names"),
    [("index", {"0", "1"}), ("pci", {"0000:c1:00.0", "0000:c2:00.0"}), ("uuid", {FIRST, SECOND})],
)
def test_gpus_are_named_as_configured(gpus: Machine, naming: str, names: set[str]) -> None:
    """The setting that names NVIDIA's GPUs names AMD's."""
    gpus.gpus(2)
    assert set(up(gpus.opened(gpu_id=naming).read())) == names


def test_an_accelerator_has_no_sensor_at_its_edge(gpus: Machine) -> None:
    """The hottest spot's temperature stands in where the edge has none."""
    gpus.gpus(1)
    gpus.fail("edge", 2)
    assert only(gpus.opened().read(), "gpu_temperature_celsius") == {(FIRST,): 70}


@pytest.mark.parametrize("percent", [0xFFFF, 0xFFFFFFFF, 250])
def test_what_is_no_share_is_left_out(gpus: Machine, percent: int) -> None:
    """A utilisation that can't be told, or can't be, is not invented."""
    gpus.gpus(1)
    gpus.activity(0, percent)
    readings = gpus.opened().read()
    assert only(readings, "gpu_utilization_ratio") == {}
    assert up(readings) == {FIRST: 1}


def test_what_a_gpu_lacks_costs_nothing_else(
    gpus: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """NOT_SUPPORTED leaves one reading out, quietly; a fault does so with one line."""
    gpus.gpus(1)
    gpus.fail("amdsmi_get_gpu_total_ecc_count", 2)
    gpus.fail("amdsmi_get_gpu_memory_usage", 13)
    source = gpus.opened()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            readings = source.read()
    assert only(readings, "otel_gpu_memory_errors_total") == {}
    assert only(readings, "gpu_memory_bytes") == {}
    assert only(readings, "gpu_temperature_celsius") == {(FIRST,): 55}
    assert len(caplog.records) == 1
    assert "memory of GPU" in caplog.text


def test_a_gpu_that_fails_everything_is_down(gpus: Machine) -> None:
    """A GPU that is there and answers nothing is reported as down; the other goes on."""
    gpus.gpus(2)
    for function in (
        *("gpu_activity", "gpu_memory_total", "temp_metric", "gpu_total_ecc_count"),
        "gpu_pci_replay_counter",
    ):
        gpus.fail(f"amdsmi_get_{function}", 43, gpu=1)
    assert up(gpus.opened().read()) == {FIRST: 1, SECOND: 0}


def test_a_gpu_that_is_added_is_found(gpus: Machine) -> None:
    """New GPUs are looked for every half minute."""
    gpus.gpus(1)
    source = gpus.opened()
    gpus.count(2)
    assert set(up(source.read())) == {FIRST}
    gpus.now += 31
    assert set(up(source.read())) == {FIRST, SECOND}


def test_a_driver_that_is_gone_ends_the_round(gpus: Machine) -> None:
    """The sampler is told that AMD SMI no longer answers, and opens it again."""
    gpus.gpus(1)
    source = gpus.opened()
    gpus.fail("amdsmi_get_gpu_activity", 34)
    with pytest.raises(UnavailableError, match="AMD SMI does not work"):
        source.read()
    gpus.recover()
    source.open()
    assert up(source.read()) == {FIRST: 1}


def test_without_a_gpu(gpus: Machine) -> None:
    """A library without a GPU is no source."""
    with pytest.raises(UnavailableError, match="lists no GPU"):
        gpus.opened()


def test_without_the_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where AMD's library is missing there is one sentence, and nothing on standard output."""

    def missing(name: object) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    forget()
    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(UnavailableError, match="Python can't use amdsmi"):
        AmdSource().open()
    assert capsys.readouterr().out == ""
    forget()
