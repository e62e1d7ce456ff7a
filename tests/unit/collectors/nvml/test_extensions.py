"""The opt-in metrics under the conventions for hardware."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.metrics import hw_metrics

from butterfly_otel.collectors.nvml import EXTENSIONS
from butterfly_otel.collectors.source import Reading
from tests.unit.collectors.nvml.fake import A100, GIB, Machine, only

GPU = "GPU-00000000"
MIB = 1024**2


def _attributes(readings: list[Reading], metric: str) -> list[dict[str, str]]:
    return [dict(each.labels) for each in readings if each.metric == metric]


def _values(readings: list[Reading], metric: str, *keys: str) -> dict[tuple[str, ...], float]:
    """Return one metric's values by some of its attributes."""
    return {
        tuple(each.labels[key] for key in keys): each.value
        for each in readings
        if each.metric == metric
    }


def test_they_are_opt_in(gpus: Machine) -> None:
    """Unless asked for, nothing beyond the contract is announced, read or asked of the driver."""
    gpus.gpus(1)
    source = gpus.opened()
    assert source.extensions == ()
    assert not [each for each in source.read() if each.metric.startswith("hw.")]
    assert gpus.calls("nvmlDeviceGetPowerUsage") == 0


def test_each_is_announced_and_read(gpus: Machine) -> None:
    """A GPU that has everything yields every extension, and nothing that is not announced."""
    gpus.gpus(1)
    gpus.gpm({10: 50.0, 20: 1.0, 21: 2.0, 60: 3.0, 61: 4.0})
    gpus.fields({197: 1, 198: 2, 138: 3, 139: 4})
    gpus.process(0, 4711, GIB)
    source = gpus.opened(extensions=True)
    source.read()
    gpus.advance(5)
    readings = source.read()
    read = {each.metric for each in readings if each.metric.startswith("hw.")}
    assert source.extensions == EXTENSIONS
    assert read == {each.name for each in EXTENSIONS}
    for each in readings:
        if each.metric.startswith("hw."):
            assert each.labels["hw.id"] == GPU
            assert each.labels["hw.type"] == "gpu"


@pytest.mark.parametrize(
    ("name", "kind", "unit"), [(each.name, each.kind, each.unit) for each in EXTENSIONS]
)
def test_conventional_names_keep_their_convention(name: str, kind: str, unit: str) -> None:
    """Where the conventions know a name, the instrument and the unit are theirs."""
    constant = name.upper().replace(".", "_")
    if not hasattr(hw_metrics, constant):
        assert name.startswith("hw.gpu.")
        return
    lines = dict(
        line.split(": ", 1)
        for line in _documentation(constant).splitlines()
        if line.startswith(("Instrument: ", "Unit: "))
    )
    kinds = {
        "counter": "observable_counter",
        "updowncounter": "observable_up_down_counter",
        "gauge": "observable_gauge",
    }
    assert (kinds[lines["Instrument"]], lines["Unit"]) == (kind, unit)


def _documentation(constant: str) -> str:
    """Return the string that stands after a constant, which is where the conventions are."""
    source = Path(hw_metrics.__file__).read_text(encoding="utf-8")
    return source.split(f"{constant}: Final", 1)[1].split('"""')[1]


def test_power_energy_and_memory_errors(gpus: Machine) -> None:
    """Milliwatts become watts, millijoules joules, and errors are told by kind."""
    gpus.gpus(1)
    gpus.set(0, corrected=7, uncorrected=1)
    readings = gpus.opened(extensions=True).read()
    assert _values(readings, "hw.power", "hw.id") == {(GPU,): 350.5}
    assert _values(readings, "hw.energy", "hw.id") == {(GPU,): 123_456.5}
    errors = _values(readings, "hw.errors", "error.type")
    assert errors == {("corrected",): 7, ("uncorrected",): 1}


