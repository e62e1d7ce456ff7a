"""``butterfly-otel top``: endpoints with our metrics, live in the terminal.

``--json`` prints one object a round, on one line: ``{"rows": [{"node": …, "url": …, "error":
null, "requests_per_second": 12.5, …}]}``. The figures are those of
:class:`~butterfly_otel.cli.top.figures.Row`, null where they are not known.

Exit codes: 0, all endpoints answered the last time; 1, some did not; 2, none did, or wrong usage.

A column is a field of ``figures.Row`` and an entry in ``table``; scrapes are read by
``lint.expositions``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING

from butterfly_otel.cli.access import EPILOG, access_of, add_access_options
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from butterfly_otel.cli.top.figures import Row
    from butterfly_otel.lint.expositions.fetch import Client
    from butterfly_otel.lint.expositions.growth import Scrape

_DESCRIPTION = """\
Show what endpoints with Butterfly's metrics are doing, live: requests, errors, latency, tokens,
queues, GPUs, memory, quorum, faults. Rates and quantiles are those of the last interval.
An exclamation mark, or red, is what an alert would look at. Press q to quit.
"""
_EPILOG = f"""\
exit codes: 0 all endpoints answered the last time; 1 some did not; 2 none did, or wrong usage.

{EPILOG}
examples:
  butterfly-otel top http://localhost:9464/metrics
  butterfly-otel top --once node-1:9464 node-2:9464 --ca ca.pem --bearer-file token
  butterfly-otel top --file-sd targets.yml
  butterfly-otel top --json --interval 10 http://node-1:9464 |
    jq -c '.rows[] | select(.p99) | {{node, p99}}'  # null where no request ended
