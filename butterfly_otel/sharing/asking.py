"""Asking the other members: all at once, each over its own socket, until a deadline."""

from __future__ import annotations

import errno
import selectors
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.process import sockets, threads
from butterfly_otel.sharing.records import HEADER, CorruptError, Record, sizes
from butterfly_otel.sharing.slots import socket_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from butterfly_otel.sharing.directory import Directory

#: What is asked for: a snapshot, or the listening sockets.
SNAPSHOT: Final = b"s"
LISTENERS: Final = b"l"
#: Members that are asked at once: each takes a descriptor.
_MOST: Final = 64
#: Seconds after which one is tried again that too many ask at this moment.
_PAUSE: Final = 0.005
_CHUNK: Final = 1 << 18


class _Question:
    """A connection to one member, and what has arrived by it so far."""

    def __init__(self, directory: Directory, slot: int) -> None:
        self.slot = slot
        self.got = bytearray()
        self._address = directory.socket_address(socket_name(slot))
        self.socket: socket.socket | None = None

    def begin(self) -> bool:
        """Ask; False where too many others do, and it is to be tried again.

        Raises:
            OSError: When nobody is there.
        """
        own = sockets.new(socket.AF_UNIX)
        try:
            own.setblocking(False)  # noqa: FBT003 - the socket's own signature
            own.connect(self._address)
            own.send(SNAPSHOT)
        except BlockingIOError:
            own.close()
            return False
        except BaseException:
            own.close()
            raise
        self.socket = own
        return True

    def go_on(self) -> Record | None:
        """Take what has arrived; return the answer when it is whole.

        Raises:
            OSError: When the other is gone.
            CorruptError: When it is not an answer.
        """
        while self.socket is not None:
            try:
                chunk = self.socket.recv(_CHUNK)
            except BlockingIOError:
                return None
            if not chunk:
                raise OSError(errno.ECONNRESET, "it is gone")
            self.got += chunk
            if len(self.got) >= HEADER.size:
                _, length = sizes(bytes(self.got[: HEADER.size]))
                if len(self.got) >= HEADER.size + length:
                    return Record.unpacked(bytes(self.got))
        return None

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


class Answers:
    """What became of the questions.

    Attributes:
        given: The answers by slot.
        silent: The slots from which nothing came in time.
    """

    def __init__(self) -> None:
        self.given: dict[int, Record] = {}
        self.silent: set[int] = set()


def ask(directory: Directory, slots: Collection[int], deadline: float) -> Answers:
    """Ask the members in some slots for their snapshots, until a time of the monotonic clock.

    One that is not there, or goes away meanwhile, is neither among the answers nor silent.
    """
    answers = Answers()
    waiting = [_Question(directory, slot) for slot in sorted(slots, reverse=True)]
    with sockets.selector() as selector:
        try:
            while waiting or selector.get_map():
                left = deadline - monotonic()
                if left <= 0:
                    break
                _begin(waiting, selector)
                if not selector.get_map():
                    # Nobody to wait for: each is gone, or asked by too many.
                    threads.sleep(_PAUSE if waiting else 0)
                    continue
                for key, _ in selector.select(min(left, _PAUSE) if waiting else left):
                    _go_on(key.data, selector, answers)
        finally:
            asked = [key.data for key in selector.get_map().values()]
            answers.silent.update(question.slot for question in (*waiting, *asked))
            for question in asked:
                question.close()
    return answers


def _begin(waiting: list[_Question], selector: selectors.BaseSelector) -> None:
    """Ask as many of those that wait as may be asked at once."""
    again: list[_Question] = []
    while waiting and len(selector.get_map()) < _MOST:
        question = waiting.pop()
        try:
            if not question.begin():
                again.append(question)
            elif question.socket is not None:
                selector.register(question.socket, selectors.EVENT_READ, question)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # When one has answered, there is a descriptor again.
                again.append(question)
                break
    waiting.extend(reversed(again))


def _go_on(question: _Question, selector: selectors.BaseSelector, answers: Answers) -> None:
    try:
        record = question.go_on()
        if record is None:
            return
        answers.given[question.slot] = record
    except (OSError, CorruptError):
        # What it has stored is as good as what it has shown.
        pass
    if question.socket is not None:
        with suppress(KeyError):
            selector.unregister(question.socket)
    question.close()
