"""The demo in real time: configure, simulate, measure, show, until somebody stops it."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

import butterfly_otel
from butterfly_otel.demo import prometheus
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.drive import Driver
from butterfly_otel.demo.plain import PlainView
from butterfly_otel.demo.size import Size
from butterfly_otel.demo.window import Status, Window
from butterfly_otel.demo.world import DT
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType
    from typing import TextIO

    from prometheus_client import CollectorRegistry

    from butterfly_otel.demo.faults import Planned
    from butterfly_otel.demo.plain import View
    from butterfly_otel.settings.config import ExporterName

#: Least seconds between two rounds of the loop, and most between two looks at the clock.
_ROUND, _LOOK = 0.1, 1.0
#: Up to this speed every forward pass is measured layer by layer; beyond, a part of them.
_FULL_DETAIL_SPEED = 10.0
#: Seconds behind its time from which the simulation stops to catch up.
_TOO_LATE = 1.0
_SHUTDOWN_WITHIN = 10.0
_NO_PAGE = (
    "--open needs the page, which is not served: pass --exporter prometheus or both, and leave"
    " BUTTERFLY_OTEL_PROMETHEUS_PAGE unset"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the demo is to do.

    Attributes:
        speed: Simulated seconds a second.
        duration: Seconds after which it stops by itself; None to go on.
        exporters: Where metrics go; None leaves it to the environment.
        faults: The faults to inject; None for those that follow from the seed.
        plain: Write lines even where a live view could be shown.
        with_prometheus: Start a Prometheus against it.
        open_page: Show the page of the simulated cluster in a browser.
    """

    size: Size = field(default_factory=Size)
    seed: int = 0
    speed: float = 1.0
    duration: float | None = None
    exporters: Sequence[ExporterName] | None = None
    host: str | None = None
    port: int | None = None
    otlp_endpoint: str | None = None
    export_interval: float | None = None
    faults: Sequence[Planned] | None = None
    plain: bool = False
    with_prometheus: bool = False
    prometheus_binary: str | None = None
    prometheus_port: int = 9090
    open_page: bool = False


def run_demo(options: Options, out: TextIO) -> None:
    """Run the demo until its duration is over, or SIGINT or SIGTERM asks it to end.

    Args:
        options: What it is to do.
        out: Where it is shown.

    Raises:
        ConfigurationError: When it can't start: a port is in use, an option is wrong, or
            there is no Prometheus.
    """
    binary = prometheus.find_binary(options.prometheus_binary) if options.with_prometheus else None
    cluster = Cluster(options.size, options.seed, options.faults)
    status = Status(cluster, Window(), options.seed, options.speed)
    status.warnings = _size_warnings(options.size)
    with ExitStack() as stack, _until_stopped() as stop:
        runtime = _configure(options)
        stack.callback(runtime.shutdown, timeout=_SHUTDOWN_WITHIN)
        status.endpoint, status.page = runtime.prometheus_url, runtime.page_url
        driver = Driver(cluster, every=max(1, round(options.speed / _FULL_DETAIL_SPEED)))
        stack.callback(driver.stop)
        driver.start()
        if options.open_page and status.page is None:
            raise ConfigurationError(_NO_PAGE)
        if binary is not None:
            stack.enter_context(_with_prometheus(binary, options, status))
        if "otlp" in runtime.config.exporters:
            status.addresses["OTLP"] = runtime.config.otlp.endpoint
        if runtime.config.disabled:
            status.warnings.append("OTEL_SDK_DISABLED is set: nothing is measured")
        view = choose_view(options, out)
        if not isinstance(view, PlainView):
            stack.enter_context(_log_as_notes(status))
        view.begin(status)
        if options.open_page and status.page is not None:
            _open(status.page)
        stack.callback(view.end, status)
        _loop(options, status, driver, view, stop)


def choose_view(options: Options, out: TextIO) -> View:
    """Return a live view where there is a terminal and rich, else a plain one."""
    console_export = "console" in (options.exporters or ())
    if options.plain or console_export or not out.isatty() or find_spec("rich") is None:
        return PlainView(out)
    from butterfly_otel.demo.view import LiveView  # noqa: PLC0415 - rich is an optional extra

    return LiveView(out)


