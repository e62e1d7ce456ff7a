"""The listening sockets of a group: bound once, then handed from member to member."""

from __future__ import annotations

import errno
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.exporters.prometheus.serving.listen import listen
from butterfly_otel.process import sockets, threads
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.handover import ask_for_listeners, close_all
from butterfly_otel.sharing.sweep import is_served_by_another

if TYPE_CHECKING:
    import socket

    from butterfly_otel.sharing.directory import Directory
    from butterfly_otel.sharing.place import Place

#: Seconds in which a member that was killed is rid of its sockets, at the latest.
_GOING: Final = 0.5
_PAUSE: Final = 0.02


class Port:
    """This process' duplicates of the group's listening sockets. Used by one thread at a time.

    Attributes:
        listeners: They; empty where there are none yet, or nothing is served.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.listeners: tuple[socket.socket, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether there should be sockets, and are none."""
        return self._place.address is not None and not self.listeners

    def fetch(self, directory: Directory, own: int, deadline: float) -> None:
        """Get duplicates from another member that has them, if there is one."""
        if self.is_missing:
            with suppress(OSError):
                self.listeners = tuple(ask_for_listeners(directory, own, deadline))

    def bind(self, directory: Directory, own: int) -> None:
        """Get the sockets from another member, else open them; for who leads.

        Where another group of this user serves there, there are none for now, told once.

        Raises:
            OSError: As ``listen`` does: when the port is somebody else's, or none.
        """
        until = monotonic() + _GOING
        while self.is_missing and self._place.address is not None:
            self.fetch(directory, own, until)
            if self.listeners:
                return
            try:
                self.listeners = tuple(listen(*self._place.address))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                if is_served_by_another(self._place):
                    self._tell()
                    return
                # A member that dies gives up its locks before its sockets.
                if monotonic() > until:
                    raise
                threads.sleep(_PAUSE)

    def duplicates(self) -> list[socket.socket]:
        """Return sockets for a server, which it may close."""
        return [sockets.duplicate(each) for each in self.listeners]

    def close(self) -> None:
        """Close them; the queue is there until the last member has done so."""
        listeners, self.listeners = self.listeners, ()
        close_all(listeners)

    def _tell(self) -> None:
        log_once(
            "the Prometheus endpoint is still served by another group of processes of this"
            " application, such as those of the release before; this one takes over when they end"
        )
