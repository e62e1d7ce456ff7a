"""The golden expositions of the whole contract.

``python -m tests.contract.golden`` renews them. That changes what every user of the contract
sees: read the difference.
"""

from __future__ import annotations

import urllib.request
from contextlib import ExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry

import butterfly_otel
from tests.contract.drive import drive

FOLDER = Path(__file__).parent / "golden"
#: File name to the Accept header it answers.
FORMATS = {
    "contract.txt": "text/plain;version=0.0.4",
    "contract.openmetrics.txt": "application/openmetrics-text;version=1.0.0",
}


def expositions() -> dict[str, str]:
    """Return the exposition of the driven contract in each format, through a real scrape."""
    runtime = butterfly_otel.configure(
        node_id="compute-node-1",
        node_role="compute",
        prometheus_host="127.0.0.1",
        prometheus_port=0,
        registry=CollectorRegistry(),
        # The SDK's version is in it.
        target_info=False,
        zero_init=False,
        strict=True,
        handle_signals=False,
        collectors="none",
    )
    try:
        with ExitStack() as stack:
            drive(stack)
            return {
                name: scrape(runtime.prometheus_url or "", accept)
                for name, accept in FORMATS.items()
            }
    finally:
        runtime.shutdown()


def scrape(url: str, accept: str) -> str:
    """Return what the endpoint answers to an Accept header."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode("utf-8"))


def main() -> None:
    """Write the golden files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in expositions().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
