"""Real QUIC over loopback: a certificate, a server, and a network between that loses packets."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from butterfly_otel.integrations.aioquic import tracked_protocol

CLIENT, SERVER = "coordinator-1", "compute-node-2"


@cache
def certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a self-signed certificate of ``localhost`` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made, key


def client_configuration(*, trusting: bool = True, idle_timeout: float = 60) -> QuicConfiguration:
    """Return a client's settings; one that does not trust the server refuses its certificate."""
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=["test"],
        server_name="localhost",
        idle_timeout=idle_timeout,
        verify_mode=ssl.CERT_REQUIRED,
    )
    if trusting:
        pem = certificate()[0].public_bytes(serialization.Encoding.PEM)
        configuration.load_verify_locations(cadata=pem)
    return configuration


class Network(asyncio.DatagramProtocol):
    """A UDP proxy between one client and a server, which counts, delays and loses datagrams.

    Attributes:
        drop_every: Loses every nth datagram on its way to the server; 0 loses none.
        down: Whether it loses everything, both ways.
        delay: Seconds each datagram takes to the server.
        bytes_up: Bytes that the client has sent into it.
        bytes_down: Bytes that it has sent to the client.
        sent: Datagrams that came from the client while ``drop_every`` was set.
        dropped: Those of them that were lost.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._client: Any = None
        self.near: Any = None
        self.far: Any = None
        self.drop_every = 0
        self.down = False
        self.delay = 0.0
        self.bytes_up = self.bytes_down = self.sent = self.dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.near = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._client = addr
        self.bytes_up += len(data)
        if self.drop_every:
            self.sent += 1
            if self.sent % self.drop_every == 0:
                self.dropped += 1
                return
        if not self.down:
            asyncio.get_running_loop().call_later(self.delay, self.far.sendto, data)

    def answer(self, data: bytes) -> None:
        """Pass a datagram of the server on."""
        if self._client is not None and not self.down:
            self.bytes_down += len(data)
            self.near.sendto(data, self._client)


class _FarSide(asyncio.DatagramProtocol):
    def __init__(self, network: Network) -> None:
        self._network = network

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        self._network.answer(data)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer everything a stream brought with its length."""
    data = await reader.read()
    writer.write(str(len(data)).encode())
    writer.write_eof()


class Cluster:
    """A server, the network to it, and the server's side of its connections."""

    def __init__(self) -> None:
        self.protocols: list[QuicConnectionProtocol] = []
        self.network: Network
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a stream."""
        task = asyncio.ensure_future(echo(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def cluster(
    create: Callable[..., QuicConnectionProtocol] = QuicConnectionProtocol,
) -> AsyncIterator[Cluster]:
    """Run a server behind a network."""
    made, loop = Cluster(), asyncio.get_running_loop()
    chain, key = certificate()
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["test"])
    configuration.certificate, configuration.private_key = chain, key

    def create_protocol(*args: Any, **kwargs: Any) -> QuicConnectionProtocol:
        protocol = create(*args, **kwargs)
        made.protocols.append(protocol)
        return protocol

    server = await serve(
        "127.0.0.1",
        0,
        configuration=configuration,
        create_protocol=create_protocol,
        stream_handler=made.handle,
    )
    address = server._transport.get_extra_info("sockname")
    near, made.network = await loop.create_datagram_endpoint(
        lambda: Network(address), local_addr=("127.0.0.1", 0)
    )
    made.network.far, _ = await loop.create_datagram_endpoint(
        lambda: _FarSide(made.network), remote_addr=address
    )
    made.port = near.get_extra_info("sockname")[1]
    try:
        yield made
    finally:
        # Its side of a connection ends later than the client's; else it would outlive the loop.
        for protocol in made.protocols:
            protocol.close()
            await protocol.wait_closed()
        server.close()
        near.close()
        made.network.far.close()
        await asyncio.sleep(0)  # transports close in the loop's next round


@asynccontextmanager
async def connected(
    port: int, configuration: QuicConfiguration | None = None, **tracking: Any
) -> AsyncIterator[QuicConnectionProtocol]:
    """Connect as a tracked client of the server."""
    async with connect(
        "127.0.0.1",
        port,
        configuration=configuration or client_configuration(),
        create_protocol=tracked_protocol(**{"to_node": SERVER, **tracking}),
    ) as protocol:
        yield protocol


async def send(protocol: QuicConnectionProtocol, size: int) -> None:
    """Send so many bytes over a stream of their own, and wait until all have arrived."""
    reader, writer = await protocol.create_stream()
    writer.write(bytes(size))
    writer.write_eof()
    assert int(await reader.read()) == size


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until a condition holds; the test's time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - what is awaited has no event
        await asyncio.sleep(0.005)
