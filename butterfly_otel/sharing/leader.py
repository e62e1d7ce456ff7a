"""One member leads: it accepts the connections, and does what is done once for all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.locks import RecordLock

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from butterfly_otel.sharing.directory import Directory
    from butterfly_otel.sharing.port import Port
    from butterfly_otel.sharing.slots import Slot

    OnLead = Callable[[list[socket.socket] | None], None]
    OnYield = Callable[[], None]

_logger = logging.getLogger("butterfly_otel")


class Leader:
    """Tries to lead, and leads; used by one thread at a time.

    Args:
        directory: The group's.
        slot: The member's place.
        port: The sockets it serves when it leads.
        on_lead: Called when it begins to lead, and again when there are sockets at last.
        on_yield: Called before it gives that up.
    """

    def __init__(
        self, directory: Directory, slot: Slot, port: Port, on_lead: OnLead, on_yield: OnYield
    ) -> None:
        self._directory = directory
        self._slot = slot
        self._port = port
        self._on_lead = on_lead
        self._on_yield = on_yield
        self._lock = RecordLock(directory, "leader.lock")
        self.leading = False

    def stand(self, *, strict: bool = False) -> None:
        """Lead from now on, if nobody does.

        Args:
            strict: Whether not to lead where the port can't be had; else that is logged once.

        Raises:
            OSError: When the port can't be had.
            Exception: What ``on_lead`` raises.
        """
        if self.leading or not self._lock.take():
            return
        self.leading = True
        self._lock.note(f"{self._slot.number} {self._slot.member}")
        try:
            self._port.bind(self._directory, self._slot.number)
        except OSError as error:
            if strict:
                self.leading = False
                self._lock.drop()
                raise
            _tell(error)
        self._begin()

    def look(self) -> None:
        """Do what the time has come for: lead, or serve where a port has become free."""
        try:
            if not self.leading:
                self.stand()
            elif self._port.is_missing:
                self._port.bind(self._directory, self._slot.number)
                if not self._port.is_missing:
                    self._begin()
        except OSError as error:
            _tell(error)
        except Exception as error:  # noqa: BLE001 - the rest goes on
            log_once("the process that leads its group could not do so", error=error)

    def give_up(self) -> None:
        """Lead no more, if it did."""
        if self.leading:
            try:
                self._on_yield()
            except Exception:
                _logger.exception("The process that led its group did not end that well")
            self.leading = False
            self._lock.drop()

    def close(self) -> None:
        """Give the lock back and close its file; only once."""
        self.leading = False
        self._lock.close()

    def _begin(self) -> None:
        self._on_lead(self._port.duplicates() if self._port.listeners else None)


def _tell(error: OSError) -> None:
    log_once(f"the Prometheus endpoint can't be opened: {error.strerror or error}")
