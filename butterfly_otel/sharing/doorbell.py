"""Where a member answers the others: one thread, which no slow or stopped asker can hold."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import struct
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from butterfly_otel.process import sockets, threads
from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.sharing.directory import Directory

    #: Returns what to send for a question, and the descriptors that go with it.
    Answer = Callable[[bytes], tuple[bytes, list[int]]]

_logger = logging.getLogger("butterfly_otel")
_BACKLOG: Final = 128
#: Conversations at once, and seconds that one may take.
_MOST: Final = 64
_PATIENCE: Final = 10.0
_CREDENTIALS: Final = struct.Struct("@iII")


class _Conversation:
    """A connection: first a question is read, then the answer is sent."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.until = monotonic() + _PATIENCE
        self.left: memoryview | None = None
        self.descriptors: list[int] = []

    def read(self, answer: Answer) -> bool:
        """Read the question, make the answer; False where nobody waits for it."""
        question = self.socket.recv(1)
        with suppress(BlockingIOError):
            # An asker whose time was up before this process came to it has gone away.
            if not question or not self.socket.recv(1):
                return False
        data, self.descriptors = answer(question)
        self.left = memoryview(data)
        return self.write()

    def write(self) -> bool:
        """Send what can be sent now; False when that was all of it."""
        while self.left:
            try:
                if self.descriptors:
                    sent = socket.send_fds(self.socket, [self.left], self.descriptors)
                    self.descriptors = []
                else:
                    sent = self.socket.send(self.left)
            except BlockingIOError:
                return True
            self.left = self.left[sent:]
        return False


class Doorbell:
    """Answers at a unix socket until it is closed. Thread-safe.

    Args:
        directory: Where the socket is.
        name: What it is called there.
        answer: Makes the answers, on the thread of this object.

    Raises:
        OSError: When there can be no socket.
    """

    def __init__(self, directory: Directory, name: str, answer: Answer) -> None:
        self._answer = answer
        self._conversations: dict[socket.socket, _Conversation] = {}
        self._closing = False
        self._abandoned = False
        self._full = False  # whether nobody is let in at this moment
        self._ended = threads.Event()
        self._listener = sockets.new(socket.AF_UNIX)
        try:
            directory.remove(name)
            self._listener.bind(directory.socket_address(name))
            self._listener.listen(_BACKLOG)
            self._listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
            self._wake, self._awake = sockets.pair()
        except BaseException:
            self._listener.close()
            raise
        self._selector: selectors.BaseSelector | None = None
        threads.start(self._run)

    def close(self, timeout: float) -> None:
        """Answer no more; what is being answered may finish, so many seconds long."""
        self._closing = True
        with suppress(OSError):
            self._wake.send(b"\0")
        self._ended.wait(timeout)

    def abandon(self) -> None:
        """Let go of the parent's sockets in a forked child, which has not got its thread."""
        self._closing = self._abandoned = True
        if self._selector is not None:
            # Not one by one: that would change what the parent's selector looks at.
            self._selector.close()
        for each in (self._listener, self._wake, self._awake, *self._conversations):
            each.close()

    def _run(self) -> None:
        with sockets.selector() as selector:
            self._selector = selector
            try:
                selector.register(self._awake, selectors.EVENT_READ)
                selector.register(self._listener, selectors.EVENT_READ)
                while not self._closing or self._answering():
                    for key, _ in selector.select(self._pause()):
                        if key.fileobj is self._listener:
                            self._accept(selector)
                        elif key.fileobj is self._awake:
                            self._stop_listening(selector)
                        else:
                            self._go_on(key.data, selector)
                    self._end_overdue(selector)
            except Exception:
                # Under gevent its greenlet is in the child, too.
                if self._abandoned:
                    return
                _logger.exception("A member of a group of processes answers the others no more")
            finally:
                self._selector = None
                for each in (self._listener, self._wake, self._awake, *self._conversations):
                    each.close()
                self._ended.set()

    def _answering(self) -> bool:
        return any(each.left is not None for each in self._conversations.values())

    def _pause(self) -> float | None:
        if not self._conversations:
            return None
        return max(0.0, min(each.until for each in self._conversations.values()) - monotonic())

    def _stop_listening(self, selector: selectors.BaseSelector) -> None:
        selector.unregister(self._awake)
        with suppress(KeyError):
            selector.unregister(self._listener)
        self._listener.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = sockets.accept(self._listener)
        except OSError:
            # Gone again, or this process is out of files: not to be tried without a pause.
            self._ended.wait(0.01)
            return
        if not _is_ours(connection):
            connection.close()
            return
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        conversation = _Conversation(connection)
        self._conversations[connection] = conversation
        selector.register(connection, selectors.EVENT_READ, conversation)
        if len(self._conversations) >= _MOST:
            self._full = True
            selector.unregister(self._listener)

    def _go_on(self, conversation: _Conversation, selector: selectors.BaseSelector) -> None:
        try:
            if conversation.left is None:
                going_on = conversation.read(self._answer)
                if going_on:
                    selector.modify(conversation.socket, selectors.EVENT_WRITE, conversation)
            else:
                going_on = conversation.write()
        except BlockingIOError:
            return
        except OSError:
            going_on = False
        except Exception as error:  # noqa: BLE001 - the next may be answered
            log_once("a member of a group of processes could not answer another", error=error)
            going_on = False
        if not going_on:
            self._end(conversation, selector)

    def _end_overdue(self, selector: selectors.BaseSelector) -> None:
        now = monotonic()
        for conversation in tuple(self._conversations.values()):
            if conversation.until <= now:
                self._end(conversation, selector)

    def _end(self, conversation: _Conversation, selector: selectors.BaseSelector) -> None:
        selector.unregister(conversation.socket)
        conversation.socket.close()
        del self._conversations[conversation.socket]
        if self._full and not self._closing:
            self._full = False
            selector.register(self._listener, selectors.EVENT_READ)


def _is_ours(connection: socket.socket) -> bool:
    """Tell whether who asks is of the same user; where the kernel won't say, the directory did."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(told)[1] == os.geteuid())
