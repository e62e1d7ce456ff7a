"""Real endpoints on loopback, with TLS, with passwords, and the certificates for them."""

from __future__ import annotations

import ssl
import threading
from base64 import b64encode
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = b"# TYPE up gauge\nup 1\n"


class Certificates:
    """Two authorities, and files of what they have signed, made for one run of the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authorities = {name: trustme.CA() for name in ("ours", "other")}
        self._made: dict[str, trustme.LeafCert] = {}
        now = datetime.now(timezone.utc)
        day = timedelta(days=1)
        past, future = (now - 9 * day, now - day), (now + day, now + 9 * day)
        for name, authority, host, (begin, end) in (
            ("server", "ours", "localhost", (None, None)),
            ("other-host", "ours", "elsewhere.example", (None, None)),
            ("expired", "ours", "localhost", past),
            ("early", "ours", "localhost", future),
            ("client", "ours", "client.example", (None, None)),
            ("stranger", "other", "client.example", (None, None)),
            ("old-client", "ours", "client.example", past),
        ):
            made = self._authorities[authority].issue_cert(host, not_before=begin, not_after=end)
            self._made[name] = made
            made.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.both"))
            made.private_key_pem.write_to_path(str(folder / f"{name}.key"))
            made.cert_chain_pems[0].write_to_path(str(folder / f"{name}.cert"))
        for name, made_by in self._authorities.items():
            made_by.cert_pem.write_to_path(str(folder / f"{name}.ca"))

    def __getitem__(self, name: str) -> str:
        """Return the path of a file, such as ``server.cert`` or ``ours.ca``."""
        return str(self._folder / name)

    def context(self, name: str, *, client: bool = False) -> ssl.SSLContext:
        """Return a server's context, that asks for our clients' certificates where it has to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._made[name].configure_cert(context)
        if client:
            self._authorities["ours"].configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Endpoint(ThreadingHTTPServer):
    """Gives metrics to who shows what it wants, and remembers what it was shown."""

    daemon_threads = True
    context: ssl.SSLContext | None = None
    #: What the header Authorization must be, and the scheme that is asked for.
    wants: str | None = None
    scheme = "Basic"
    status = 200
    location: str | None = None
    body = TEXT

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        """Its port."""
        return self.server_port

    def url(self, host: str = "localhost") -> str:
        """Return its URL."""
        return f"http{'s' if self.context else ''}://{host}:{self.port}/metrics"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: that handshakes fail is what the tests are about."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS in the connection's own thread."""
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as spoken:
            super().finish_request(spoken, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        shown = {key.lower(): value for key, value in self.headers.items()}
        self.server.seen.append((self.path, shown))
        wants = self.server.wants
        if wants is not None and shown.get("authorization") != wants:
            self.send_response(401)
            self.send_header("WWW-Authenticate", f'{self.server.scheme} realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        there = self.server.location if self.path != "/there" else None
        self.send_response(self.server.status if there is None else 302)
        if there is not None:
            self.send_header("Location", there)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def endpoint(context: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """Serve until the end of the block."""
    with Endpoint() as server:
        server.context = context
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def basic(user: str, password: str) -> str:
    """Return the header of a user with a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
