"""A receiver that sends any bytes at all, as slowly as it likes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

Script = Callable[[], Iterable[bytes]]


class Raw:
    """Reads each request and answers with the pieces of a script, until it is stopped.

    Attributes:
        endpoint: Where it is.
        over: Set when it is to stop; a script may wait for it between two pieces.
        requests: The head of each request.
        sent: How many bytes of answers it got rid of.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/metrics"
        self.over = Event()
        self.requests: list[bytes] = []
        self.sent = 0
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self.over.is_set():
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:
                continue
            with peer:
                peer.settimeout(0.2)
                with suppress(OSError):  # whoever asked may have gone
                    self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        with peer.makefile("rb") as reader:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = reader.readline()
                if not line:
                    return
                head += line
            lines = head.lower().splitlines()
            [length] = [int(each.split(b":")[1]) for each in lines if b"content-length:" in each]
            reader.read(length)
            self.requests.append(head)
            for piece in self._script():
                if self.over.is_set():
                    return
                peer.sendall(piece)
                self.sent += len(piece)

    def stop(self) -> None:
        """Stop, and wait until that is done."""
        self.over.set()
        self._thread.join()
        self._listener.close()


@contextmanager
def raw(script: Script) -> Iterator[Raw]:
    """Serve a script."""
    receiver = Raw(script)
    try:
        yield receiver
    finally:
        receiver.stop()
