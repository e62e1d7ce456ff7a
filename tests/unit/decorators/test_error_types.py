"""From exceptions to error types."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import socket
import ssl
import sys
from typing import Any

import pytest

from butterfly_otel import ERROR_TYPES, ConfigurationError, ErrorTypes
from butterfly_otel.process import contain


def class_of(name: str, *bases: type[BaseException]) -> type[BaseException]:
    """Return a class as a library that is not installed here would have it."""
    module, _, qualname = name.rpartition(".")
    return type(qualname, bases or (Exception,), {"__module__": module, "__qualname__": qualname})


class Declared(Exception):  # noqa: N818 - says its own type
    """Says its own type."""

    butterfly_error_type = "byzantine_fault"


class Derived(Declared):
    """Inherits its type."""


class RpcError(Exception):
    """What gRPC raises."""

    __module__ = "grpc"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def code(self) -> Any:
        return type("StatusCode", (), {"name": self.name})


RpcError.__qualname__ = "RpcError"

DEFAULTS: list[tuple[BaseException, str]] = [
    (TimeoutError(), "timeout"),
    (asyncio.TimeoutError(), "timeout"),
    (concurrent.futures.TimeoutError(), "timeout"),
    (OSError(errno.ETIMEDOUT, ""), "timeout"),
    (class_of("httpx.ReadTimeout", class_of("httpx.TimeoutException"))(), "timeout"),
    (RpcError("DEADLINE_EXCEEDED"), "timeout"),
    (MemoryError(), "oom"),
    (class_of("torch.OutOfMemoryError", RuntimeError)("CUDA out of memory."), "oom"),
    (class_of("torch.cuda.OutOfMemoryError", RuntimeError)(), "oom"),
    (class_of("torch.AcceleratorError", RuntimeError)("CUDA error: out of memory"), "oom"),
    (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "oom"),
    (RuntimeError("HIP out of memory. Tried to allocate"), "oom"),
    (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), "oom"),
    (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"), "oom"),
    (ConnectionRefusedError(), "network_error"),
    (BrokenPipeError(), "network_error"),
    (OSError(), "network_error"),
    (OSError(errno.EHOSTUNREACH, ""), "network_error"),
    (socket.gaierror(), "network_error"),
    (ssl.SSLError(), "network_error"),
    (EOFError(), "network_error"),
    (asyncio.IncompleteReadError(b"", 1), "network_error"),
    (RpcError("UNAVAILABLE"), "network_error"),
    (FileNotFoundError(), "io_error"),
    (PermissionError(), "io_error"),
    (OSError(errno.ENOSPC, ""), "io_error"),
    (asyncio.CancelledError(), "cancelled"),
    (concurrent.futures.CancelledError(), "cancelled"),
    (GeneratorExit(), "cancelled"),
    (RpcError("CANCELLED"), "cancelled"),
    (KeyboardInterrupt(), "interrupted"),
    (SystemExit(), "interrupted"),
    (RpcError("NOT_FOUND"), "grpc_not_found"),
    (ValueError(), "value_error"),
    (RuntimeError("broken"), "runtime_error"),
    (NotImplementedError(), "not_implemented_error"),
    (class_of("app.HTTPStatusError")(), "http_status_error"),
    (Declared(), "byzantine_fault"),
    (Derived(), "byzantine_fault"),
]


@pytest.mark.parametrize(
    ("error", "kind"), DEFAULTS, ids=lambda each: each if isinstance(each, str) else repr(each)
)
def test_the_defaults(error: BaseException, kind: str) -> None:
    """What the standard library, PyTorch and gRPC raise has the type an operator expects."""
    assert ERROR_TYPES.classify(error) == kind


def test_the_most_derived_class_decides() -> None:
    """An entry speaks for subclasses without one; a class's own word is as good as an entry."""
    types = ERROR_TYPES | {Exception: "unknown", ConnectionError: "peer"}
    assert types.classify(ValueError()) == "unknown"
    assert types.classify(BrokenPipeError()) == "peer"
    assert types.classify(TimeoutError()) == "timeout"
    assert types.classify(Derived()) == "byzantine_fault"
    assert (types | {Derived: "own"}).classify(Derived()) == "own"
    assert (types | {Declared: None}).classify(Derived()) is None
    assert (types | {f"{__name__}.Declared": "named"}).classify(Declared()) == "named"


def test_extending_changes_nothing_else() -> None:
    """The defaults are a value: what extends them is another one."""
    more = ERROR_TYPES | {ValueError: "bad_input"}
    assert more.classify(ValueError()) == "bad_input"
    assert ERROR_TYPES.classify(ValueError()) == "value_error"
    assert ErrorTypes({}).classify(TimeoutError()) == "timeout_error"


def test_a_function_decides_and_never_raises(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it fails, that is logged once and the class's name is used."""
    monkeypatch.setattr(contain, "_logged", set())
    types = ERROR_TYPES | {ValueError: lambda error: f"value_{error}", KeyError: lambda _: 1 / 0}
    assert types.classify(ValueError(3)) == "value_3"
    assert types.classify(KeyError()) == types.classify(KeyError()) == "key_error"
    assert "division" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_a_group_is_its_first_leaf() -> None:
    """However deep, and whatever a catch-all says; an entry for the group itself goes before."""
    group_of: Any = BaseExceptionGroup  # noqa: F821 - Python 3.11
    group = group_of("outer", [group_of("inner", [TimeoutError(), ValueError()]), MemoryError()])
    types = ERROR_TYPES | {Exception: "unknown"}
    assert types.classify(group) == "timeout"
    assert (types | {"builtins.ExceptionGroup": "several"}).classify(group) == "several"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups came with Python 3.11")
def test_what_a_task_group_raises_is_its_first_failure() -> None:
    """The cancelled siblings are not what went wrong."""

    async def fail() -> None:
        raise ConnectionError

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            group.create_task(fail())

    with pytest.raises(BaseException, match="TaskGroup") as caught:
        asyncio.run(main())
    assert ERROR_TYPES.classify(caught.value) == "network_error"


@pytest.mark.parametrize(
    "entries",
    [{"NoModule": "x"}, {int: "x"}, {ValueError: ""}, {ValueError: 3}, {3: "x"}, [ValueError]],
)
def test_a_malformed_entry_is_refused(entries: Any) -> None:
    """Where it is written, not when the first exception comes."""
    with pytest.raises(ConfigurationError, match="error types"):
        ERROR_TYPES | entries
