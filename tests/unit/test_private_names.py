"""Private names of other packages: each is listed, and taken away in turn nothing breaks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import butterfly_otel

ROOT = Path(butterfly_otel.__file__).parent
PAGE = ROOT.parent / "docs" / "explanation" / "private-names.md"

ASGI = """
import asyncio
from starlette.middleware import base
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import StreamingResponse
from starlette.routing import Route
import butterfly_otel
from butterfly_otel.integrations.asgi import ButterflyMiddleware
from butterfly_otel.testing import capture_metrics

async def go(request):
    async def parts():
        yield b"one"
    return StreamingResponse(parts())

class Plain(base.BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)

{change}

app = Starlette(routes=[Route("/go", go)], middleware=[Middleware(Plain)])
app = ButterflyMiddleware(app, method={{"/go": "inference"}})

async def ask():
    asked = iter([{{"type": "http.request", "body": b""}}])
    async def receive():
        for message in asked:
            return message
        await asyncio.Event().wait()
    async def send(message):
        pass
    scope = {{"type": "http", "method": "GET", "path": "/go", "headers": [], "query_string": b""}}
    await app(scope, receive, send)

with capture_metrics() as captured:
    for _ in range(2):
        asyncio.run(ask())
    print(captured.total("butterfly_requests_total", status="success"))
"""
NO_CLASS = "del base.BaseHTTPMiddleware"
NO_APP = """
import sys

class Moved:
    def __get__(self, it, owner=None):
        if sys._getframe(1).f_code.co_name == "watched":  # ours
            raise AttributeError("app")
        return it._moved
    def __set__(self, it, app):
        it._moved = app

base.BaseHTTPMiddleware.app = Moved()
"""

PROMETHEUS = """
from prometheus_client import CollectorRegistry, Counter
import butterfly_otel
from butterfly_otel import metrics

class Moved(CollectorRegistry):
    def __getattribute__(self, name):
        import sys
        ours = "butterfly_otel" in sys._getframe(1).f_code.co_filename
        if name == {name!r} and ours:
            raise AttributeError(name)
        return super().__getattribute__(name)

registry = Moved()
Counter("foreign", "Somebody else's.", registry=registry).inc(3)
running = butterfly_otel.configure(
    node_id="n", node_role="compute", registry=registry, collectors="none", prometheus_port=0,
    handle_signals=False,
)
metrics.tokens_processed_total.add(7, model="m")
for _ in range(2):
    text = running.prometheus_reader.render(None, timeout=10)[1].decode()
ours = 'butterfly_tokens_processed_total{{model="m",node_id="n"}} 7.0'
print(ours in text, "foreign_total 3.0" in text)
"""

FASTAPI = """
from fastapi import APIRouter, FastAPI
from fastapi import routing
from butterfly_otel.integrations.starlette import route_of
from butterfly_otel.integrations.templates import tell_unmatched
for each in list(vars(routing).values()):
    if hasattr(each, "effective_route_contexts"):
        del each.effective_route_contexts
app = FastAPI()
router = APIRouter()
router.add_api_route("/go", lambda: 1)
app.include_router(router)
tell_unmatched([("", "/go")], app)
print("imported")
"""

LATE = """
import asyncio
from starlette.applications import Starlette
from butterfly_otel import ConfigurationError
from butterfly_otel.integrations.asgi import ButterflyMiddleware
build = Starlette.build_middleware_stack
build.__code__ = build.__code__.replace(co_name="moved")
app = Starlette()
app.add_middleware(ButterflyMiddleware, method={"/go": "chat"})
try:
    asyncio.run(app({"type": "lifespan"}, None, None))
except ConfigurationError as error:
    print(error)
"""

GRPC = """
from butterfly_otel.decorators.error_types import ERROR_TYPES
from butterfly_otel.decorators.red import RequestCall
from butterfly_otel.decorators.red_series import series
from butterfly_otel.integrations.grpc import failed_by_code
from butterfly_otel.integrations.grpc.serving import ServedCall
from butterfly_otel.testing import capture_metrics

with capture_metrics() as captured:
    for aio in (False, True):
        for error in (None, ValueError()):
            call = RequestCall(series("inference", None), ERROR_TYPES)
            ServedCall(call, ERROR_TYPES, failed_by_code, object(), aio=aio).end(error, None)
    print(captured.total("butterfly_requests_total", status="success"))
    print(captured.total("butterfly_request_errors_total", error_type="value_error"))
