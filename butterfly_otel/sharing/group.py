"""A group of processes that speak with one voice: whoever is asked tells of all."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import forks, threads
from butterfly_otel.process.contain import log_once
from butterfly_otel.sharing.content import Gathered
from butterfly_otel.sharing.life import INTERVAL, STORING, begin, threads_are_greenlets
from butterfly_otel.sharing.port import Port
from butterfly_otel.sharing.roster import roster
from butterfly_otel.sharing.sweep import sweep

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from butterfly_otel.sharing.content import Content
    from butterfly_otel.sharing.leader import OnLead, OnYield
    from butterfly_otel.sharing.life import Life
    from butterfly_otel.sharing.place import Place
    from butterfly_otel.sharing.roster import Member

#: The groups that this process is in.
_here: set[Path] = set()
#: Seconds that joining may wait for others; less in a fork, which the application waits for.
_JOINING: Final = 10.0
_JOINING_IN_CHILD: Final = 1.0
#: Seconds that giving the slot back gets, whatever came before it.
_LEAVING: Final = 0.1
#: Seconds between two attempts to join.
_PAUSE: Final = 1.0
#: Seconds for which a scrape waits for the others after somebody has removed the directory.
_RETURNING: Final = 2.0


class Group:
    """This process' part in a group, from :meth:`start` on. Thread-safe.

    A forked child joins by itself, as a member of its own: make the group after whatever has to
    be renewed in a child before it measures.

    Args:
        place: Where its files are, and where it serves.
        content: What this process has to say.
        on_lead: Called when this process begins to lead, with listening sockets that are to be
            served and closed by who is called; with None where nothing is served, or not yet: it
            is called again when the port is free. By :meth:`start` or on a thread of the group's;
            it must not wait for who calls :meth:`leave`.
        on_yield: Called before it leads no more, as long as it can be asked still; it must have
            stopped accepting when it returns. Not in a forked child, which does not lead whatever
            its parent did.
    """

    def __init__(
        self,
        place: Place,
        content: Content,
        on_lead: OnLead = lambda _listeners: None,
        on_yield: OnYield = lambda: None,
    ) -> None:
        self._place = place
        self._content = content
        self._on_lead = on_lead
        self._on_yield = on_yield
        self._port = Port(place)
        self._changing = forks.lock()
        self._life: Life | None = None
        self._left = False
        self._last = Gathered(None, {})  # what was told last

    def start(self) -> None:
        """Join the group; only once.

        Raises:
            OSError: When the port is somebody else's, or none, or nothing can be written.
            ConfigurationError: When this process is a member already.
        """
        if self._place.path in _here:
            # The kernel's locks tell processes apart, and not what is in one.
            raise ConfigurationError(
                "this process is a member of its group already; call leave() first"
            )
        self._begin(_JOINING, strict=True)
        _here.add(self._place.path)
        forks.call_in_child(self._after_fork)

    @property
    def name(self) -> str:
        """The group's name, the same in all its members."""
        return self._place.key

    @property
    def slot(self) -> int | None:
        """The number of this member: the lowest that was free; None where it is none now."""
        life = self._life
        return None if life is None else life.membership.slot.number

    def roster(self) -> tuple[Member, ...]:
        """Return those that were there when they were asked last."""
        # The own slot must not change meanwhile; who is changing it is not waited for.
        still = self._changing.acquire(blocking=False)
        try:
            return roster(self._last, self._life if still else None)
        finally:
            if still:
                self._changing.release()

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
        """
        if self._life is None and not self._left:
            self._try_again()
        life = self._life
        try:
            if life is not None and not life.membership.is_current():
                life = self._come_back(life, deadline)
            if life is not None:
                self._last = life.membership.gather(deadline)
                return self._last
        except OSError as error:
            log_once("what the other processes have measured can't be read", error=error)
        return self._remembered(life)

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
            _here.discard(self._place.path)
            if (life := self._life) is not None:
                life.stop.set()
                # What is being answered still tells of all.
                life.leader.give_up()
                self._life = None
                life.leave(max(_LEAVING, deadline - monotonic()))
            self._port.close()
        finally:
            self._changing.release()

    def _begin(self, patience: float, *, strict: bool = False) -> Life | None:
        """Become a member, unless it is one."""
        with self._changing:
            if self._left or self._life is not None:
                return self._life
            life = self._life = begin(
                self._place, self._content, self._port, self._on_lead, self._on_yield, patience
            )
            try:
                if strict:
                    # In a forked child the application waits, and this may take a while.
                    life.leader.stand(strict=True)
            except BaseException:
                self._left, self._life = True, None
                life.leave(_LEAVING)
                raise
            life.fetch()
            threads.start(self._keep, life)
            return life

    def _keep(self, life: Life) -> None:
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

    def _look(self, life: Life, looks: int) -> None:
        with self._changing:
            if self._life is not life:
                return
            if not life.look(looks):
                self._return(life)
                return
        if looks % STORING == 0:
            life.membership.store.refresh()

    def _return(self, life: Life) -> Life | None:
        """Join again where somebody has removed the files; returns what there is then."""
        with self._changing:
            if self._life is not life:
                return self._life
            log_once(
                f"somebody has removed files of running processes in {self._place.home}; they are"
                " made again"
            )
            self._life = None
            life.withdraw()
            self._join_again()
            made = self._life
            if made is not None:
                made.membership.take_over(life.membership)
            return made

    def _come_back(self, life: Life, deadline: float) -> Life | None:
        """Join again for a scrape, and wait for the others to do so."""
        known = len(self._last.members)
        made = self._return(life)
        until = min(deadline, monotonic() + _RETURNING)
        while made is not None and made.membership.count() < known and monotonic() < until:
            made.stop.wait(INTERVAL / 5)
        return made

    def _remembered(self, life: Life | None) -> Gathered:
        """Return what the others have said last, where they can't be asked: no total falls."""
        last = self._last
        own = life.membership.slot.number if life is not None else min(last.members, default=0)
        members = dict(last.members)
        try:
            members[own] = self._content.snapshot()
        except Exception as error:  # noqa: BLE001 - the others have something to tell
            log_once("what this process has measured could not be collected", error=error)
        return Gathered(last.ended, members, tuple(each for each in last.members if each != own))

    def _after_fork(self) -> None:
        """Let go of the parent's part in a child, and join with one of its own."""
        life, self._life = self._life, None
        if life is not None:
            life.abandon()
        if self._left:
            self._port.close()
        elif threads_are_greenlets():
            # Which forks to start a program, and lets nobody wait meanwhile.
            threads.start(self._join_again)
        else:
            self._join_again()

    def _join_again(self) -> None:
        if not self._try_again():
            threads.start(self._try_on)

    def _try_on(self) -> None:
        while not self._try_again():
            threads.sleep(_PAUSE)

    def _try_again(self) -> bool:
        try:
            self._begin(_JOINING_IN_CHILD)
        except OSError as error:
            log_once(
                "this process can't join the others of its group in"
                f" {self._place.home} ({error.strerror or error}): until it can, they don't tell"
                " of what it measures"
            )
            return False
        except Exception as error:  # noqa: BLE001 - the process has its own work to do
            log_once("this process could not join the others of its group", error=error)
            return False
        return True
