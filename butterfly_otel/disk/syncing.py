"""Counting the disk's errors, and timing blocks that write until it has what they wrote."""

from __future__ import annotations

import errno
import functools
import inspect
import os
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

from butterfly_otel import metrics
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]

#: Operations whose writes are timed.
WriteOperation = Literal["checkpoint_write", "log_append"]

_Function = TypeVar("_Function", bound="Callable[..., Any]")

#: What says that the disk or its file system failed. Windows may have no EDQUOT.
DISK_ERRORS = frozenset(
    number
    for name in ("EIO", "ENOSPC", "EROFS", "EDQUOT")
    if (number := getattr(errno, name, None)) is not None
)
#: Set on an exception that has been counted.
_COUNTED = "_butterfly_otel_counted"


class Syncable(Protocol):
    """An open file."""

    def flush(self) -> object:
        """Hand what is buffered to the operating system."""
        ...

    def fileno(self) -> int:
        """Return the file descriptor."""
        ...


class count_io_errors:  # noqa: N801 - used as a function: a context manager and a decorator
    """Count the disk's errors in a block, or in every call of a decorated function or coroutine.

    Stateless: one may be used any number of times, at once and within itself.

    Args:
        operation: What fails when it fails: ``read`` or ``write``.
    """

    __slots__ = ("_operation",)

    def __init__(self, operation: Literal["read", "write"]) -> None:
        self._operation: Literal["read", "write"] = operation

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, OSError) and exc.errno in DISK_ERRORS and not hasattr(exc, _COUNTED):
            setattr(exc, _COUNTED, True)
            metrics.disk_io_errors_total.add(1, operation=self._operation)

    def __call__(self, function: _Function) -> _Function:
        """Decorate ``function``, which may also be a generator.

        Raises:
            ConfigurationError: When it is an asynchronous generator.
        """
        if inspect.isasyncgenfunction(function):
            msg = (
                "count_io_errors can't decorate the asynchronous generator"
                f" {function.__qualname__}; use it within, as a context manager"
            )
            raise ConfigurationError(msg)
        if inspect.isgeneratorfunction(function):
            generate = cast("Callable[..., Generator[Any, Any, Any]]", function)

            @functools.wraps(function)
            def counted_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
                with self:
                    return (yield from generate(*args, **kwargs))

            return cast("_Function", counted_generator)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def counted_coroutine(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                with self:
                    return await function(*args, **kwargs)

            return cast("_Function", counted_coroutine)

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with self:
                return function(*args, **kwargs)

        return cast("_Function", counted)


def sync(file: Syncable | int) -> None:
    """Flush an open file (or take a descriptor) and return when the disk has its contents.

    Raises:
        OSError: As ``flush`` and ``os.fsync`` do.
    """
    if isinstance(file, int):
        os.fsync(file)
        return
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: PathLike) -> None:
    """Return when the disk has the entries of a directory: what was created or renamed in it.

    Does nothing on Windows, which has no such call.

    Raises:
        OSError: As ``os.open`` and ``os.fsync`` do.
    """
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class timed_write:  # noqa: N801 - used as a function: a context manager
    """Time a block that writes, from its start until what it wrote is on the disk.

    At the end of the block every one of ``files`` is flushed and synced, and then the time is
    recorded. When the block or the syncing raises, nothing is recorded; see the module for
    what is counted. Make one a block.

    Args:
        operation: ``checkpoint_write`` or ``log_append``.
        files: Open files or descriptors that the block writes to. Those that the block itself
            closes need :func:`sync` before, and what it renames :func:`sync_directory` after.

    Raises:
        OSError: As ``flush`` and ``os.fsync`` do, and whatever the block raises.
    """

    # No decorator: of a coroutine or a generator it would time how long it takes to make one.
    __slots__ = ("_files", "_operation", "_start")

    def __init__(self, operation: WriteOperation, *files: Syncable | int) -> None:
        self._operation: WriteOperation = operation
        self._files = files
        self._start = 0.0

    def __enter__(self) -> None:
        self._start = timing.perf_counter()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        counting = count_io_errors("write")
        if exc_type is not None:
            counting.__exit__(exc_type, exc, traceback)
            return
        with counting:
            for file in self._files:
                sync(file)
        seconds = timing.perf_counter() - self._start
        metrics.disk_write_duration_seconds.record(seconds, operation=self._operation)
