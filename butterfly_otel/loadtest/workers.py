"""A cluster's nodes in several processes, each with its share of them.

A process is told what to do by its pipe, and ends when that does: also where this one was killed.
"""

from __future__ import annotations

import multiprocessing
import signal
from typing import TYPE_CHECKING, Any

from butterfly_otel.errors import ButterflyOtelError
from butterfly_otel.loadtest.cluster import Share, together
from butterfly_otel.loadtest.quiet import quiet

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from butterfly_otel.loadtest.cluster import Plan, Target
    from butterfly_otel.loadtest.model import Shared

#: Seconds in which a process must have ended.
_ENDS_WITHIN = 30.0


class LoadError(ButterflyOtelError):
    """A process of the load test ended before it was done."""


class Workers:
    """Processes with a share of the nodes each; close them at the end. Used by one thread.

    Args:
        of: What is driven.
        processes: How many.
    """

    def __init__(self, of: Plan, processes: int) -> None:
        # Not forked: what this process has in memory is not theirs.
        context = multiprocessing.get_context("spawn")
        self._connections: list[Any] = []
        self._processes: list[Any] = []
        for number in range(processes):
            here, there = context.Pipe()
            process = context.Process(
                target=_work, args=(there, of, number, processes), daemon=True
            )
            process.start()
            there.close()
            self._connections.append(here)
            self._processes.append(process)

    def drive(self) -> Shared:
        """Let them measure, and return what they found together.

        Raises:
            LoadError: When one of them has ended.
        """
        return together(self._ask("drive"))

    def serve(self) -> list[Target]:
        """Let them serve; return where every node is.

        Raises:
            LoadError: When one of them has ended.
        """
        return [target for targets in self._ask("serve") for target in targets]

    def close(self) -> None:
        """End them."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(_ENDS_WITHIN)
            if process.is_alive():
                process.kill()
                process.join()

    def _ask(self, what: str) -> list[Any]:
        try:
            for connection in self._connections:
                connection.send(what)
            answers = [connection.recv() for connection in self._connections]
        except (EOFError, OSError) as error:
            msg = (
                "a process of the load test has ended, perhaps for want of memory; drive fewer"
                " nodes, by --drive"
            )
            raise LoadError(msg) from error
        return answers


def _work(connection: Connection[Any, Any], of: Plan, number: int, processes: int) -> None:
    # Ctrl-C is for the process that has started this one, which then closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with quiet():
        share = Share(of, number, processes)
        try:
            while True:
                connection.send(getattr(share, connection.recv())())
        except (EOFError, OSError):
            pass
        finally:
            share.close()
