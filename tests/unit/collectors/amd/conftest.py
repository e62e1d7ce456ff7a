"""Fixtures: the fake AMD SMI, compiled once a run and loaded by the real package `amdsmi`."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from butterfly_otel.collectors.amd import AmdSource
from tests.unit.collectors.nvml.conftest import compiled

SOURCE = Path(__file__).with_name("fake_amd_smi.c")


class Machine:
    """The fake's state, its clock, and the sources that read it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._sources: list[AmdSource] = []
        self.now = 1000.0

    def gpus(self, count: int) -> None:
        """Have that many GPUs, as good as new."""
        self._library.fake_reset(count)

    def count(self, count: int) -> None:
        """Have AMD SMI list that many GPUs."""
        self._library.fake_count(count)

    def fail(self, function: str, code: int, *, gpu: int = -1) -> None:
        """Have a function fail, until `recover`."""
        self._library.fake_fail(function.encode(), gpu, code)

    def recover(self) -> None:
        self._library.fake_recover()

    def activity(self, gpu: int, percent: int) -> None:
        self._library.fake_set_activity(gpu, percent)

    def source(self, **settings: object) -> AmdSource:
        """Return a source that is closed at the end."""
        source = AmdSource(**settings, clock=lambda: self.now)  # type: ignore[arg-type]
        self._sources.append(source)
        return source

    def opened(self, **settings: object) -> AmdSource:
        source = self.source(**settings)
        source.open()
        return source

    def end(self) -> None:
        """Close everything, and show that AMD SMI's rules were kept."""
        self.recover()
        for source in self._sources:
            source.close()
        assert self._library.fake_violations() == 0
        assert self._library.fake_initialized() == 0


def forget() -> None:
    """Have the package imported anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "amdsmi"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def rocm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fake library where ROCm has it."""
    spec = find_spec("amdsmi")
    if spec is None or spec.origin is None:
        pytest.skip("amdsmi is not installed; pip install amdsmi")
    wrapper = Path(spec.origin).with_name("amdsmi_wrapper.py").read_text(encoding="utf-8")
    code = SOURCE.read_text(encoding="utf-8")
    wanted = set(re.findall(r"_libraries\['libamd_smi.so'\]\.(\w+)", wrapper))
    rest = sorted(name for name in wanted if f" {name}(" not in code)
    folder = tmp_path_factory.mktemp("rocm")
    (folder / "lib").mkdir()
    whole = folder / "fake.c"
    stubs = "".join(f"status {name}(void) {{ return NOT_SUPPORTED; }}\n" for name in rest)
    whole.write_text(code + stubs, encoding="utf-8")
    compiled(whole, folder / "lib" / "libamd_smi.so")
    return folder


@pytest.fixture
def gpus(rocm: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with the fake library, and no GPU yet."""
    monkeypatch.delenv("ROCM_HOME", raising=False)
    monkeypatch.setenv("ROCM_PATH", str(rocm))
    forget()
    machine = Machine(ctypes.CDLL(str(rocm / "lib" / "libamd_smi.so")))
    machine.gpus(0)
    yield machine
    machine.end()
    forget()
