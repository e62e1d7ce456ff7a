"""A group of processes that speak with one voice: whoever is asked tells of all."""

from __future__ import annotations

import _thread
import logging
import sys
import threading
import time
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.process import forks
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.content import Gathered
from butterfly_otel.sharing.leader import Leader
from butterfly_otel.sharing.membership import enter
from butterfly_otel.sharing.port import Port
from butterfly_otel.sharing.slots import TOUCH_INTERVAL
from butterfly_otel.sharing.sweep import sweep

if TYPE_CHECKING:
    import socket

    from typing_extensions import Self

    from butterfly_otel.sharing.content import Content
    from butterfly_otel.sharing.leader import OnLead, OnYield
    from butterfly_otel.sharing.membership import Membership
    from butterfly_otel.sharing.place import Place

_logger = logging.getLogger("butterfly_otel")
#: Seconds between two looks at whether the leader lives.
INTERVAL: Final = 0.25
#: Such looks between two times at which what has changed is stored: well under a second.
_STORING: Final = 3
_TOUCHING: Final = int(TOUCH_INTERVAL / INTERVAL)
#: Seconds that joining may wait for others; less in a fork, which the application waits for.
_JOINING: Final = 10.0
_JOINING_IN_CHILD: Final = 1.0
_FETCHING: Final = 0.5
#: Seconds that giving the slot back gets, whatever came before it.
_LEAVING: Final = 0.1
#: Seconds between two attempts to join.
_PAUSE: Final = 1.0
#: Seconds for which a scrape waits for the others after somebody has removed the directory.
_RETURNING: Final = 2.0


class _Life:
    """What a process has of its group between joining and leaving, or forking."""

    def __init__(self, membership: Membership, leader: Leader) -> None:
        self.membership = membership
        self.leader = leader
        self.stop = threading.Event()