def test_not_available_is_no_number(gpus: Machine) -> None:
    """NVML says that it cannot tell by -1, as wide as the number would be."""
    gpus.gpus(1)
    gpus.set(0, power=0xFFFFFFFF, energy=-1, corrected=-1, clock_events=-1, total=-1, gpm=0)
    gpus.set(0, pcie_tx=0xFFFFFFFF)
    gpus.fields({138: 2**64 - 1, 197: 0xFFFFFFFF, 198: 5})
    source = gpus.opened(extensions=True)
    source.read()
    gpus.advance(31)
    readings = source.read()
    names = {each.metric for each in readings if each.metric.startswith("hw.")}
    assert names == {"hw.gpu.dram.active", "hw.gpu.info", "hw.gpu.io"}
    assert list(only(readings, "hw.gpu.io").values()) == [5]


@pytest.mark.parametrize("driver", ["gpus", "old_gpus"])
def test_each_clock_event_has_a_state(driver: str, request: pytest.FixtureRequest) -> None:
    """Every reason is 1 while it holds and 0 while it does not, by a new and an old driver."""
    machine: Machine = request.getfixturevalue(driver)
    machine.gpus(1)
    machine.set(0, clock_events=0x4 | 0x40)
    readings = machine.opened(extensions=True).read()
    states = _values(readings, "hw.gpu.clock_event", "hw.gpu.clock_event.reason")
    held = {reason for (reason,), state in states.items() if state}
    assert held == {"sw_power_cap", "hw_thermal_slowdown"}
    assert len(states) == 9


def test_bytes_moved_are_counted_where_the_driver_counts(gpus: Machine) -> None:
    """PCIe counts bytes and NVLink KiB over all links; what is lacking is not asked again."""
    gpus.gpus(1)
    gpus.fields({138: 10, 139: 20, 197: 500})
    source = gpus.opened(extensions=True)
    for _ in range(2):
        moved = _values(source.read(), "hw.gpu.io", "hw.gpu.interconnect", "network.io.direction")
    assert moved == {
        ("nvlink", "transmit"): 10 * 1024,
        ("nvlink", "receive"): 20 * 1024,
        ("pcie", "transmit"): 500,
    }


def test_throughput_by_performance_counters(gpus: Machine) -> None:
    """On Hopper the averages of the counters give all rates, and no slow call is made."""
    gpus.gpus(1)
    gpus.gpm({20: 1.0, 21: 2.0, 60: 3.0, 61: 4.0})
    source = gpus.opened(extensions=True)
    source.read()
    gpus.advance(60)
    keys = ("hw.gpu.interconnect", "network.io.direction")
    assert _values(source.read(), "hw.gpu.throughput", *keys) == {
        ("pcie", "transmit"): MIB,
        ("pcie", "receive"): 2 * MIB,
        ("nvlink", "receive"): 3 * MIB,
        ("nvlink", "transmit"): 4 * MIB,
    }
    assert gpus.calls("nvmlDeviceGetPcieThroughput") == 0


def test_slow_throughput_is_read_seldom_and_in_turn(gpus: Machine) -> None:
    """Without counters PCIe is measured twice a minute, by one GPU after the other."""
    gpus.gpus(8, A100)
    source = gpus.opened(extensions=True, rediscover=1000)
    calls = [0]
    for _ in range(12):
        readings = source.read()
        calls.append(gpus.calls("nvmlDeviceGetPcieThroughput"))
        gpus.advance(5)
    assert max(after - before for before, after in zip(calls, calls[1:])) <= 4  # noqa: B905, RUF007 - Python 3.10
    # Twice each, but for the last in turn, whose second time has not come.
    assert calls[-1] == (8 + 7) * 2
    keys = ("hw.id", "network.io.direction")
    throughput = _values(readings, "hw.gpu.throughput", *keys)
    assert len(throughput) == 16
    assert throughput[GPU, "transmit"] == 2_000_000


