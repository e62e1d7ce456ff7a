"""What can only be seen in a process of its own: loading, missing libraries, laziness."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.collectors.nvml.fake import machine

ROOT = Path(__file__).resolve().parents[4]


def _run(code: str, library_path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if library_path is not None:
        environment["LD_LIBRARY_PATH"] = str(library_path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


_OPEN = """
from butterfly_otel.collectors.nvml import NvmlSource
from butterfly_otel.collectors.source import UnavailableError
try:
    NvmlSource().open()
except UnavailableError as error:
    print(error)
"""


def test_a_missing_library_is_a_sentence(tmp_path: Path) -> None:
    """Without the driver's library the source says so, whatever else is installed here."""
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    assert "libnvidia-ml.so.1) was not found" in _run(_OPEN, tmp_path)


def test_a_missing_package_is_a_sentence() -> None:
    """Without nvidia-ml-py the source says which package to install."""
    told = _run("import sys; sys.modules['pynvml'] = None" + _OPEN)
    assert "which nvidia-ml-py brings" in told


def test_pynvml_finds_the_library_itself(new_driver: Path) -> None:
    """The search of pynvml leads to the library, as on a machine with a driver."""
    told = _run(_OPEN, new_driver.parent)
    assert told == "NVML lists no GPU"


def test_importing_and_constructing_load_nothing() -> None:
    """The package pynvml is imported when the source is opened, not before."""
    code = (
        "import sys; from butterfly_otel.collectors.nvml import NvmlSource; NvmlSource();"
        "print('pynvml' in sys.modules)"
    )
    assert _run(code) == "False"


def test_the_fake_leaves_no_trace(new_driver: Path) -> None:
    """After a test the library is gone from the process, so that no other test finds it."""
    with machine(new_driver) as fake:
        fake.gpus(1)
        fake.opened().read()
        assert str(new_driver) in Path("/proc/self/maps").read_text(encoding="ascii")
    assert str(new_driver) not in Path("/proc/self/maps").read_text(encoding="ascii")