"""
_MOST_AT_ONCE = 32


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "top",
        help="watch endpoints live in the terminal",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("urls", nargs="*", metavar="URL", help="endpoint: a URL or a host:port")
    add(
        "--file-sd",
        action="append",
        default=[],
        metavar="FILE",
        help="file of endpoints, in JSON or YAML, as Prometheus' file_sd_configs; repeatable",
    )
    add(
        "--interval",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="between two scrapes (default: 2)",
    )
    add("--timeout", type=float, metavar="SECONDS", help="for an answer (default: 5)", default=5.0)
    add("--once", action="store_true", help="scrape twice, print once, in plain text")
    add("--plain", action="store_true", help="lines of text instead of the live view")
    add("--json", action="store_true", help="print one JSON object a line, each round")
    add_access_options(parser)
    parser.set_defaults(run=run)


class Watch:
    """Scrapes endpoints again and again, and keeps of each what it said last.

    Args:
        urls: The endpoints; one that is given twice is scraped once.
        timeout: Seconds that each has for an answer.
        clock: Monotonic seconds.
        client: What reads them; by default it shows nothing to them.
    """

    def __init__(
        self,
        urls: Sequence[str],
        timeout: float,
        clock: Callable[[], float] = monotonic,
        client: Client | None = None,
    ) -> None:
        from butterfly_otel.lint.expositions.fetch import Client  # noqa: PLC0415

        self._client = Client() if client is None else client
        self._urls = tuple(dict.fromkeys(urls))
        self._timeout = timeout
        self._clock = clock
        self._last: dict[str, Scrape] = {}

    def round(self) -> list[Row]:
        """Scrape all endpoints at once; return rows sorted by node.

        One that does not answer has a row that says why. When it comes back its rates begin
        anew: those over the time it was gone would tell of no interval.
        """
        from butterfly_otel.cli.top.figures import sorted_rows  # noqa: PLC0415

        with ThreadPoolExecutor(min(len(self._urls), _MOST_AT_ONCE)) as pool:
            return sorted_rows(row for rows in pool.map(self._rows, self._urls) for row in rows)

    def _rows(self, url: str) -> list[Row]:
        from butterfly_otel.cli.top.figures import Row, address, rows_of  # noqa: PLC0415
        from butterfly_otel.lint.expositions.fetch import TargetError  # noqa: PLC0415
        from butterfly_otel.lint.expositions.growth import read_scrape  # noqa: PLC0415

        before = self._last.pop(url, None)
        try:
            answer = self._client.read(url, "auto", self._timeout)
        except TargetError as error:
            return [Row(address(url), url, error=str(error))]
        now = self._last[url] = read_scrape(answer, self._clock())
        if not any(name.startswith("butterfly_") for name in now.exposition.samples):
            return [Row(address(url), url, error=f"{url} has no metric of Butterfly")]
        return rows_of(url, before, now)


def run(args: argparse.Namespace) -> int:
    """Watch until it is stopped, or print once.

    Raises:
        ConfigurationError: When an option is wrong.
    """
    for name in ("interval", "timeout"):
        if not 0 < getattr(args, name) < float("inf"):
            msg = f"--{name} is {getattr(args, name):g}; pass a number of seconds above 0"
            raise ConfigurationError(msg)
    watch = _watch(args)
    if args.once:
        return _once(watch, args)
    return _again_and_again(watch, args)


def _watch(args: argparse.Namespace) -> Watch:
    from butterfly_otel.cli.discovered import targets_of  # noqa: PLC0415
    from butterfly_otel.lint.expositions.fetch import Client, TargetError, url_of  # noqa: PLC0415

    try:
        access = access_of(args)
        targets = targets_of(args.urls, args.file_sd)
        urls = [url_of(_endpoint(each), secure=access.is_tls) for each in targets]
    except TargetError as error:
        raise ConfigurationError(str(error)) from None
    return Watch(urls, args.timeout, client=Client(access))


def _endpoint(target: str) -> str:
    from butterfly_otel.lint.expositions.fetch import is_endpoint  # noqa: PLC0415

    if not is_endpoint(target):
        msg = f"{target} is no endpoint that can be watched; a URL or a host:port can"
        raise ConfigurationError(msg)
    return target


def _once(watch: Watch, args: argparse.Namespace) -> int:
    watch.round()
    sleep(args.interval)
    rows = watch.round()
    _print(rows, args)
    return _exit_code(rows)


def _again_and_again(watch: Watch, args: argparse.Namespace) -> int:
    from butterfly_otel.cli.top.keys import keyboard  # noqa: PLC0415

    rows: list[Row] = []
    with ExitStack() as stack:
        show = _live(args, stack) or partial(_print, args=args)
        wait = stack.enter_context(keyboard(listen=not args.json and sys.stdout.isatty()))
        due = monotonic()
        while True:
            rows = watch.round()
            show(rows)
            # Whatever was missed while an endpoint did not answer is not made up for.
            due = max(due + args.interval, monotonic())
            try:
                if wait(due - monotonic()):
                    break
            except KeyboardInterrupt:
                break
    return _exit_code(rows)


def _live(args: argparse.Namespace, stack: ExitStack) -> Callable[[Sequence[Row]], None] | None:
    if args.json or args.plain or not sys.stdout.isatty():
        return None
    try:
        from butterfly_otel.cli.top.live import LiveView  # noqa: PLC0415 - optional extra
    except ImportError:
        print(
            "plain text, since rich is missing: pip install 'butterfly-otel[cli]'", file=sys.stderr
        )
        return None
    view = stack.enter_context(LiveView(sys.stdout))
    return lambda rows: view.show(rows, args.interval)


def _print(rows: Sequence[Row], args: argparse.Namespace) -> None:
    from butterfly_otel.cli.top.table import plain_table  # noqa: PLC0415

    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}), flush=True)
        return
    # A terminal would break long lines; a pipe gets all of them.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    end = "\n" if args.once else "\n\n"
    print("\n".join(plain_table(rows, width)), end=end, flush=True)


def _exit_code(rows: Sequence[Row]) -> int:
    failed = sum(row.error is not None for row in rows)
    if not failed:
        return 0
    return 1 if failed < len(rows) else 2