"""

GONE: dict[str, tuple[str, str, str]] = {
    "BaseHTTPMiddleware": (ASGI.format(change=NO_CLASS), "2\n", "has no BaseHTTPMiddleware: a"),
    "BaseHTTPMiddleware.app": (ASGI.format(change=NO_APP), "2\n", "no BaseHTTPMiddleware.app"),
    "_collector_to_names": (
        PROMETHEUS.format(name="_collector_to_names"),
        "True True\n",
        "does not tell its collectors",
    ),
    "_lock": (PROMETHEUS.format(name="_lock"), "True True\n", "does not tell its collectors"),
    "effective_route_contexts": (FASTAPI, "imported\n", ""),
    "build_middleware_stack": (
        LATE,
        (
            "the route '/go' has the method 'chat', which is none of inference, checkpoint,"
            " health_check\n"
        ),
        "",
    ),
    "context.code": (GRPC, "2\n2\n", "ServedCall._judge raised; None"),
}


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("name", GONE)
def test_without_a_private_name_the_rest_goes_on(name: str) -> None:
    """What depends on it is missing, which is said once; requests and scrapes are as before."""
    program, printed, told = GONE[name]
    done = run(program)
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr
    if told:
        assert done.stderr.count(told) == 1, done.stderr


AIOQUIC = """
import asyncio
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from butterfly_otel.integrations.aioquic import internals, track_connection

class Without:
    def __init__(self, thing):
        self.__dict__["thing"] = thing
    def __getattr__(self, name):
        if name == {name!r}:
            raise AttributeError(name)
        value = getattr(self.thing, name)
        return Without(value) if name in ("_quic", "_loss", "_cc") else value

async def main():
    quic = QuicConnection(configuration=QuicConfiguration(is_client=True))
    quic.connect(("127.0.0.1", 9), now=0.0)
    quic.send_stream_data(0, b"x")
    quic._loss._rtt_initialized = True
    for _ in range(2):
        protocol = Without(QuicConnectionProtocol(quic))
        tracked = track_connection(protocol, to_node="peer")
        found = internals.quic_of(protocol)
        if found is not None:
            internals.snapshot(found)
        tracked.message_sent("tensor")
        tracked.unregister()

asyncio.run(main())
print("tracked")
"""


@pytest.mark.parametrize(
    "name",
    [
        "_quic",
        "_close_event",
        "_handshake_complete",
        "_loss",
        "_rtt_initialized",
        "_rtt_smoothed",
        "congestion_window",
        "_cc",
        "on_packet_sent",
        "on_packets_lost",
        "_streams",
        "datagrams_to_send",
        "receive_datagram",
        "quic_event_received",
    ],
)
def test_without_a_name_of_aioquic_connections_are_tracked(name: str) -> None:
    """Each name that is gone costs what it feeds, and a line in the log."""
    pytest.importorskip("aioquic")
    done = run(AIOQUIC.format(name=name))
    assert (done.stdout, done.returncode) == ("tracked\n", 0), done.stderr
    assert f".{name}: " in done.stderr
    assert len(done.stderr.splitlines()) == len(set(done.stderr.splitlines()))


#: Modules whose private names are the SDK's and the official exporters', which are tried elsewhere.
OF_THE_SDK = re.compile(
    r"engine/|exporters/(otlp|push|prometheus/.*reader)|integrations/instrument|process/tracing"
)


def private_names(path: Path) -> set[str]:
    """Return the private attributes that a module takes from what is not its own."""
    tree = ast.parse(path.read_text())
    own = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    }
    names: set[str] = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr)
    }
    asked: set[Any] = {
        node.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for node in call.args[1:2]
        if isinstance(node, ast.Constant) and re.match(r"_[a-z]", str(node.value))
    }
    return (names | asked) - own


def test_every_private_name_is_listed() -> None:
    """What is used of others behind an underscore stands on the page, with what happens then."""
    page = PAGE.read_text()
    ours = {"_handle", "_values", "_observe", "_replace", "_make", "_cells", "_signals", "_look_up"}
    # Suffixes of samples, which are no names of Python's.
    ours |= {"_bucket", "_count", "_sum", "_gcount", "_gsum", "_created"}
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in ROOT.rglob("*.py")
        if path.name != "metrics.py" and not OF_THE_SDK.search(path.as_posix())
        for name in private_names(path) - ours
        if f"`{name}`" not in page
    }
    assert missing == set()