def _loop(
    options: Options, status: Status, driver: Driver, view: View, stop: threading.Event
) -> None:
    start = due = monotonic()
    end = start + options.duration if options.duration is not None else float("inf")
    # Fast simulations do several steps a round, slow ones wait several rounds for a step.
    steps = max(1, round(_ROUND * options.speed / DT))
    while not stop.is_set() and monotonic() < end:
        # At a speed that this machine can't reach, a whole round would outlast every signal.
        until = min(end, monotonic() + _LOOK)
        for _ in range(steps):
            step = status.cluster.advance()
            driver.measure(step)
            status.window.add(step)
            due += DT / options.speed
            if stop.is_set() or monotonic() >= until:
                break
        now = monotonic()
        status.reached = status.cluster.clock / max(now - start, DT / options.speed)
        due = now if now - due > _TOO_LATE else due
        view.update(status)
        while (left := min(due, end) - monotonic()) > 0 and not stop.wait(min(left, _LOOK)):
            view.update(status)


@contextmanager
def _until_stopped() -> Generator[threading.Event, None, None]:
    """Turn the first SIGINT or SIGTERM into an event; the next one has its usual effect."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: FrameType | None) -> None:
        restore()
        stop.set()

    for number in previous:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()


class _Notes(logging.Handler):
    """Shows log records among the events: on the screen of a live view they would be lost."""

    def __init__(self, status: Status) -> None:
        super().__init__(logging.WARNING)
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        self._status.window.tell(self._status.cluster.clock, record.getMessage())


@contextmanager
def _log_as_notes(status: Status) -> Generator[None, None, None]:
    handler = _Notes(status)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _open(page: str) -> None:
    """Show the page; a browser that takes long to start holds up nothing."""
    import webbrowser  # noqa: PLC0415 - only where it is asked for

    threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()


def _configure(options: Options) -> butterfly_otel.Runtime:
    try:
        return _start_sdk(options)
    except ConfigurationError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        # The same in the words of the command line.
        said, _, _ = str(error).partition(";")
        msg = f"{said}; choose another address by --host and --port"
        raise ConfigurationError(msg) from error


def _start_sdk(options: Options) -> butterfly_otel.Runtime:
    return butterfly_otel.configure(
        node_id="demo",
        node_role="coordinator",
        service_name="butterfly-demo",
        exporter=options.exporters,
        prometheus_host=options.host,
        prometheus_port=options.port,
        otlp_endpoint=options.otlp_endpoint,
        export_interval=options.export_interval,
        registry=_own_registry(),
        # Each simulated node begins its own series at zero, and the demo has its own handlers.
        zero_init=False,
        handle_signals=False,
        # This machine's hardware is none of the simulated nodes'.
        collectors="none",
    )


def _own_registry() -> CollectorRegistry:
    """Return a registry without what prometheus_client measures of this process.

    It would be read as the cluster's.
    """
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - keeps --help fast

    return CollectorRegistry()


@contextmanager
def _with_prometheus(binary: str, options: Options, status: Status) -> Generator[None, None, None]:
    if status.endpoint is None:
        msg = "--with-prometheus needs an endpoint to scrape; pass --exporter prometheus or both"
        raise ConfigurationError(msg)
    with TemporaryDirectory(prefix="butterfly-otel-demo-rules-") as folder:
        rules = prometheus.write_rules(Path(folder), options.speed)
        with prometheus.serve(binary, status.endpoint, options.prometheus_port, rules) as address:
            status.addresses["Prometheus"] = address
            status.addresses["alerts"] = f"{address}/alerts"
            yield


def _size_warnings(size: Size) -> list[str]:
    hit = size.limits_hit()
    return [
        f"{name} will have {series} series and reach its limit of {limit}: what is beyond goes"
        " into its overflow series"
        for name, (series, limit) in hit.items()
    ]
