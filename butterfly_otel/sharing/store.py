"""The own snapshot: made one at a time, and written down before anybody sees it.

So whatever a scrape has shown survives the process, and no counter falls when it is killed.
"""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING

from butterfly_otel.process import forks
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.records import Record

if TYPE_CHECKING:
    from butterfly_otel.sharing.content import Content
    from butterfly_otel.sharing.directory import Directory
    from butterfly_otel.sharing.slots import Slot

_logger = logging.getLogger("butterfly_otel")


class Store:
    """Makes the snapshots of one member and stores them. Thread-safe.

    Args:
        directory: Where they are stored.
        slot: The member's place.
        content: What makes them.
    """

    def __init__(self, directory: Directory, slot: Slot, content: Content) -> None:
        self._directory = directory
        self._slot = slot
        self._content = content
        self._lock = forks.lock()
        self._numbers = count(1)
        self._newest = 0  # the number of the last snapshot that is stored
        self._stored: bytes | None = None
        self._last = b""
        self._file: tuple[int, int] | None = None
        self._failing = False
        self._closed = False

    @property
    def failing(self) -> bool:
        """Whether the last one could not be stored."""
        return self._failing

    def refresh(self) -> bytes:
        """Make a snapshot now, store it where it differs from the last one, and return it.

        Where it can't be made, the last one is returned, and where it can't be stored, it is
        returned all the same; each is logged once.
        """
        with self._lock:
            number = next(self._numbers)
            try:
                made = self._content.snapshot()
            except Exception as error:  # noqa: BLE001 - the others have something to say
                log_once("what this process has measured could not be collected", error=error)
                return self._last
            self._last = made
            self._save(made, number)
            return made

    def owns_file(self) -> bool:
        """Tell whether the file of the slot is the one that was stored last."""
        return self._file is not None and self._directory.identity(self._slot.data) == self._file

    def close(self) -> None:
        """Store nothing from now on."""
        with self._lock:
            self._closed = True

    def _save(self, body: bytes, number: int) -> None:
        if self._closed or body == self._stored:
            return
        temporary = f"{self._slot.number}.{number}.tmp"
        try:
            self._directory.write(temporary, Record(self._slot.member, body).packed())
            if self._newest > number:
                # A signal handler has stored a newer one meanwhile, in this very thread.
                self._directory.remove(temporary)
                return
            file = self._directory.identity(temporary)
            self._directory.rename(temporary, self._slot.data)
        except OSError as error:
            self._directory.remove(temporary)
            self._tell(error)
            return
        self._newest, self._stored, self._file = number, body, file
        if self._failing:
            self._failing = False
            _logger.info("What this process has measured is stored in %s again", self._where)

    def _tell(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            _logger.warning(
                "What this process has measured can't be stored in %s (%s): scrapes go on, but"
                " it is lost if the process is killed",
                self._where,
                error.strerror or error,
            )

    @property
    def _where(self) -> object:
        return self._directory.path