class Group:
    """This process' part in a group; made by :meth:`join`. Thread-safe.

    A forked child joins by itself, as a member of its own: make the group after whatever has to
    be renewed in a child before it measures.
    """

    def __init__(self, place: Place, content: Content, on_lead: OnLead, on_yield: OnYield) -> None:
        self._place = place
        self._content = content
        self._on_lead = on_lead
        self._on_yield = on_yield
        self._port = Port(place)
        self._changing = forks.lock()
        self._life: _Life | None = None
        self._left = False
        self._known = 1  # members that were there when it was asked last

    @classmethod
    def join(
        cls,
        place: Place,
        content: Content,
        on_lead: OnLead = lambda _listeners: None,
        on_yield: OnYield = lambda: None,
    ) -> Self:
        """Join the group that has a place.

        Args:
            place: Where its files are, and where it serves.
            content: What this process has to say.
            on_lead: Called when this process begins to lead, with listening sockets that are to
                be served and closed by who is called; with None where nothing is served, or not
                yet: it is called again when the port is free. On this thread or another one.
            on_yield: Called before it leads no more; it must have stopped accepting when it
                returns. Not in a forked child, which does not lead whatever its parent did.

        Raises:
            OSError: When the port is somebody else's, or none, or nothing can be written.
        """
        group = cls(place, content, on_lead, on_yield)
        group._begin(_JOINING, strict=True)
        forks.call_in_child(group._after_fork)
        return group

    @property
    def name(self) -> str:
        """The group's name, the same in all its members."""
        return self._place.key

    @property
    def slot(self) -> int | None:
        """The number of this member: the lowest that was free; None where it is none now."""
        life = self._life
        return None if life is None else life.membership.slot.number

    @property
    def leading(self) -> bool:
        """Whether this process leads."""
        life = self._life
        return life is not None and life.leader.leading

    @property
    def listeners(self) -> tuple[socket.socket, ...]:
        """The listening sockets that the group shares; empty where there are none yet."""
        return self._port.listeners

    def gather(self, deadline: float) -> Gathered:
        """Return what all members have to say, as of now.

        Args:
            deadline: Until when, by the monotonic clock, the others may answer.

        Raises:
            RuntimeError: When this process has left: what it could show would be less than before.
        """
        life = self._life
        if life is None and self._left:
            raise RuntimeError("this process is no longer one of its node's")
        try:
            if life is not None and not life.membership.is_current():
                life = self._come_back(life, deadline)
            if life is not None:
                gathered = life.membership.gather(deadline)
                self._known = len(gathered.members)
                return gathered
        except OSError as error:
            log_once("what the other processes have measured can't be read", error=error)
        return self._alone(life)

    def store_now(self) -> bool:
        """Store what was measured until now; return whether that was possible.

        From then on the process may end in any way and nothing of it is lost.
        """
        life = self._life
        if life is None:
            return False
        life.membership.store.refresh()
        return not life.membership.store.failing

    def stand(self) -> None:
        """Lead from now on, unless another member does."""
        with self._changing:
            if self._life is not None:
                self._life.leader.look()

    def leave(self, timeout: float = 2.0) -> None:
        """Leave: what was measured stays in the totals. Harmless when done twice.

        Args:
            timeout: Seconds that it may wait for others.
        """
        deadline = monotonic() + timeout
        # Whoever has it may himself wait for who calls this, such as in `on_lead`.
        if not self._changing.acquire(timeout=timeout):
            self.store_now()
            return
        try:
            if self._left:
                return
            self._left = True
            life = self._life
            if life is not None:
                life.stop.set()
                # While it is a member: scrapes that are going on have the totals of all.
                life.leader.give_up()
                self._life = None
                life.membership.leave(max(_LEAVING, deadline - monotonic()))
                life.leader.close()
            self._port.close()
        finally:
            self._changing.release()

    def _begin(self, patience: float, *, strict: bool = False) -> _Life | None:
        """Become a member, unless it is one."""
        with self._changing:
            if self._left or self._life is not None:
                return self._life
            deadline = monotonic() + patience
            membership = enter(self._place, self._content, self._port, deadline)
            try:
                leader = Leader(
                    membership.directory,
                    membership.slot,
                    self._port,
                    self._on_lead,
                    self._on_yield,
                )
                life = self._life = _Life(membership, leader)
                if strict:
                    # In a forked child the application waits, and this may take a while.
                    leader.stand(strict=True)
            except BaseException:
                self._left = strict
                self._life = None
                membership.leave(0.5)
                raise
            if not leader.leading:
                self._port.fetch(
                    membership.directory, membership.slot.number, monotonic() + _FETCHING
                )
            # Not a Thread, which waits until it runs: under gevent that would let the parent's
            # greenlets go on in a forked child.
            _thread.start_new_thread(self._keep, (life,))
            return life

    def _keep(self, life: _Life) -> None:
        """Do what has to be done from time to time, until the process leaves or forks."""
        looks = 0
        with suppress(OSError):
            sweep(self._place)
        while not life.stop.wait(INTERVAL):
            # Under gevent, a forked child has its parent's greenlets.
            if self._life is not life:
                return
            looks += 1
            try:
                self._look(life, looks)
            except Exception as error:  # noqa: BLE001 - the next look may do better
                log_once("a group of processes could not be looked after", error=error)

    def _look(self, life: _Life, looks: int) -> None:
        with self._changing:
            if self._life is not life:
                return
            life.leader.look()
            if looks % _STORING == 0:
                if not life.membership.is_current():
                    self._return(life)
                    return
                if not life.leader.leading:
                    self._port.fetch(
                        life.membership.directory, life.membership.slot.number, monotonic() + 1
                    )
            if looks % _TOUCHING == 0:
                life.membership.touch()
        if looks % _STORING == 0:
            life.membership.store.refresh()

    def _return(self, life: _Life) -> _Life | None:
        """Join again where somebody has removed the files; returns what there is then."""
        with self._changing:
            if self._life is not life:
                return self._life
            log_once(
                f"somebody has removed files of running processes in {self._place.home}; they are"
                " made again"
            )
            life.stop.set()
            life.leader.give_up()
            self._life = None
            life.membership.withdraw()
            life.leader.close()
            self._join_again()
            made = self._life
            if made is not None:
                made.membership.take_over(life.membership)
            return made

    def _come_back(self, life: _Life, deadline: float) -> _Life | None:
        """Join again for a scrape, and wait for the others to do so."""
        known = self._known
        made = self._return(life)
        until = min(deadline, monotonic() + _RETURNING)
        while made is not None and made.membership.count() < known and monotonic() < until:
            made.stop.wait(INTERVAL / 5)
        return made

    def _alone(self, life: _Life | None) -> Gathered:
        slot = 0 if life is None else life.membership.slot.number
        try:
            return Gathered(None, {slot: self._content.snapshot()})
        except Exception as error:  # noqa: BLE001 - there is nothing to tell then
            log_once("what this process has measured could not be collected", error=error)
            return Gathered(None, {})

    def _after_fork(self) -> None:
        """Let go of the parent's part in a child, and join with one of its own."""
        life, self._life = self._life, None
        if life is not None:
            life.stop = threading.Event()
            life.membership.abandon()
            life.leader.close()
        if self._left:
            self._port.close()
        elif _is_gevents():
            # Which forks to start a program, and lets nobody wait meanwhile.
            _thread.start_new_thread(self._join_again, ())
        else:
            self._join_again()

    def _join_again(self) -> None:
        if not self._try_again():
            _thread.start_new_thread(self._try_on, ())

    def _try_on(self) -> None:
        while not self._try_again():
            time.sleep(_PAUSE)

    def _try_again(self) -> bool:
        try:
            self._begin(_JOINING_IN_CHILD)
        except Exception as error:  # noqa: BLE001 - the process has its own work to do
            log_once("this process could not join the others of its group", error=error)
            return False
        return True


def _is_gevents() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
