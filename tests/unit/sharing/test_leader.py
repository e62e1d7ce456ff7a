"""The port survives who held it; nobody's connection is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest

from butterfly_otel.errors import ConfigurationError
from tests.unit.sharing.workers import PATIENCE, Member, Worker, apart, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scrape(port: int) -> list[int]:
    """Return what whoever accepts tells."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/metrics")
        return list(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


class Client:
    """Scrapes without end, and keeps what it was told and what went wrong."""

    def __init__(self, port: int) -> None:
        self.told: list[int] = []
        self.refused: list[OSError] = []
        self.cut = 0
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.told.append(scrape(self._port)[0])
            except ConnectionRefusedError as error:  # noqa: PERF203 - each counts
                self.refused.append(error)
            except Exception:  # noqa: BLE001 - it was open when its process died
                self.cut += 1

    def end(self) -> None:
        """Stop, and see that nothing was refused and no total has fallen."""
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self.refused, self.refused
        assert self.told == sorted(self.told), self.told


@apart
def test_the_port_survives_the_leader(base: Path) -> None:
    """Killed or left, again and again: no connection is refused, and no total falls."""
    port = free_port()
    workers = [Worker(base, port=port) for _ in range(3)]
    for worker in workers:
        worker.add(10)
        until(lambda worker=worker: worker.tell("listening"))
    client = Client(port)
    killed = 0
    for number in range(6):
        leader = until(lambda: next((each for each in workers if each.tell("leading")), None))
        seen = len(client.told)
        until(lambda seen=seen: len(client.told) > seen)
        workers.remove(leader)
        if number % 2:
            leader.leave()
        else:
            leader.kill()
            killed += 1
        workers.append(Worker(base, port=port))
        workers[-1].add(10)
        until(lambda: workers[-1].tell("listening"))
    seen = len(client.told)
    until(lambda: len(client.told) > seen + 1)
    client.end()
    # Connections that were open: who is killed answers none.
    assert client.cut <= killed, (client.cut, killed)
    assert client.told[-1] == 90


@apart
def test_one_leads_and_all_have_the_sockets(base: Path) -> None:
    """Port 0 is one port for all; when the last one ends, it is free."""
    boss = Member(base, port=0)
    workers = [Worker(base, boss), Worker(base, boss)]
    port = boss.group.listeners[0].getsockname()[1]
    assert scrape(port) == [0, 3, 0]
    assert boss.group.leading
    assert [worker.tell("leading") for worker in workers] == [False, False]
    boss.group.leave()
    until(lambda: any(worker.tell("leading") for worker in workers))
    assert scrape(port)[1] == 2
    for worker in workers:
        worker.leave()
    with pytest.raises(ConnectionRefusedError):
        scrape(port)


@apart
def test_somebody_elses_port_is_an_error_at_the_start(base: Path) -> None:
    """As it is without a group; nothing is left of it, and it can be tried again."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            Member(base, port=port)
    member = Member(base, port=port)
    assert scrape(port) == [0, 1, 0]
    with pytest.raises(ConfigurationError, match="already"):
        Member(base, port=port)
    member.group.leave()
    Member(base, port=port).group.leave()


@apart
def test_another_group_of_ours_is_waited_for(base: Path) -> None:
    """As the workers of a new master wait for those of the old one: apart, and then served."""
    port = free_port()
    program = (
        "from pathlib import Path; from tests.unit.sharing.workers import Member; import sys;"
        "member = Member(Path(sys.argv[1]), port=int(sys.argv[2])); member.totals.add(4);"
        "print('ready', flush=True); sys.stdin.readline(); member.group.leave()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, base, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as old:
        assert old.stdin is not None
        assert old.stdout is not None
        assert old.stdout.readline() == "ready\n"
        member = Member(base, port=port)
        member.totals.add(30)
        assert member.group.leading
        assert scrape(port) == [4, 1, 0]
        assert member.ask() == [30, 1, 0]
        worker = Worker(base, member)
        assert not worker.tell("listening")
        # Not by its end: the worker has a copy of the pipe.
        old.stdin.write("end\n")
        old.stdin.flush()
        old.wait(PATIENCE)
    until(lambda: member.server)
    assert scrape(port) == [30, 2, 0]
    # It was there before there was anything to hand over.
    until(lambda: worker.tell("listening"))
