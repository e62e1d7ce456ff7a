"""Health checks of what is configured, by our server and by an application of the user's."""

from __future__ import annotations

import http.client
import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.prometheus.serving.app import respond
from butterfly_otel.exporters.prometheus.serving.health import health_routes
from butterfly_otel.exporters.prometheus.serving.site import Request, Response, plain
from butterfly_otel.integrations.scraping import CurrentMetrics, CurrentSite
from tests.unit.collectors.support import FakeSource, Hang, eventually

if TYPE_CHECKING:
    from collections.abc import Collection

NODE: dict[str, Any] = {"node_id": "n", "node_role": "compute", "prometheus_port": 0}


@pytest.fixture(autouse=True)
def _ended() -> Any:
    yield
    butterfly_otel.shutdown(0)


def configure(**settings: Any) -> butterfly_otel.Runtime:
    """Configure with no collectors but those given, in a registry of its own."""
    settings = {"collectors": "none", "registry": CollectorRegistry(), **NODE, **settings}
    return butterfly_otel.configure(**settings)


def ask(url: str | None, path: str) -> tuple[int, str]:
    """Return the status and the text of an answer of the endpoint."""
    assert url is not None
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def current(path: str) -> tuple[int, str]:
    """Return what an application of the user's answers."""
    response = respond(CurrentMetrics(), Request("GET", path), CurrentSite(page=False))
    return int(response.status[:3]), response.body.decode()


def test_ready_waits_for_the_first_round_of_every_collector() -> None:
    """Until then it says which it waits for; the process is healthy all the while."""
    hang, quick = Hang(), FakeSource(name="quick")
    slow = FakeSource(name="slow", deadline=600)
    slow.pause = hang
    url = configure(collectors=[slow, quick]).prometheus_url
    waiting = (503, "Not ready: not read yet by the collectors: slow.\n")
    try:
        eventually(lambda: ask(url, "/-/ready") == waiting)
        assert current("/-/ready") == waiting
        assert ask(url, "/-/healthy") == current("/-/healthy") == (200, "The process answers.\n")
    finally:
        hang.released.set()
    eventually(lambda: ask(url, "/-/ready") == (200, "Ready.\n"))
    assert current("/-/ready") == (200, "Ready.\n")


@pytest.mark.parametrize("how", ["raises", "hangs", "absent"])
def test_a_collector_that_can_not_read_keeps_no_node_out_of_service(how: str) -> None:
    """One that raises has had its round; one that hangs past its deadline is not waited for."""
    source = FakeSource(name="bad", deadline=0.01 if how == "hangs" else 600)
    released = threading.Event()
    if how == "raises":
        source.reading = SystemExit("driver")
    elif how == "absent":
        source.opening = butterfly_otel.collectors.UnavailableError("not here")
    else:
        # Longer than the test waits.
        source.pause = lambda: released.wait(300)
    url = configure(collectors=[source]).prometheus_url
    try:
        eventually(lambda: ask(url, "/-/ready") == (200, "Ready.\n"))
    finally:
        released.set()


def test_an_application_is_ready_when_it_is_configured() -> None:
    """Before configure() and after shutdown() it says so; it is healthy always."""
    unconfigured = (503, "Not ready: butterfly-otel is not configured.\n")
    assert current("/-/ready") == unconfigured
    runtime = configure(prometheus_server=False)
    assert current("/-/ready") == (200, "Ready.\n")
    butterfly_otel.shutdown()
    assert current("/-/ready") == unconfigured
    assert runtime.missing() == "Not ready: butterfly-otel has been shut down."
    assert current("/-/healthy")[0] == 200
    assert len(CurrentSite(page=False)) == len(list(CurrentSite(page=False))) == 2


def test_a_disabled_sdk_keeps_no_application_from_being_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who switches metrics off still has a service to run."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    configure()
    assert current("/-/ready") == (200, "Ready.\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_worker_becomes_ready_though_nobody_scrapes_it() -> None:
    """Asking is enough for its collectors to start: a balancer sends nobody there before."""
    source = FakeSource(name="one")
    configure(collectors=[source], prometheus_server=False)
    eventually(lambda: current("/-/ready")[0] == 200)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            source.calls.clear()
            eventually(lambda: current("/-/ready")[0] == 200 and source.calls["read"] > 0)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_reader_by_itself_has_health_checks_too() -> None:
    """A reader's own server is ready for as long as it serves."""
    reader = PrometheusMetricReader(registry=CollectorRegistry())
    server = reader.start_server("127.0.0.1", 0)
    try:
        assert ask(server.url, "/-/ready") == (200, "Ready.\n")
        assert ask(server.url, "/-/healthy")[0] == 200
    finally:
        reader.shutdown()


class _Closed:
    """Refuses everybody."""

    def refuse(self, request: Request) -> Response | None:  # noqa: ARG002
        return plain("401 Unauthorized", "No.")


class _NoMetrics:
    """Must not be asked for metrics."""

    def render(
        self, accept: str | None = None, names: Collection[str] | None = None, *, timeout: float
    ) -> tuple[str, bytes]:
        raise AssertionError(accept, names, timeout)


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_is_public_unless_that_is_not_wanted(path: str) -> None:
    """Probes carry no password, unless a setting asks for one; no metrics are made for them."""
    request = Request("GET", path)
    site = health_routes(lambda: None)
    assert respond(_NoMetrics(), request, site, _Closed()).status == "200 OK"
    site = health_routes(lambda: None, public=False)
    assert respond(_NoMetrics(), request, site, _Closed()).status == "401 Unauthorized"
    configure(prometheus_server=False)
    assert CurrentSite(page=False)[path].public
    butterfly_otel.shutdown()
    configure(prometheus_server=False, prometheus_health_public=False)
    assert not CurrentSite(page=False)[path].public
