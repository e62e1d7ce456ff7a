"""Measures one group in this process and writes its figures as JSON: run by ``__main__``."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.measure import Settings, pin

_MODULES = {
    "api": "calls",
    "handles": "calls",
    "attributes": "finding",
    "labels": "finding",
    "churn": "finding",
    "decorators": "decorators",
    "noop": "calls",
    "tracing": "conditions",
    "deltas": "conditions",
    "numbers": "conditions",
    "free_threaded": "free_threaded",
    "scrape": "scrapes",
    "scale": "scrapes",
    "start": "pulls",
    "first": "pulls",
    "observed": "pulls",
    "exemplars": "pulls",
    "processes": "processes",
    "sharing": "sharing",
    "otlp": "otlp",
    "memory": "memory",
    "anatomy": "anatomy",
}


def main(group: str, rounds: str, quick: str) -> None:
    """Measure ``group``."""
    # Only what the group needs is imported, so that nothing else is in the way.
    measure = getattr(import_module(f"benchmarks.{_MODULES[group]}"), group)
    pin(2 if group == "free_threaded" else 1)
    figures = measure(Settings(rounds=int(rounds), quick=quick == "quick"))
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
