"""Files whose contents are on the disk once they are closed."""

from __future__ import annotations

import io
import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, overload

from butterfly_otel import metrics
from butterfly_otel.disk.syncing import count_io_errors, sync_directory
from butterfly_otel.process import timing

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer

    from butterfly_otel.disk.syncing import PathLike, WriteOperation


class _DurableRaw(io.FileIO):
    """A file that times what it asks of the operating system, and syncs when it is closed.

    It is below the buffer, so every system call is timed and each that fails is counted once.
    """

    def __init__(self, path: PathLike, mode: str, operation: WriteOperation) -> None:
        self._operation: WriteOperation = operation
        self._whole = True
        self._failing = False
        start = timing.perf_counter()
        with count_io_errors("write"):
            name = os.fsdecode(path)
            # A new file is only as durable as its entry in the directory (fsync(2)).
            self._directory = None if os.path.lexists(name) else Path(name).absolute().parent
            super().__init__(name, mode)  # pyright: ignore[reportArgumentType]
        self._seconds = timing.perf_counter() - start

    def write(self, data: Buffer, /) -> int:
        """Write once, timed; what the buffer tries again is one error until it succeeds."""
        start = timing.perf_counter()
        try:
            with nullcontext() if self._failing else count_io_errors("write"):
                written = super().write(data)
        except BaseException:
            self._failing = True
            raise
        finally:
            self._seconds += timing.perf_counter() - start
        self._failing = False
        return written

    def abandon(self) -> None:
        """Neither sync nor record at the end: what is being written is not whole."""
        self._whole = False

    def close(self) -> None:
        """Sync, close and record; only close what is not whole."""
        if self.closed:
            return
        start = timing.perf_counter()
        good = self._whole and not self._failing
        with count_io_errors("write"):
            try:
                if good:
                    self._sync()
            finally:
                super().close()
        if good:
            seconds = self._seconds + timing.perf_counter() - start
            metrics.disk_write_duration_seconds.record(seconds, operation=self._operation)

    def _sync(self) -> None:
        os.fsync(self.fileno())
        if self._directory is not None:
            sync_directory(self._directory)


class _Abandonable:
    """What both kinds of files do where what they are given is not whole."""

    _durable: _DurableRaw

    def abandon(self) -> None:
        """Neither sync nor record when it is closed: what is being written is not whole.

        A ``with`` block that raises does this.
        """
        self._durable.abandon()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            self.abandon()
        cast("io.IOBase", super()).__exit__(exc_type, exc, traceback)


class DurableFile(_Abandonable, io.BufferedWriter):
    """A binary file whose contents are on the disk once it is closed; from :func:`open_durable`."""

    def __init__(self, raw: _DurableRaw) -> None:
        super().__init__(raw)
        self._durable = raw


class DurableTextFile(_Abandonable, io.TextIOWrapper):
    """A text file whose contents are on the disk once it is closed; from :func:`open_durable`."""

    def __init__(
        self,
        raw: _DurableRaw,
        binary: DurableFile,
        encoding: str | None,
        errors: str | None,
        newline: str | None,
    ) -> None:
        super().__init__(binary, encoding=encoding, errors=errors, newline=newline)
        self._durable = raw


@overload
def open_durable(
    path: PathLike, mode: Literal["wb", "ab", "xb"] = "wb", *, operation: WriteOperation
) -> DurableFile: ...


@overload
def open_durable(
    path: PathLike,
    mode: Literal["w", "a", "x"],
    *,
    operation: WriteOperation,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> DurableTextFile: ...


def open_durable(
    path: PathLike,
    mode: str = "wb",
    *,
    operation: WriteOperation,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> DurableFile | DurableTextFile:
    """Open a file for writing, as ``open`` does, whose contents are on the disk once it is closed.

    ``close()``, which the end of a ``with`` block calls, flushes, syncs the file and, if it is new,
    the directory, and then records how long the file was at work: in opening, writing,
    flushing, syncing and closing, not what the program did in between. Where the last write or
    the sync failed, or the ``with`` block raised, nothing is recorded and the file is only closed.

    Code that writes to the descriptor past the file (``numpy.ndarray.tofile``) is synced with
    the rest, but that writing is neither timed nor counted: put it in ``timed_write``.

    Args:
        path: File to write; unlike ``open``, no descriptor.
        mode: ``w``, ``a`` or ``x``, with ``b`` for bytes.
        operation: ``checkpoint_write`` or ``log_append``.
        encoding: As ``open`` takes it, for text.
        errors: Likewise.
        newline: Likewise.

    Raises:
        ValueError: When the mode is none of these.
        OSError: As ``open``, ``write``, ``flush``, ``os.fsync`` and ``close`` do.
    """
    if mode not in _MODES:
        raise ValueError(f"the mode is {mode!r}; open_durable() takes {', '.join(_MODES)}")
    raw = _DurableRaw(path, mode[0], operation)
    binary = DurableFile(raw)
    if mode.endswith("b"):
        return binary
    try:
        return DurableTextFile(raw, binary, encoding, errors, newline)
    except BaseException:  # an unknown encoding
        binary.abandon()
        binary.close()
        raise


_MODES = ("wb", "ab", "xb", "w", "a", "x")
