"""Parts that need no library: multiprocessors, shares, settings."""

from __future__ import annotations

import pytest

from butterfly_otel.collectors.nvml import NvmlSource
from butterfly_otel.collectors.nvml.contract import share
from butterfly_otel.collectors.nvml.cores import per_sm, sm_count
from butterfly_otel.collectors.source import Source
from butterfly_otel.errors import ConfigurationError


@pytest.mark.parametrize(
    ("cores", "capability", "expected"),
    [
        (3584, (6, 0), 56),  # P100
        (5120, (7, 0), 80),  # V100
        (2560, (7, 5), 40),  # T4
        (6912, (8, 0), 108),  # A100
        (9216, (8, 6), 72),  # A10
        (18176, (8, 9), 142),  # L40S
        (16896, (9, 0), 132),  # H100 SXM
        (18944, (10, 0), 148),  # B200
        (21760, (12, 0), 170),  # RTX 5090
        (16896, (99, 0), None),
        (1000, (9, 0), None),
        (0, (9, 0), None),
    ],
)
def test_multiprocessors(cores: int, capability: tuple[int, int], expected: int | None) -> None:
    """Known GPUs have the multiprocessors of their data sheets, unknown ones None."""
    assert sm_count(cores, capability) == expected


@pytest.mark.parametrize(
    ("capability", "expected"), [((6, 1), 0), ((7, 0), 8), ((8, 0), 4), ((9, 0), 4)]
)
def test_tensor_cores(capability: tuple[int, int], expected: int) -> None:
    """Pascal has no tensor cores, Volta eight a multiprocessor, Ampere and Hopper four."""
    each = per_sm(capability)
    assert each is not None
    assert each.tensor_cores == expected


@pytest.mark.parametrize(
    ("percent", "slack", "expected"),
    [(0, 0, 0), (100, 0, 1), (101, 0, None), (100.5, 1, 1), (-1, 0, None)],
)
def test_shares(percent: float, slack: float, expected: float | None) -> None:
    """A share is between 0 and 1 or nothing."""
    assert share(percent, slack=slack) == expected


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"gpu_id": "name"}, r"gpu_id='name'\): use one of 'uuid', 'index', 'pci'"),
        ({"interval": 0}, r"interval=0\): give a number of seconds above 0"),
        ({"deadline": -1}, r"deadline=-1\)"),
        ({"rediscover": float("nan")}, r"rediscover=nan\)"),
        ({"processes": -1}, r"processes=-1\): give 0 or more"),
    ],
)
def test_wrong_settings(settings: dict[str, object], told: str) -> None:
    """A setting that makes no sense is said at once, with what would."""
    with pytest.raises(ConfigurationError, match=told):
        NvmlSource(**settings)  # type: ignore[arg-type]


def test_it_is_a_source() -> None:
    """What the sampler needs of a source is there before anything is opened."""
    source: Source = NvmlSource(interval=2, deadline=4)
    assert (source.name, source.interval, source.deadline) == ("nvml", 2, 4)
    source.close()
