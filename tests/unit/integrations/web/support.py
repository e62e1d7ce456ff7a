"""A real ASGI server, clients of it, and an ASGI server's part played by hand."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(app: Any, **settings: Any) -> Iterator[int]:
    """Serve an application by uvicorn in a thread; give its port."""
    config = uvicorn.Config(app, log_config=None, ws="none", **{"lifespan": "on", **settings})
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def ask(
    port: int, path: str, verb: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """Return the status, the whole body and the headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


@contextmanager
def asking(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    """Ask, and leave the body to be read; the connection is cut at the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def until(condition: Callable[[], object]) -> None:
    """Wait for what a server does in its time; the test's limit ends it otherwise."""
    while not condition():
        time.sleep(0.005)


def scope_of(path: str, verb: str = "GET", **more: Any) -> dict[str, Any]:
    """Return an HTTP scope."""
    return {"type": "http", "method": verb, "path": path, "headers": [], **more}


class Server:
    """An ASGI server's part: what the application receives, and what it has sent.

    Attributes:
        sent: Messages the application has sent.
        closed: Makes sending fail, as on a closed connection.
    """

    def __init__(self, *messages: dict[str, Any], closed: bool = False) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed = closed
        self._messages = list(messages)

    async def receive(self) -> dict[str, Any]:
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if self.closed:
            raise OSError
        self.sent.append(message)


START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"done"}


def part(body: bytes = b"a") -> dict[str, Any]:
    """Return a message with a part of a body that is not the last."""
    return {"type": "http.response.body", "body": body, "more_body": True}
