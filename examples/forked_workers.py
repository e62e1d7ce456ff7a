"""A pre-forking server: each child is a node of its own, with an endpoint of its own.

    python examples/forked_workers.py

Fork first, configure() in each child: threads, sockets and counts are the child's own then. The
first child takes the configured port (9464), the next one the port after it, and so on; 0 gives
each a free one. A child whose address nobody can know beforehand pushes by OTLP instead
(see push_to_collector/). A child of a process that was configured before the fork counts from
zero and pushes on, but the Prometheus endpoint stays with its parent, without the child's counts.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import butterfly_otel
from butterfly_otel import decorators

WORKERS = 3
PORT = int(os.environ.get("OTEL_EXPORTER_PROMETHEUS_PORT") or 9464)


@decorators.task()
def work(number: int) -> int:
    """Do a task."""
    return number * number


def child(index: int) -> None:
    """Be a worker: node ``compute-node-N``, on a port of its own."""
    # Ctrl-C reaches every process of a terminal; the parent alone is to answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runtime = butterfly_otel.configure(
        node_id=f"compute-node-{index + 1}",
        node_role="compute",
        prometheus_port=PORT + index if PORT else 0,
    )
    print(f"metrics are on {runtime.prometheus_url}", flush=True)
    for number in range(index + 1):
        work(number)
    idle()


def idle() -> None:
    """Wait for the signal to end."""
    while True:
        time.sleep(1)


def stop(children: list[int]) -> None:
    """End the children and wait until each has exported what it measured."""
    for process in children:
        os.kill(process, signal.SIGTERM)
    for process in children:
        os.waitpid(process, 0)


def main() -> None:
    """Fork the workers; they serve metrics until Ctrl-C or SIGTERM."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    children: list[int] = []
    with suppress(KeyboardInterrupt):
        try:
            for index in range(WORKERS):
                process = os.fork()
                if process == 0:
                    children.clear()  # they are the parent's
                    child(index)
                children.append(process)
            idle()
        finally:
            stop(children)


if __name__ == "__main__":
    main()
