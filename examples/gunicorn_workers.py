"""Four gunicorn workers that are one node: whichever is scraped has the totals of all.

    cd examples; gunicorn --workers 4 --max-requests 1000 gunicorn_workers:app
    python examples/gunicorn_workers.py --bind localhost:8000 --workers 2

Ask http://localhost:8000/ a few times, then look at http://localhost:9464/metrics: it has every
request, whichever worker answered it, also those of workers that have been replaced since.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import butterfly_otel
from butterfly_otel.integrations.wsgi import ButterflyMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

if __name__ != "__main__":
    # Each worker imports this module, and so runs this line; with --preload the parent does.
    butterfly_otel.configure(node_id="coordinator-1", node_role="coordinator", processes="shared")


def hello(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]


app = ButterflyMiddleware(hello, method={"/": "inference"})


def main() -> None:
    """Become gunicorn."""
    options = sys.argv[1:] or ["--workers", "4"]
    gunicorn = [sys.executable, "-m", "gunicorn", "--log-level", "warning"]
    folder = str(Path(__file__).parent)
    os.execv(sys.executable, [*gunicorn, "--chdir", folder, *options, "gunicorn_workers:app"])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
