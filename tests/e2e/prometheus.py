"""A real Prometheus server, 2 or 3, for the end-to-end tests."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .processes import HOST, Server, ServerError, fetch_json, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TEXT = "PrometheusText0.0.4"
OPENMETRICS = "OpenMetricsText1.0.0"
PROTOBUF = "PrometheusProto"
EXACT_NAMES = "UnderscoreEscapingWithoutSuffixes"


@functools.cache
def major_version(prometheus: Path) -> int:
    """The first number of the version that the program `prometheus` prints of itself."""
    answer = subprocess.run([prometheus, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.", answer.stdout + answer.stderr)
    if found is None:
        raise ServerError(f"{prometheus} --version names no version: {answer.stdout}")
    return int(found.group(1))


class Sample(NamedTuple):
    """One element of an instant query's result."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Scrape:
    """One job of Prometheus' scrape configuration.

    Attributes:
        targets: Addresses, `host:port`.
        job: The job's name, which becomes the label `job`.
        protocols: What Prometheus asks for, first choice first, `TEXT`, `OPENMETRICS` and
            `PROTOBUF` among them; None leaves the server's own choice. Prometheus 2.42 can't be
            told.
        path: The path of the metrics.
        interval: Time between two scrapes, and the time a scrape may take.
        honor_labels: Keep the target's own `job` and `instance`, as behind a Collector.
        extra: Anything else in a scrape configuration: `scheme`, `tls_config`, `basic_auth`.
    """

    targets: Sequence[str]
    job: str = "butterfly"
    protocols: Sequence[str] | None = None
    path: str = "/metrics"
    interval: str = "1s"
    honor_labels: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """This job as Prometheus' configuration has it."""
        job: dict[str, Any] = {
            "job_name": self.job,
            "metrics_path": self.path,
            "scrape_interval": self.interval,
            "scrape_timeout": self.interval,
            "honor_labels": self.honor_labels,
            "static_configs": [{"targets": list(self.targets)}],
        }
        if self.protocols is not None:
            job["scrape_protocols"] = list(self.protocols)
        return {**job, **self.extra}


class Prometheus(Server):
    """A Prometheus server, 2 or 3, with an empty database in its folder.

    Args:
        program: The `prometheus` executable.
        folder: An existing folder for the server's files.
        scrapes: What it scrapes; nothing for a server that only takes OTLP.
        rules: Files of recording rules and alerts, evaluated every second.
        alertmanagers: Addresses, `host:port`, of what alerts are sent to.
        otlp: Settings of the OTLP receiver that replace ours: names as they are (3 only).
        features: What `--enable-feature` names.
        flags: More of the command line.
    """

    name = "prometheus"

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        scrapes: Sequence[Scrape] = (),
        rules: Sequence[Path] = (),
        alertmanagers: Sequence[str] = (),
        otlp: Mapping[str, Any] | None = None,
        features: Sequence[str] = ("exemplar-storage",),
        flags: Sequence[str] = (),
    ) -> None:
        super().__init__(program, folder)
        self.scrapes = tuple(scrapes)
        self.rules = tuple(rules)
        self.alertmanagers = tuple(alertmanagers)
        self.otlp = {"translation_strategy": EXACT_NAMES, **(otlp or {})}
        self.features = tuple(features)
        self.flags = tuple(flags)
        self.major = major_version(program)

    @property
    def address(self) -> str:
        """Its `host:port`, for another Prometheus to scrape or a data source to name."""
        return f"{HOST}:{self.ports[0]}"

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{self.address}"

    @property
    def otlp_endpoint(self) -> str:
        """The URL that takes metrics by OTLP/HTTP (protobuf); Prometheus 3 only."""
        return f"{self.url}/api/v1/otlp/v1/metrics"

    def config(self) -> dict[str, Any]:
        """The whole configuration."""
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
            },
            "rule_files": [str(path.absolute()) for path in self.rules],
            "scrape_configs": [scrape.config() for scrape in self.scrapes],
        }
        if self.alertmanagers:
            targets = [{"targets": list(self.alertmanagers)}]
            config["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
        if self.major > 2:
            config["otlp"] = self.otlp
        return config

    def command(self) -> list[str]:
        """Write the configuration and give the command line."""
        path = self.folder / "prometheus.yml"
        path.write_text(json.dumps(self.config(), indent=2))
        command = [str(self.program), f"--config.file={path}"]
        command += [f"--storage.tsdb.path={self.folder / 'data'}"]
        command += [f"--web.listen-address={self.address}", *self.flags]
        # Otherwise targets are first scraped five seconds after the start.
        command += ["--scrape.discovery-reload-interval=100ms"]
        command += [f"--enable-feature={','.join(self.features)}"] if self.features else []
        return [*command, "--web.enable-otlp-receiver"] if self.major > 2 else command

    def ready_url(self) -> str:
        """Prometheus' own readiness page."""
        return f"{self.url}/-/ready"

    def api(self, path: str, *parameters: tuple[str, str]) -> Any:
        """The `data` that the HTTP API answers at `/api/v1/<path>`.

        Raises:
            ServerError: It answered an error, with Prometheus' own words.
        """
        return fetch_json(f"{self.url}/api/v1/{path}", parameters)["data"]

    def query(self, expression: str) -> list[Sample]:
        """The result of an instant query for a vector or a scalar of floats."""
        data = self.api("query", ("query", expression))
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    def natives(self, expression: str) -> list[dict[str, Any]]:
        """The native histograms among the results of an instant query, as the API has them."""
        data = self.api("query", ("query", expression))
        return [one["histogram"][1] for one in data["result"] if "histogram" in one]

    def series(self, *match: str) -> list[dict[str, str]]:
        """The label sets of the series that any of the selectors matches."""
        found: list[dict[str, str]] = self.api("series", *[("match[]", one) for one in match])
        return found

    def metadata(self, metric: str | None = None) -> dict[str, list[dict[str, str]]]:
        """Type, help and unit by metric family, as scraped; empty for what came by OTLP."""
        found: dict[str, list[dict[str, str]]] = self.api(
            "metadata", *([("metric", metric)] if metric else [])
        )
        return found

    def targets_metadata(self) -> list[dict[str, Any]]:
        """Type, help and unit of each family of each target."""
        found: list[dict[str, Any]] = self.api("targets/metadata")
        return found

    def exemplars(self, selector: str) -> list[dict[str, Any]]:
        """The exemplars of the series that `selector` matches."""
        span = (("start", "0"), ("end", "99999999999"))
        found: list[dict[str, Any]] = self.api("query_exemplars", ("query", selector), *span)
        return found

    def wait_for(self, expression: str, timeout: float = 30.0) -> list[Sample]:
        """The result of `expression` as soon as it is not empty.

        Raises:
            ServerError: It stayed empty; the message has the last error of each target.
        """
        try:
            return wait_until(lambda: self.query(expression), timeout, f"`{expression}`")
        except ServerError as error:
            targets = self.api("targets")["activeTargets"]
            health = [f"{one['scrapeUrl']} {one['health']} {one['lastError']}" for one in targets]
            raise ServerError("\n".join([str(error), *health])) from error
