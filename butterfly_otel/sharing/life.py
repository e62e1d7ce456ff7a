"""What a process has of its group between joining and leaving, or forking."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.process import threads
from butterfly_otel.sharing.leader import Leader
from butterfly_otel.sharing.membership import enter
from butterfly_otel.sharing.slots import TOUCH_INTERVAL

if TYPE_CHECKING:
    from butterfly_otel.sharing.content import Content
    from butterfly_otel.sharing.leader import OnLead, OnYield
    from butterfly_otel.sharing.membership import Membership
    from butterfly_otel.sharing.place import Place
    from butterfly_otel.sharing.port import Port

#: Seconds between two looks at whether the leader lives.
INTERVAL: Final = 0.25
#: Such looks between two times at which what has changed is stored: well under a second.
STORING: Final = 3
_TOUCHING: Final = int(TOUCH_INTERVAL / INTERVAL)
#: Seconds in which the others hand over their sockets.
_FETCHING: Final = 0.5


class Life:
    """A membership with all that goes with it. Its methods are for one thread at a time.

    Attributes:
        membership: The slot, the snapshots, and the others.
        leader: Whether this process leads.
        stop: Set when it is over.
    """

    def __init__(self, membership: Membership, leader: Leader, port: Port) -> None:
        self.membership = membership
        self.leader = leader
        self.stop = threads.Event()
        self._port = port

    def fetch(self) -> None:
        """Get the listening sockets from another member, where this one has none."""
        if not self.leader.leading:
            membership = self.membership
            self._port.fetch(membership.directory, membership.slot.number, monotonic() + _FETCHING)

    def look(self, looks: int) -> bool:
        """Do what the time has come for; False where the files are not there any more.

        Args:
            looks: How often this was done.
        """
        self.leader.look()
        if looks % STORING == 0:
            if not self.membership.is_current():
                return False
            self.fetch()
        if looks % _TOUCHING == 0:
            self.membership.touch()
        return True

    def leave(self, timeout: float) -> None:
        """Leave the group, within so many seconds; only once."""
        self.membership.leave(timeout)
        self.leader.close()

    def withdraw(self) -> None:
        """Give up what somebody has removed the files of; only once."""
        self.stop.set()
        self.leader.give_up()
        self.membership.withdraw()
        self.leader.close()

    def abandon(self) -> None:
        """Let go, in a forked child, of what is its parent's."""
        self.stop = threads.Event()
        self.membership.abandon()
        self.leader.close()


def begin(
    place: Place,
    content: Content,
    port: Port,
    on_lead: OnLead,
    on_yield: OnYield,
    patience: float,
) -> Life:
    """Become a member; who leads is settled later.

    Raises:
        OSError: When that can't be done.
    """
    membership = enter(place, content, port, monotonic() + patience)
    try:
        leader = Leader(membership.directory, membership.slot, port, on_lead, on_yield)
    except BaseException:
        membership.leave(_FETCHING)
        raise
    return Life(membership, leader, port)


def threads_are_greenlets() -> bool:
    """Tell whether gevent has replaced threads, of which a forked child then has copies."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
