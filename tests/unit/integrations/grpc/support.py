"""A service of all four kinds of calls, whose messages are bytes, for grpc and for grpc.aio."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from threading import Event, Thread
from typing import Any

import grpc
from cryptography.hazmat.primitives import serialization
from typing_extensions import Self

from tests.unit.integrations.aioquic.support import certificate

CLIENT, SERVER = "coordinator-1", "compute-node-2"
UNARY, SPLIT = "/butterfly.Compute/Forward", "/butterfly.Compute/Checkpoint"
JOIN, BOTH = "/butterfly.Raft/AppendEntries", "/butterfly.Raft/Heartbeat"


def encode(text: str | bytes) -> bytes:
    """Serialise a message, which the server of grpc.aio has encoded already if it is a string."""
    return text if isinstance(text, bytes) else text.encode("utf-8")


def decode(data: bytes) -> str:
    """Deserialise a message."""
    return data.decode("utf-8")


_HANDLERS = {
    UNARY: grpc.unary_unary_rpc_method_handler,
    SPLIT: grpc.unary_stream_rpc_method_handler,
    JOIN: grpc.stream_unary_rpc_method_handler,
    BOTH: grpc.stream_stream_rpc_method_handler,
}


class Service(grpc.GenericRpcHandler):
    """Doubles, splits into letters, joins, and echoes; does as it is told by some texts.

    Attributes:
        asked: Set when a call has come in that waits.
        go: Lets such calls end.
        context: Of the call that waits.
    """

    def __init__(self) -> None:
        self.asked, self.go = Event(), Event()
        self.metadata: list[tuple[str, str | bytes]] = []
        self.context: Any = None

    def service(self, details: Any) -> Any:
        self.metadata = list(details.invocation_metadata)
        behaviour = {UNARY: self.unary, SPLIT: self.split, JOIN: self.join, BOTH: self.both}
        if details.method not in behaviour:
            return None
        return _HANDLERS[details.method](behaviour[details.method], decode, encode)

    def unary(self, request: str, context: Any) -> str:
        if request == "missing":
            context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        if request == "wait":
            self.context = context
            self.asked.set()
            self.go.wait(30)
        return request * 2

    def split(self, request: str, context: Any) -> Iterator[str]:
        yield from request
        if request == "wait":
            self.context = context
            self.asked.set()
            self.go.wait(30)

    def join(self, requests: Iterator[str], _context: Any) -> str:
        return "".join(requests)

    def both(self, requests: Iterator[str], _context: Any) -> Iterator[str]:
        yield from requests


class AioService(Service):
    """The same in coroutines."""

    async def unary(self, request: str, context: Any) -> str:  # type: ignore[override]
        if request.lower() == "missing":
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        while request == "wait" and not self.go.is_set():
            self.asked.set()
            await asyncio.sleep(0.005)
        return request * 2

    async def split(self, request: str, _context: Any) -> AsyncIterator[str]:  # type: ignore[override]
        for letter in request:
            yield letter
        while request == "wait" and not self.go.is_set():
            self.asked.set()
            await asyncio.sleep(0.005)

    async def join(self, requests: AsyncIterator[str], _context: Any) -> str:  # type: ignore[override]
        return "".join([each async for each in requests])

    async def both(self, requests: AsyncIterator[str], _context: Any) -> AsyncIterator[str]:  # type: ignore[override]
        async for each in requests:
            yield each


#: No port is shared with another process of the test run, and no failure is remembered.
OPTIONS = [("grpc.so_reuseport", 0), ("grpc.use_local_subchannel_pool", 1)]


@contextmanager
def serving(
    service: Service, *interceptors: Any, credentials: Any = None
) -> Iterator[tuple[grpc.Server, str]]:
    """Run a server of threads on a free port."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, [service], list(interceptors), OPTIONS)
        target = f"localhost:{_listen(server, credentials)}"
        server.start()
        try:
            yield server, target
        finally:
            service.go.set()
            server.stop(None).wait()


@asynccontextmanager
async def aio_serving(
    service: Service, *interceptors: Any, credentials: Any = None
) -> AsyncIterator[tuple[grpc.aio.Server, str]]:
    """Run a server of coroutines on a free port."""
    server = grpc.aio.server(None, [service], list(interceptors), OPTIONS)
    target = f"localhost:{_listen(server, credentials)}"
    await server.start()
    try:
        yield server, target
    finally:
        service.go.set()
        await server.stop(None)


def _listen(server: Any, credentials: Any) -> int:
    if credentials is None:
        return server.add_insecure_port("localhost:0")
    return server.add_secure_port("localhost:0", credentials)


def server_credentials() -> Any:
    """Return credentials of a server with a certificate that nobody has a reason to trust."""
    made, key = certificate()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return grpc.ssl_server_credentials([(private, made.public_bytes(pem))])


class Cable:
    """A TCP connection's way to a server, which can be cut.

    Attributes:
        target: What to connect to instead of the server.
    """

    def __init__(self, target: str) -> None:
        self._far = ("localhost", int(target.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._far)
                self._ends += (near, far)
                for ends in ((near, far), (far, near)):
                    self._threads.append(Thread(target=self._pass_on, args=ends))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def cut(self) -> None:
        """Break every connection there is; new ones can be made."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()  # nobody makes connections any more that would be missed
        self.cut()
        for thread in self._threads[1:]:
            thread.join()


async def aio_until(condition: Callable[[], object]) -> None:
    """Let the loop go on until a condition holds; the test's time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - what is awaited has no event
        await asyncio.sleep(0.005)


def until(condition: Callable[[], object]) -> None:
    """Wait for what gRPC's own threads do in their time; the test's limit ends it otherwise."""
    while not condition():
        time.sleep(0.005)


def answered(call: Callable[[], object]) -> bool:
    """Return whether a call got its answer.

    A transport that breaks while it writes takes calls until that write has ended, and fails them
    whether they wait for a connection or not: after a cut only a later attempt is sure.
    """
    with contextlib.suppress(grpc.RpcError):
        call()
        return True
    return False
