"""A secured endpoint by ``configure()``: its settings, its counter, and applications."""

from __future__ import annotations

import asyncio
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import ConfigurationError
from butterfly_otel.exporters.prometheus import AutoPrometheusMetricReader
from butterfly_otel.integrations.asgi import metrics_app as asgi_app
from butterfly_otel.integrations.wsgi import metrics_app as wsgi_app
from butterfly_otel.runtime.lifecycle import Runtime
from tests.certificates import HASHED, Certificates, basic, bearer

REFUSALS = "butterfly_otel_scrape_refusals_total"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Return an authority and certificates."""
    return Certificates(tmp_path / "certificates")


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    butterfly_otel.shutdown(timeout=5)


def configure(**settings: Any) -> Runtime:
    """Configure a node whose endpoint is on a free port."""
    return butterfly_otel.configure(
        node_id="n1",
        node_role="compute",
        collectors="none",
        registry=CollectorRegistry(),
        **{"prometheus_port": 0, **settings},
    )


def get(
    url: str | None, headers: Mapping[str, str], context: ssl.SSLContext | None = None
) -> tuple[int, str]:
    """Return the status and the body of a scrape."""
    assert url is not None
    request = urllib.request.Request(url, headers=dict(headers))
    handlers: list[Any] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_web_configuration_secures_the_endpoint(certificates: Certificates) -> None:
    """TLS and users of the file are had by one setting, and refusals are counted by reason."""
    runtime = configure(prometheus_web_config=certificates.web(basic_auth_users={"alice": HASHED}))
    assert runtime.prometheus_url is not None
    assert runtime.prometheus_url.startswith("https://localhost:")
    context = certificates.trusting()
    assert get(runtime.prometheus_url, {}, context)[0] == 401
    assert get(runtime.prometheus_url, basic("alice", "wrong"), context)[0] == 401
    status, text = get(runtime.prometheus_url, basic("alice"), context)
    assert status == 200
    assert f'{REFUSALS}{{reason="missing_credentials"}} 1.0' in text
    assert f'{REFUSALS}{{reason="wrong_credentials"}} 1.0' in text
    assert f'{REFUSALS}{{reason="client_certificate"}} 0.0' in text


def test_short_forms_by_variables(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificate, key, clients' authority and tokens can be variables."""
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    for name, path in (
        ("CERTIFICATE", certificates.certificate),
        ("KEY", certificates.key),
        ("CLIENT_CA", certificates.ca),
        ("BEARER_TOKEN_FILE", token),
    ):
        monkeypatch.setenv(f"BUTTERFLY_OTEL_PROMETHEUS_{name}", str(path))
    url = configure().prometheus_url
    known = certificates.trusting(known=True)
    assert get(url, bearer("t0ken"), known)[0] == 200
    assert get(url, bearer("token"), known)[0] == 401
    with pytest.raises(OSError):  # noqa: PT011 - refused by TLS
        get(url, bearer("t0ken"), certificates.trusting())


def test_nothing_is_secured_where_nothing_says_so() -> None:
    """By default the endpoint is what it was, on localhost, without a counter of refusals."""
    runtime = configure()
    assert runtime.prometheus_url is not None
    assert runtime.prometheus_url.startswith("http://localhost:")
    status, text = get(runtime.prometheus_url, {})
    assert status == 200
    assert REFUSALS not in text


