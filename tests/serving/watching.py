"""Who scrapes a node all the time and sees that no counter falls and no scrape fails."""

from __future__ import annotations

import http.client
import threading
import time
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.serving.load import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

#: Seconds between two scrapes.
_PAUSE = 0.05


def scrape(port: int, path: str = "/metrics") -> dict[tuple[str, str], float]:
    """Return the value of each series of counters and of histograms' counts.

    Raises:
        OSError: When nobody answers.
        ValueError: When the answer is not a scrape.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != http.client.OK:
            raise ValueError(text)
    finally:
        connection.close()
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.endswith(("_total", "_bucket", "_count"))
    }


def total(port: int, name: str, path: str = "/metrics") -> int:
    """Return the sum of a counter's series."""
    series = scrape(port, path)
    return round(sum(value for (each, _), value in series.items() if each == name))


def wait_for(what: Callable[[], bool], problem: Callable[[], str]) -> None:
    """Wait until something holds; a scrape that fails meanwhile is tried again."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if what():
                return
        except (OSError, http.client.HTTPException):
            pass  # not there yet
        assert time.monotonic() < deadline, problem()
        time.sleep(_PAUSE)


class Watcher:
    """Scrapes until it is closed; a context manager. Ask for :attr:`problems` at the end.

    Args:
        port: Where the node serves; it does so by now.

    Attributes:
        problems: What must not have happened: a scrape that failed, a counter that fell.
        scrapes: How many there were.
    """

    def __init__(self, port: int) -> None:
        self.problems: list[str] = []
        self.scrapes = 0
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        before: dict[tuple[str, str], float] = {}
        while not self._over.wait(_PAUSE):
            try:
                now = self._scrape()
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.problems.append(f"a scrape failed: {error!r}")
                continue
            self.scrapes += 1
            fallen = [each for each, value in before.items() if now.get(each, 0.0) < value]
            self.problems += [f"{each}: {before[each]}, then {now.get(each)}" for each in fallen]
            before = now

    def _scrape(self) -> dict[tuple[str, str], float]:
        try:
            return scrape(self._port)
        except (ConnectionResetError, http.client.RemoteDisconnected):
            # A connection that was open when its process was killed, which nobody can help.
            return scrape(self._port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join(SECONDS)
