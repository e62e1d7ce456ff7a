"""The script that compares our readings with nvidia-smi's, on a real GPU and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = ROOT / "scripts" / "check_gpu.py"

#: What nvidia-smi says of the GPU that the fake library has, in the order of the query.
AGREES = "GPU-00000000, [N/A], 40, 20480, 60416, 60, 81920, 30, 350.50, 7, 0"


def _check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, "--all"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _with_answer(answer: str, folder: Path, library: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with the fake library and an nvidia-smi that gives this answer."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return _check(PATH=path, LD_LIBRARY_PATH=str(library.parent), FAKE_NVML_GPUS="1")


def test_it_agrees_with_the_nvidia_smi_of_this_machine() -> None:
    """On a real GPU every reading agrees with nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("there is no nvidia-smi here")
    done = _check()
    assert done.returncode == 0, done.stdout + done.stderr


def test_agreement_is_seen(tmp_path: Path, new_driver: Path) -> None:
    """Where both sides say the same the script succeeds and prints each comparison."""
    done = _with_answer(AGREES, tmp_path, new_driver)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("agrees") == 9
    assert "butterfly_gpu_compute_unit_active" in done.stdout


@pytest.mark.parametrize(
    ("old", "new"), [("60416", "60000"), ("60, 8", "66, 8"), ("350.50", "200"), ("7, 0", "7, 1")]
)
def test_a_difference_is_seen(tmp_path: Path, new_driver: Path, old: str, new: str) -> None:
    """Any value beyond its tolerance fails the script."""
    done = _with_answer(AGREES.replace(old, new), tmp_path, new_driver)
    assert done.returncode == 1
    assert done.stdout.count("DIFFERS") == 1


def test_a_gpu_that_we_miss_is_seen(tmp_path: Path, new_driver: Path) -> None:
    """A GPU that only nvidia-smi knows fails the script."""
    done = _with_answer(AGREES.replace("GPU-0", "GPU-1"), tmp_path, new_driver)
    assert done.returncode == 1
    assert done.stdout.count("MISSING") == 9


def test_in_mig_mode_the_gpu_is_not_asked_for_what_its_instances_have(
    tmp_path: Path, new_driver: Path
) -> None:
    """Of a GPU in MIG mode only temperature, power and errors are compared."""
    done = _with_answer(AGREES.replace("[N/A]", "Enabled"), tmp_path, new_driver)
    assert done.returncode == 0
    assert done.stdout.count("agrees") == 4


def test_without_nvidia_smi_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """A machine without nvidia-smi is told apart from one where the answers differ."""
    done = _check(PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "nvidia-smi is not on PATH\n")
