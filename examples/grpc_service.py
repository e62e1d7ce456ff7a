"""A gRPC service and its client: messages, bytes, round trips and failures of connections.

Run it, then look at http://localhost:9464/metrics:

    pip install 'butterfly-otel[grpc]'
    python examples/grpc_service.py

Here both ends are in one process, so each says which node it is; where a process is one node,
`node_id` comes from configure(). A generated stub takes the measured channel like any other.
"""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import grpc

import butterfly_otel
from butterfly_otel import request
from butterfly_otel.integrations.grpc import measured_channel, server_interceptor

if TYPE_CHECKING:
    from collections.abc import Iterator

Unary: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"
Stream: TypeAlias = "grpc.UnaryStreamMultiCallable[bytes, bytes]"

CLIENT, SERVER, GONE = "coordinator-1", "compute-node-1", "compute-node-2"


class Compute:
    """What a servicer generated from a .proto would be; its messages are plain bytes."""

    @request(method="inference", node_role="compute")
    def forward(self, activations: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answer a tensor with a tensor."""
        return activations[::-1]

    @request(method="checkpoint", node_role="compute")
    def checkpoint(self, size: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        """Stream a checkpoint; the request is timed to its last chunk."""
        for _ in range(int(size) // 1000):
            yield bytes(1000)


def start_server(pool: ThreadPoolExecutor) -> tuple[grpc.Server, int]:
    """Serve on a free port of this machine."""
    compute = Compute()
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Forward": grpc.unary_unary_rpc_method_handler(compute.forward),
        "Checkpoint": grpc.unary_stream_rpc_method_handler(compute.checkpoint),
    }
    server = grpc.server(pool, interceptors=[server_interceptor(node_id=SERVER)])
    handler = grpc.method_handlers_generic_handler("butterfly.Compute", methods)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("localhost:0")
    server.start()
    return server, port


def call(channel: grpc.Channel) -> None:
    """Send five tensors, and fetch a checkpoint."""
    forward: Unary = channel.unary_unary("/butterfly.Compute/Forward")
    checkpoint: Stream = channel.unary_stream("/butterfly.Compute/Checkpoint")
    for _ in range(5):
        forward(bytes(256))
    list(checkpoint(b"3000"))


def call_nobody(channel: grpc.Channel) -> None:
    """Call a node that is not there: refused, and not active as long as the channel is open."""
    with suppress(grpc.RpcError):
        heartbeat: Unary = channel.unary_unary("/butterfly.Raft/Heartbeat")
        heartbeat(b"")


def main() -> None:
    """Serve, call, and serve metrics until Ctrl-C or SIGTERM."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runtime = butterfly_otel.configure(node_id=CLIENT, node_role="coordinator")
    print(f"metrics are on {runtime.prometheus_url}", flush=True)

    with suppress(KeyboardInterrupt), ThreadPoolExecutor(4) as pool:
        server, port = start_server(pool)
        served = grpc.insecure_channel(f"localhost:{port}")
        refused = grpc.insecure_channel("localhost:1")  # where nobody listens
        try:
            with (
                measured_channel(served, to_node=SERVER) as channel,
                measured_channel(refused, to_node=GONE) as nobody,
            ):
                call(channel)
                call_nobody(nobody)
                while True:
                    time.sleep(1)
        finally:
            server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
