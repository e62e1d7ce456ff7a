"""GPUs in MIG mode, whose memory and cores belong to their instances."""

from __future__ import annotations

from tests.unit.collectors.nvml.fake import (
    A100,
    GIB,
    H100,
    Machine,
    besides_health,
    only,
    table,
    up,
)

PARENT = "GPU-00000000"


def _two_instances(gpus: Machine, values: dict[str, int] = H100) -> None:
    gpus.gpus(1, values)
    gpus.mig(0, 0, gpu_instance=3, sms=60, total=40 * GIB, used=5 * GIB, serial=1)
    gpus.mig(0, 4, gpu_instance=7, sms=16, total=10 * GIB, used=2 * GIB, serial=2)


def test_memory_and_units_are_the_instances(gpus: Machine) -> None:
    """Instances report memory, utilisation and units, the GPU only its temperature."""
    _two_instances(gpus)
    gpus.gpm({1: 80.0, 2: 50.0, 5: 10.0})
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    first, second = "MIG-00000000-1", "MIG-00000000-2"
    assert table(besides_health(source.read())) == {
        ("gpu_temperature_celsius", PARENT): 60,
        ("otel_device_up", "nvml", PARENT): 1,
        ("gpu_memory_bytes", first, "used"): 5 * GIB,
        ("gpu_memory_bytes", first, "free"): 35 * GIB,
        ("gpu_utilization_ratio", first): 0.8,
        ("gpu_compute_unit_active", first, "sm"): 30,
        ("gpu_compute_unit_active", first, "tensor_core"): 24,
        ("otel_device_up", "nvml", first): 1,
        ("gpu_memory_bytes", second, "used"): 2 * GIB,
        ("gpu_memory_bytes", second, "free"): 8 * GIB,
        ("gpu_utilization_ratio", second): 0.8,
        ("gpu_compute_unit_active", second, "sm"): 8,
        ("gpu_compute_unit_active", second, "tensor_core"): 0.1 * 16 * 4,
        ("otel_device_up", "nvml", second): 1,
    }


def test_mig_before_hopper_has_memory_only(gpus: Machine) -> None:
    """On an A100 neither the driver nor GPM tells the utilisation of an instance."""
    _two_instances(gpus, A100)
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    readings = source.read()
    assert only(readings, "gpu_utilization_ratio") == {}
    assert len(only(readings, "gpu_memory_bytes")) == 4


def test_compute_instances_share_their_gpu_instance(gpus: Machine) -> None:
    """Two compute instances of one GPU instance count its memory once, and their cores."""
    gpus.gpus(1)
    gpus.mig(0, 0, gpu_instance=3, sms=20, serial=1)
    gpus.mig(0, 1, gpu_instance=3, sms=40, serial=2)
    gpus.gpm({2: 50.0})
    source = gpus.opened()
    source.read()
    gpus.advance(5)
    readings = source.read()
    assert set(only(readings, "gpu_memory_bytes")) == {
        ("MIG-00000000-1", "used"),
        ("MIG-00000000-1", "free"),
    }
    assert only(readings, "gpu_compute_unit_active")["MIG-00000000-1", "sm"] == 30


def test_a_destroyed_instance_ends_and_the_next_is_found(gpus: Machine) -> None:
    """A handle that died ends its series, sends the source looking, and is no lost GPU."""
    _two_instances(gpus)
    source = gpus.opened()
    source.read()
    gpus.remove_mig(0, 4)
    gpus.mig(0, 4, gpu_instance=7, serial=9)
    gpus.advance(5)
    assert set(up(source.read())) == {PARENT, "MIG-00000000-1"}
    gpus.advance(5)
    assert up(source.read()) == {PARENT: 1, "MIG-00000000-1": 1, "MIG-00000000-9": 1}
    assert gpus.live_samples == 4


def test_an_instance_that_refuses_its_handle_is_not_looked_for_for_ever(gpus: Machine) -> None:
    """Where the instance is still there, an invalid argument is only an error of that call."""
    _two_instances(gpus)
    source = gpus.opened()
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 2)
    for _ in range(6):
        gpus.advance(1)
        readings = source.read()
    assert gpus.calls("nvmlDeviceGetCount_v2") == 2
    assert only(readings, "gpu_memory_bytes") == {}
    assert only(readings, "gpu_utilization_ratio")


def test_mig_mode_can_be_toggled(gpus: Machine) -> None:
    """A GPU put into MIG mode becomes instances at the next discovery, and back."""
    gpus.gpus(1)
    source = gpus.opened()
    assert set(only(source.read(), "gpu_memory_bytes")) == {(PARENT, "used"), (PARENT, "free")}
    gpus.mig(0, 0, gpu_instance=1)
    gpus.advance(31)
    instance = "MIG-00000000-1"
    assert set(only(source.read(), "gpu_memory_bytes")) == {(instance, "used"), (instance, "free")}
    gpus.set(0, mig_mode=0)
    gpus.remove_mig(0, 0)
    gpus.advance(31)
    assert up(source.read()) == {PARENT: 1}


def test_a_lost_gpu_takes_its_instances_along(gpus: Machine) -> None:
    """When an instance says that the GPU is lost, only the GPU is left, as down."""
    _two_instances(gpus)
    source = gpus.opened()
    source.read()
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", 15)
    gpus.advance(5)
    assert up(source.read()) == {PARENT: 0}