def test_memory_activity(gpus: Machine) -> None:
    """The share of time is told by every driver, the share of bandwidth by the counters."""
    gpus.gpus(1)
    gpus.gpm({10: 62.5})
    source = gpus.opened(extensions=True)
    source.read()
    gpus.advance(5)
    readings = source.read()
    assert only(readings, "hw.gpu.dram.active") == {(GPU, "gpu"): 0.3}
    assert only(readings, "hw.gpu.dram.utilization") == {(GPU, "gpu"): 0.625}
    assert only(readings, "hw.gpu.memory.limit") == {(GPU, "gpu"): 80 * GIB}


def test_only_the_largest_processes_are_told(gpus: Machine) -> None:
    """Of many processes the largest are told, those of unknown size are not."""
    gpus.gpus(1)
    for pid in range(1, 41):
        gpus.process(0, pid, pid * GIB)
    gpus.process(0, 99, 2**64 - 1)
    source = gpus.opened(extensions=True, processes=3)
    told = _values(source.read(), "hw.gpu.process.memory.usage", "process.pid")
    assert told == {("40",): 40 * GIB, ("39",): 39 * GIB, ("38",): 38 * GIB}


def test_no_processes_are_asked_for_where_none_are_wanted(gpus: Machine) -> None:
    """With 0 processes the driver is not asked for them."""
    gpus.gpus(1)
    gpus.process(0, 1, GIB)
    gpus.opened(extensions=True, processes=0).read()
    assert gpus.calls("nvmlDeviceGetComputeRunningProcesses_v3") == 0


def test_what_a_gpu_is(gpus: Machine) -> None:
    """One series a device joins its identity with its index, slot, model and driver."""
    gpus.gpus(2)
    gpus.mig(1, 2, gpu_instance=5)
    readings = gpus.opened(extensions=True).read()
    plain, _parent, instance = _attributes(readings, "hw.gpu.info")
    assert plain == {
        "hw.id": GPU,
        "hw.type": "gpu",
        "hw.vendor": "NVIDIA",
        "hw.gpu.uuid": GPU,
        "hw.model": "NVIDIA Fake 0",
        "hw.driver_version": "570.86.15",
        "hw.gpu.pci_address": "00000000:10:00.0",
        "hw.name": "GPU 0",
    }
    assert instance["hw.name"] == "GPU 1:2"
    assert instance["hw.parent"] == "GPU-00000001"


def test_mig_splits_between_gpu_and_instances(gpus: Machine) -> None:
    """What has one meter is the GPU's, memory and processes are the instances'."""
    gpus.gpus(1)
    gpus.mig(0, 0, gpu_instance=3, serial=1)
    gpus.mig(0, 1, gpu_instance=3, serial=2)
    gpus.process(0, 10, GIB, slot=0)
    gpus.process(0, 10, GIB, slot=1)
    gpus.gpm({10: 50.0, 20: 1.0})
    source = gpus.opened(extensions=True)
    source.read()
    gpus.advance(5)
    readings = source.read()
    instance = "MIG-00000000-1"
    assert _values(readings, "hw.power", "hw.id") == {(GPU,): 350.5}
    assert _values(readings, "hw.gpu.dram.utilization", "hw.id") == {(instance,): 0.5}
    assert _values(readings, "hw.gpu.memory.limit", "hw.id") == {(instance,): 10 * GIB}
    assert set(_values(readings, "hw.gpu.throughput", "hw.id")) == {(GPU,)}
    processes = _values(readings, "hw.gpu.process.memory.usage", "hw.id", "process.pid")
    assert processes == {(instance, "10"): 2 * GIB}


def test_what_a_gpu_lacks_is_left_out(gpus: Machine) -> None:
    """A GPU without ECC, power meter or clock reasons yields the rest and stays up."""
    gpus.gpus(1)
    for function in ("PowerUsage", "TotalEnergyConsumption", "TotalEccErrors"):
        gpus.fail(f"nvmlDeviceGet{function}", 3)
    readings = gpus.opened(extensions=True).read()
    assert not {"hw.power", "hw.energy", "hw.errors"} & {each.metric for each in readings}
    assert only(readings, "hw.gpu.memory.limit")
    assert only(readings, "otel_device_up") == {("nvml", GPU): 1}
