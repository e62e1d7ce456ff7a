"""A real Prometheus that scrapes every node of a cluster, and what it says of itself."""

from __future__ import annotations

import json
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.loadtest.model import Scraped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from butterfly_otel.loadtest.cluster import Target

_JOB: Final = "butterfly-loadtest"
#: Seconds that all rounds of scrapes may take beyond twice what they need.
_PATIENCE: Final = 60.0
_ANSWERS_WITHIN: Final = 30.0


def config_text(targets: Sequence[Target], interval: float, limit: int) -> str:
    """Return a configuration; JSON, which is YAML and needs no library to write.

    Args:
        targets: The nodes.
        interval: Seconds between two scrapes of one.
        limit: ``sample_limit``.
    """
    every = f"{interval:g}s" if interval >= 1 else f"{round(interval * 1000)}ms"
    job = {
        "job_name": _JOB,
        "sample_limit": limit,
        "static_configs": [
            {
                "targets": [each.address],
                "labels": {"instance": each.node_id, "__metrics_path__": each.path},
            }
            for each in targets
        ],
    }
    times = {"scrape_interval": every, "scrape_timeout": every}
    return json.dumps({"global": times, "scrape_configs": [job]})


class Server:
    """A running Prometheus.

    Args:
        address: Its URL.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._memory = self._own("process_resident_memory_bytes")

    def scraped(
        self, targets: int, rounds: int, interval: float, tell: Callable[[int], None]
    ) -> Scraped:
        """Wait until every node has been scraped so often, and return what there is then.

        Args:
            targets: How many nodes.
            rounds: How often.
            interval: Seconds between two scrapes of one node.
            tell: Told how many nodes have been scraped at all, now and then.

        Raises:
            ConfigurationError: When that takes too long.
        """
        until = monotonic() + 2 * rounds * interval + _PATIENCE
        while True:
            counts = self._ask(f'count_over_time(up{{job="{_JOB}"}}[1h])')
            tell(len(counts))
            done = [value for _, value in counts if value >= rounds]
            if len(done) >= targets:
                break
            if monotonic() > until:
                msg = (
                    f"Prometheus has scraped {len(done)} of {targets} nodes in the time of"
                    f" {rounds} rounds; give it more by --scrape-interval, or fewer by --drive"
                )
                raise ConfigurationError(msg)
            sleep(min(0.5, interval))
        return self._state(rounds)

    def _state(self, rounds: int) -> Scraped:
        active = self._get("targets", state="active")["activeTargets"]
        failed = [
            f"{each['labels']['instance']}: {each['lastError']}"
            for each in active
            if each["health"] != "up"
        ]
        return Scraped(
            version=self._get("status/buildinfo")["version"],
            targets=len(active) - len(failed),
            failed=tuple(failed),
            samples=round(self._one("sum(scrape_samples_scraped)")),
            head_series=round(self._own("prometheus_tsdb_head_series")),
            memory=round(self._own("process_resident_memory_bytes") - self._memory),
            slowest=self._one("max(scrape_duration_seconds)"),
            rounds=rounds,
        )

    def _one(self, expression: str) -> float:
        return next((value for _, value in self._ask(expression)), 0.0)

    def _ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        result = self._get("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - Prometheus' JSON
        return json.loads(self._read(f"/api/v1/{path}?{urlencode(parameters)}"))["data"]

    def _own(self, name: str) -> float:
        """Return one of its own metrics, off its page: nobody scrapes it."""
        for line in self._read("/metrics").decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return 0.0

    def _read(self, path: str) -> bytes:
        try:
            with urlopen(self._address + path, timeout=_ANSWERS_WITHIN) as answer:  # noqa: S310 - our own
                found: bytes = answer.read()
        except (URLError, OSError) as error:
            msg = f"Prometheus does not answer any more ({error}); look whether it has the memory"
            raise ConfigurationError(msg) from error
        return found