def test_a_wrong_file_is_one_sentence_and_leaves_nothing_behind(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A mistake in a file is an error of ``configure()``, which can be called again."""
    path = tmp_path / "web.yml"
    path.write_text("basic_auth_users: {alice: secret}\n")
    with pytest.raises(ConfigurationError, match=r"^prometheus_web_config is '.*web\.yml', where"):
        configure(prometheus_web_config=path)
    certificates.key.chmod(0o644)
    pair = {"prometheus_certificate": certificates.certificate, "prometheus_key": certificates.key}
    with pytest.raises(ConfigurationError, match=r"^prometheus_key is '.*', which others may read"):
        configure(**pair)
    certificates.key.chmod(0o600)
    assert get(configure(**pair).prometheus_url, {}, certificates.trusting())[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1", "localhost"])  # noqa: S104
@pytest.mark.parametrize("secured", [None, "tls", "token"])
def test_an_open_door_is_told(
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    host: str,
    secured: str | None,
) -> None:
    """All interfaces without TLS and authentication are one line; anything else is none."""
    caplog.set_level(logging.INFO)
    token = tmp_path / "token"
    token.write_text("t")
    settings: dict[str, Any] = {
        "tls": {
            "prometheus_certificate": certificates.certificate,
            "prometheus_key": certificates.key,
        },
        "token": {"prometheus_bearer_token_file": token},
    }.get(secured or "", {})
    try:
        configure(prometheus_host=host, **settings)
    except ConfigurationError:
        pytest.skip("this machine has no IPv6")
    lines = [each.getMessage() for each in caplog.records if "all interfaces" in each.getMessage()]
    assert len(lines) == (1 if secured is None and host in {"0.0.0.0", "::"} else 0)  # noqa: S104


def test_an_application_asks_for_the_same_users(certificates: Certificates) -> None:
    """Applications that serve the metrics let in whom the file lets in, by WSGI and by ASGI."""
    wsgi, asgi = wsgi_app(), asgi_app()
    path = certificates.folder / "users.yml"
    path.write_text(
        f"basic_auth_users: {{alice: {HASHED}}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n"
    )
    configure(prometheus_server=False, prometheus_web_config=path)
    for call in (lambda headers: by_wsgi(wsgi, headers), lambda headers: by_asgi(asgi, headers)):
        assert call({})[0].startswith("401")
        status, headers = call(basic("alice", "wrong"))
        assert status.startswith("401")
        assert headers["www-authenticate"].startswith("Basic ")
        status, headers = call(basic("alice"))
        assert status.startswith("200")
        assert headers["x-frame-options"] == "deny"
    butterfly_otel.shutdown()
    # Nothing is there to be kept from anybody.
    assert by_wsgi(wsgi, {})[0].startswith("500")


@pytest.mark.parametrize("make", [wsgi_app, asgi_app])
def test_an_application_has_the_page_where_it_is_asked_for(
    certificates: Certificates, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the same password as the metrics; unasked, browsers get metrics there as well."""
    call = by_wsgi if make is wsgi_app else by_asgi
    html = {"Accept": "text/html,*/*;q=0.8"}
    path = certificates.folder / "users.yml"
    path.write_text(f"basic_auth_users: {{alice: {HASHED}}}")
    shown, plain = make(page=True), make()
    assert call(shown, html, "/-/ready")[0].startswith("503")
    configure(prometheus_server=False, prometheus_web_config=path)
    for at in ("/", "/-/state", "/-/contract"):
        assert call(shown, html, at)[0].startswith("401")
        assert call(shown, {**html, **basic("alice")}, at)[0].startswith("200")
    known = {**html, **basic("alice")}
    assert call(shown, known, "/")[1]["content-type"].startswith("text/html")
    assert call(shown, basic("alice"), "/")[1]["content-type"].startswith("text/plain")
    assert call(shown, html, "/-/ready")[0].startswith("200")
    assert call(plain, known, "/")[1]["content-type"].startswith("text/plain")
    assert call(plain, known, "/-/state")[0].startswith("404")
    butterfly_otel.shutdown()
    configure(prometheus_server=False, prometheus_page=False)
    assert call(shown, html, "/")[1]["content-type"].startswith("text/plain")
    butterfly_otel.shutdown()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    configure()
    assert call(shown, html, "/-/healthy")[0].startswith("200")


def by_wsgi(
    app: Any, headers: Mapping[str, str], path: str = "/metrics"
) -> tuple[str, dict[str, str]]:
    """Return the status and the headers of a scrape by WSGI."""
    environ: dict[str, Any] = {"REMOTE_ADDR": "10.0.0.7", "PATH_INFO": path}
    setup_testing_defaults(environ)
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    found: list[tuple[str, dict[str, str]]] = []

    def start(status: str, answered: list[tuple[str, str]]) -> None:
        found.append((status, {name.lower(): value for name, value in answered}))

    b"".join(app(environ, start))
    return found[0]


def by_asgi(
    app: Any, headers: Mapping[str, str], path: str = "/metrics"
) -> tuple[str, dict[str, str]]:
    """Return the status and the headers of a scrape by ASGI."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "client": ("10.0.0.8", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, None, send))
    return str(sent[0]["status"]), {
        name.decode(): value.decode() for name, value in sent[0]["headers"]
    }


def test_tls_that_another_server_has_to_speak_is_told(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """Where an application serves, its server speaks TLS: what ours would do is one line."""
    configure(prometheus_server=False, prometheus_web_config=certificates.web())
    assert caplog.text.count("are left to the server that hosts metrics_app()") == 1


def test_the_reader_of_the_entry_point_is_secured_too(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``opentelemetry-instrument`` without our configurator is no way around the password."""
    path = certificates.web(basic_auth_users={"alice": HASHED})
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
    monkeypatch.setenv("BUTTERFLY_OTEL_PROMETHEUS_WEB_CONFIG", str(path))
    reader = AutoPrometheusMetricReader()
    try:
        server = reader._server
        assert server is not None
        assert get(server.url, {}, certificates.trusting())[0] == 401
        assert get(server.url, basic("alice"), certificates.trusting())[0] == 200
    finally:
        reader.shutdown()
    path.write_text("nonsense")
    with pytest.raises(ConfigurationError, match="is not a mapping"):
        AutoPrometheusMetricReader()


@pytest.mark.parametrize("public", [True, False])
def test_probes_need_no_password_unless_asked(
    certificates: Certificates,
    public: bool,  # noqa: FBT001
) -> None:
    """Health checks are answered to everybody who speaks TLS, or to those who may scrape."""
    runtime = configure(
        prometheus_web_config=certificates.web(basic_auth_users={"alice": HASHED}),
        prometheus_health_public=public,
    )
    assert runtime.prometheus_url is not None
    context = certificates.trusting()
    for path in ("/-/healthy", "/-/ready"):
        url = runtime.prometheus_url.replace("/metrics", path)
        assert get(url, {}, context)[0] == (200 if public else 401)
        assert get(url, basic("alice"), context)[0] == 200


def test_settings_of_the_endpoint_show_no_secret(certificates: Certificates) -> None:
    """A configuration can be printed: it has the names of files alone."""
    path = certificates.web(basic_auth_users={"alice": HASHED})
    runtime = configure(prometheus_web_config=path)
    assert "web.yml" in repr(runtime.config)
    assert HASHED not in repr(runtime.config)
