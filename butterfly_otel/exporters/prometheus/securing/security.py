"""Everything about who may scrape, put together, and read again when a file changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.prometheus.securing.bucket import Bucket
from butterfly_otel.exporters.prometheus.securing.context import make_context, plain_address
from butterfly_otel.exporters.prometheus.securing.credentials import Credentials, later
from butterfly_otel.exporters.prometheus.securing.files import Files, Watch, check_private
from butterfly_otel.exporters.prometheus.securing.handshake import Handshakes
from butterfly_otel.exporters.prometheus.securing.passwords import require_bcrypt
from butterfly_otel.exporters.prometheus.securing.refusals import Refusals
from butterfly_otel.exporters.prometheus.securing.tokens import read_tokens
from butterfly_otel.exporters.prometheus.securing.webfile import (
    Pem,
    TlsSettings,
    WebFile,
    read_webfile,
)
from butterfly_otel.exporters.prometheus.serving.server import PLAIN
from butterfly_otel.exporters.prometheus.serving.site import Response
from butterfly_otel.exporters.prometheus.serving.stream import source_of
from butterfly_otel.process import forks
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from butterfly_otel.exporters.prometheus.securing.refusals import Refusal
    from butterfly_otel.exporters.prometheus.serving.site import Request
    from butterfly_otel.exporters.prometheus.serving.stream import Transport
    from butterfly_otel.settings.exporters import PrometheusSettings

_logger = logging.getLogger("butterfly_otel")

_WEB_CONFIG: Final = "prometheus_web_config"
_TOKEN_FILE: Final = "prometheus_bearer_token_file"  # noqa: S105 - a setting's name


@dataclass(frozen=True, slots=True)
class State:
    """What files say, made ready.

    Attributes:
        web: The web configuration, with TLS by the short forms.
        context: How TLS is spoken; None for HTTP.
        names: The names of which a client's certificate must have one; none for any.
        tokens: Digests of bearer tokens.
    """

    web: WebFile
    context: ssl.SSLContext | None
    names: frozenset[str]
    tokens: frozenset[bytes]

    @property
    def defences(self) -> dict[str, bool]:
        """What keeps others out, by what it is called."""
        tls = self.web.tls
        return {
            "TLS": tls is not None,
            "clients' certificates": tls is not None and tls.requires,
            "the names of clients' certificates": bool(self.names),
            "users": bool(self.web.users),
            "tokens": bool(self.tokens),
        }


def read_state(settings: PrometheusSettings, files: Files) -> State:
    """Return what the files of the settings say.

    Raises:
        ConfigurationError: When one can't be read, says something wrong, or needs an extra.
    """
    web = WebFile()
    tls = _short_tls(settings)
    if settings.web_config is not None:
        path = settings.web_config
        where = f"{_WEB_CONFIG} is {printable(str(path))!r}"
        web = read_webfile(files.read(path, _WEB_CONFIG), where, path.parent)
        if web.tls is not None and web.tls.key.path is None:
            check_private(path, _WEB_CONFIG)
        if web.users:
            require_bcrypt(where)
        tls = tls or web.tls
    tokens: frozenset[bytes] = frozenset()
    if settings.bearer_token_file is not None:
        path = settings.bearer_token_file
        where = f"{_TOKEN_FILE} is {printable(str(path))!r}"
        tokens = read_tokens(files.read(path, _TOKEN_FILE), where)
    names = frozenset(map(plain_address, tls.allowed_sans)) if tls else frozenset[str]()
    context = make_context(tls, files) if tls else None
    web = WebFile(tls, web.users, web.headers, web.interval, web.burst)
    return State(web, context, names, tokens)


def _short_tls(settings: PrometheusSettings) -> TlsSettings | None:
    if settings.certificate is None or settings.key is None:
        return None
    authority = settings.client_ca
    return TlsSettings(
        certificate=Pem(settings.certificate, "", "prometheus_certificate"),
        key=Pem(settings.key, "", "prometheus_key"),
        setting="prometheus_certificate",
        client_ca=None if authority is None else Pem(authority, "", "prometheus_client_ca"),
        verifies=authority is not None,
        requires=authority is not None,
    )


class Security:
    """Decides who gets an answer, and how TLS is spoken: a gate and a transport of one server.

    Files are looked at before each request and handshake, and read again when they have changed.
    One that is wrong then is told once, and what was read before stays; so it does where a
    defence is gone from a file altogether, which may be half written.

    Args:
        settings: The settings of the endpoint.
        count: Called with the reason of each refusal.

    Raises:
        ConfigurationError: When a file is wrong.

    Thread-safe.
    """

    def __init__(self, settings: PrometheusSettings, count: Callable[[Refusal], None]) -> None:
        self._settings = settings
        files = Files()
        self._state = read_state(settings, files)
        self._files, self._watch = files, Watch(files.marks)
        self._problem = ""
        self._lock = forks.lock()
        self._refusals = Refusals(count)
        self._credentials = Credentials(self._refusals)
        self._bucket = Bucket(self._state.web.interval, self._state.web.burst)

    @property
    def transport(self) -> Transport:
        """What makes streams of connections."""
        return PLAIN if self._state.context is None else Handshakes(self._tls, self._refusals)

    @property
    def is_closed(self) -> bool:
        """Whether there is TLS or authentication."""
        return any(self._state.defences.values())

    def tell_if_unused(self) -> None:
        """Log a line where it is for another server to speak the TLS of the settings."""
        if self._state.context is not None:
            _logger.warning(
                "TLS and clients' certificates of the Prometheus endpoint are left to the server"
                " that hosts metrics_app(), since prometheus_server is false"
            )

    def refuse(self, request: Request) -> Response | None:
        """Return the response that refuses a request; None lets it pass."""
        state = self._current()
        refusal = self._credentials.refuse(request, state.web.users, state.tokens)
        if refusal is None and (wait := self._bucket.take()):
            # After who it is, so that nobody else can use up what a scraper is granted.
            self._refusals.add("rate_limit", source_of(request.client))
            refusal = later("There are too many requests; try again later.", wait)
        return refusal

    def adorn(self, response: Response) -> Response:
        """Return a response with the headers that were asked for, except those it has."""
        added = self._state.web.headers
        if not added:
            return response
        own = {name.lower() for name, _ in response.headers}
        more = (each for each in added if each[0].lower() not in own)
        return Response(response.status, (*response.headers, *more), response.body)

    def _tls(self) -> tuple[ssl.SSLContext, frozenset[str]]:
        state = self._current()
        if state.context is None:
            raise ConnectionAbortedError
        return state.context, state.names

    def _current(self) -> State:
        # Others go by what is there meanwhile: nobody waits for files.
        if self._watch.changed() and self._lock.acquire(blocking=False):
            try:
                self._read_again()
            finally:
                self._lock.release()
        return self._state

    def _read_again(self) -> None:
        files = Files()
        try:
            state = read_state(self._settings, files)
            if files.found != self._files.found:
                self._change(state, files)
            self._problem = ""
        except ConfigurationError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _logger.warning(
                    "The Prometheus endpoint goes on with the certificate, users and tokens that"
                    " it has: %s",
                    error,
                )
        except Exception:  # a library may raise anything on what is half written
            _logger.exception("Files of the Prometheus endpoint could not be read again")
        # What can't be read yet is looked at again as well.
        self._watch = Watch({**self._files.marks, **files.marks})

    def _change(self, state: State, files: Files) -> None:
        before, after = self._state.defences, state.defences
        gone = [name for name in before if before[name] and not after[name]]
        if gone or before["TLS"] != after["TLS"]:
            what = f"takes away {' and '.join(gone)}" if gone else "begins with TLS"
            raise ConfigurationError(
                f"{_WEB_CONFIG} {what}, which only a new start may do: start the process again,"
                " or put it back"
            )
        if (state.web.interval, state.web.burst) != (
            self._state.web.interval,
            self._state.web.burst,
        ):
            self._bucket = Bucket(state.web.interval, state.web.burst)
        self._state, self._files = state, files
        _logger.info("The Prometheus endpoint has new certificates, users or tokens")
