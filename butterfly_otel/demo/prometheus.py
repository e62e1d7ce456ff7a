"""A real Prometheus: one that scrapes the demo, with our rules, or with any configuration."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.operate.rules import Options
from butterfly_otel.render.rules import ALERTS_FILE, RULES_FILE, render_alerts, render_rules

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

#: Seconds between two scrapes; Prometheus may take so long to start and to stop.
_SCRAPE_EVERY, _START_WITHIN, _STOP_WITHIN = 5, 30.0, 10.0
_HOST = "127.0.0.1"


def find_binary(given: str | None) -> str:
    """Return the Prometheus executable to start.

    Args:
        given: Its path; None to look on PATH.

    Raises:
        ConfigurationError: When there is none.
    """
    found = shutil.which(given or "prometheus")
    if found is None:
        what = f"{given} is no executable file" if given else "there is no `prometheus` on PATH"
        msg = (
            f"{what}; install it (apt install prometheus, brew install prometheus, or"
            " https://prometheus.io/download/) or pass its path by --prometheus-binary"
        )
        raise ConfigurationError(msg)
    return found


def write_rules(folder: Path, speed: float) -> list[Path]:
    """Write the rules for a demo of this speed; return the files."""
    options = Options(scrape_interval=_SCRAPE_EVERY, speed=speed)
    texts = {RULES_FILE: render_rules(options), ALERTS_FILE: render_alerts(options)}
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


def config_text(endpoint: str, rules: Sequence[Path]) -> str:
    """Return the configuration; JSON, which is YAML and needs no library to write."""
    address = urlsplit(endpoint)
    config = {
        "global": {
            "scrape_interval": f"{_SCRAPE_EVERY}s",
            "evaluation_interval": f"{_SCRAPE_EVERY}s",
        },
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {
                "job_name": "butterfly-demo",
                "metrics_path": address.path,
                "static_configs": [{"targets": [address.netloc]}],
            }
        ],
    }
    return json.dumps(config, indent=2)


@contextmanager
def serve(
    binary: str, endpoint: str, port: int, rules: Sequence[Path]
) -> Generator[str, None, None]:
    """Run Prometheus against the demo for as long as the block runs; yield its address.

    Raises:
        ConfigurationError: When its port is in use or it does not start.
    """
    with running(binary, config_text(endpoint, rules), port) as address:
        yield address


@contextmanager
def running(binary: str, text: str, port: int) -> Generator[str, None, None]:
    """Run Prometheus with a configuration for as long as the block runs; yield its address.

    Args:
        binary: Its executable.
        text: The configuration.
        port: To listen on; 0 takes a free one.

    Raises:
        ConfigurationError: When its port is in use or it does not start.
    """
    port = _require_free(port)
    with tempfile.TemporaryDirectory(prefix="butterfly-otel-prometheus-") as folder:
        config, log = Path(folder, "prometheus.yml"), Path(folder, "log")
        config.write_text(text, "utf-8")
        command = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={_HOST}:{port}",
        ]
        with log.open("wb") as output:
            # A session of its own: Ctrl-C is for this process, which then ends Prometheus.
            process = subprocess.Popen(  # noqa: S603 - the user's own executable
                command, stdout=output, stderr=output, start_new_session=True
            )
        try:
            _await_ready(process, f"http://{_HOST}:{port}", log)
            yield f"http://{_HOST}:{port}"
        finally:
            _stop(process)


def _require_free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            msg = (
                f"Prometheus can't be started on port {port}: {error.strerror or error};"
                " choose another one by --prometheus-port"
            )
            raise ConfigurationError(msg) from error
        return int(probe.getsockname()[1])


def _await_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = monotonic() + _START_WITHIN
    while monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/-/ready", timeout=2):  # noqa: S310 - an address of ours
                return
        except (URLError, OSError):  # noqa: PERF203 - it is asked until it answers
            sleep(0.1)
    said = log.read_text("utf-8", "replace").strip().splitlines()
    msg = (
        f"Prometheus did not start: {said[-1] if said else 'it said nothing'};"
        " go on without it, and start Prometheus by hand to see more"
    )
    raise ConfigurationError(msg)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
