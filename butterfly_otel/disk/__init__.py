"""Writes timed until they are on the disk, and the disk's errors counted.

::

    from butterfly_otel import disk

    with disk.open_durable(path, "wb", operation="checkpoint_write") as file:
        pickle.dump(state, file)

    with disk.timed_write("log_append", log):  # log is an open file
        log.write(entry)

    with disk.count_io_errors("read"):  # or @disk.count_io_errors("read")
        state = path.read_bytes()

``butterfly_disk_write_duration_seconds{operation}`` has the seconds of each write that succeeded,
the ``fsync`` included: only then is it on the disk. A write that failed has no duration.
``butterfly_disk_io_errors_total{operation="read"|"write"}`` counts each ``OSError`` whose
``errno`` is ``EIO``, ``ENOSPC``, ``EROFS`` or ``EDQUOT``: the disk or its file system failed, not
the program that asked for a file that is not there. An exception is counted once, by the
innermost of these helpers that it passes, and always goes on to the caller.

Everything here may be used by several threads at once, except that a file belongs to one thread
at a time, as any file does. Nothing here is for an event loop: ``fsync`` blocks for as long as
the disk takes. In a coroutine, run the writing function in a thread
(``await asyncio.to_thread(save, state)``). Before ``configure()`` files are synced all the same and
nothing is measured.
"""

# For whoever changes this room: `files` has durable files, `syncing` timed blocks and the count
# of errors. It may import `metrics`, `process` and `errors`.

from __future__ import annotations

from butterfly_otel.disk.files import DurableFile, DurableTextFile, open_durable
from butterfly_otel.disk.syncing import count_io_errors, sync, sync_directory, timed_write

__all__ = [
    "DurableFile",
    "DurableTextFile",
    "count_io_errors",
    "open_durable",
    "sync",
    "sync_directory",
    "timed_write",
]
