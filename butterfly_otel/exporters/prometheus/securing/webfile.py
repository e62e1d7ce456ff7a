"""Prometheus' web configuration file, as the exporter-toolkit defines it.

Source: "Web configuration" of github.com/prometheus/exporter-toolkit, as of release 0.20. The
same file serves node_exporter and this. What would leave the endpoint less safe than it looks
is refused: a setting without effect, TLS 1.0 and 1.1, a certificate that is asked for and not
verified.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.prometheus.securing.passwords import is_hash
from butterfly_otel.exporters.prometheus.securing.sections import Section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECTIONS: Final = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
_TLS: Final = (
    *("cert", "key", "client_ca", "cert_file", "key_file", "client_auth_type", "client_ca_file"),
    *("client_allowed_sans", "min_version", "max_version", "cipher_suites"),
    *("prefer_server_cipher_suites", "curve_preferences"),
)
_CURVES: Final = ("CurveP256", "CurveP384", "CurveP521", "X25519")
_VERSIONS: Final = ("TLS12", "TLS13")
_OLD_VERSIONS: Final = ("TLS10", "TLS11")
#: Client authentication that is had here, and whether a certificate is asked for and needed.
_CLIENT_AUTH: Final = (
    *("NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven"),
    "RequireAndVerifyClientCert",
)
_UNVERIFIED: Final = ("RequireAnyClientCert", "RequireClientCert")
#: Headers that may be added, and the values they may have; none for any.
_HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}


@dataclass(frozen=True, slots=True)
class Pem:
    """Where something in PEM is.

    Attributes:
        path: The file; None where the text is given.
        text: The text itself.
        setting: What names it, for errors.
    """

    path: Path | None
    text: str
    setting: str


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How TLS is spoken.

    Attributes:
        certificate: The server's certificate, with those between it and its authority.
        key: Its key.
        client_ca: Who signs clients' certificates. None for the system's authorities.
        verifies: Whether a client's certificate is verified where it shows one.
        requires: Whether it has to show one.
        allowed_sans: The names of which a client's certificate must have one; none for any.
        min_version: The oldest version.
        max_version: The newest version.
        ciphers: Suites of TLS 1.2 by their IANA names; none for the default.
        server_prefers: Whether the server's order of suites decides.
        curves: Curves of the key exchange, by Go's names; none for the default.
        setting: What names all this, for errors.
    """

    certificate: Pem
    key: Pem
    setting: str
    client_ca: Pem | None = None
    verifies: bool = False
    requires: bool = False
    allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    ciphers: tuple[str, ...] = ()
    server_prefers: bool = True
    curves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebFile:
    """What a web configuration file says.

    Attributes:
        tls: How TLS is spoken; None for HTTP.
        users: bcrypt hashes of passwords by the user's name.
        headers: Added to every response.
        interval: Seconds between two requests; 0 for no limit.
        burst: Requests at once.
    """

    tls: TlsSettings | None = None
    users: Mapping[bytes, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    interval: float = 0.0
    burst: int = 0


def read_webfile(data: bytes, file: str, folder: Path) -> WebFile:
    """Return what a web configuration file says.

    Args:
        data: The file's bytes.
        file: What names it, for errors.
        folder: Where paths that are not absolute begin.

    Raises:
        ConfigurationError: When it says anything that is unknown or wrong, or PyYAML is missing.
    """
    whole = Section(file, "", _parse(data, file), _SECTIONS)
    http = Section(
        file, "http_server_config", whole.value("http_server_config"), ("http2", "headers")
    )
    # HTTP/1.1 is what is spoken, which every client can.
    http.flag("http2", default=True)
    rate = Section(file, "rate_limit", whole.value("rate_limit"), ("interval", "burst"))
    interval, burst = rate.seconds("interval"), rate.count("burst")
    if interval and not burst:
        raise rate.wrong("burst", "is 0, so that nothing would be answered: set 1 or more")
    return WebFile(
        tls=_tls(
            Section(file, "tls_server_config", whole.value("tls_server_config"), _TLS), folder
        ),
        users=MappingProxyType(_users(whole)),
        headers=_headers(http),
        interval=interval,
        burst=burst,
    )


def _parse(data: bytes, file: str) -> object:
    try:
        import yaml  # noqa: PLC0415 - an extra

        from butterfly_otel.views import safe_yaml  # noqa: PLC0415 - needs it
    except ImportError as error:
        raise ConfigurationError(
            f"{file}, and reading it needs the extra 'secure': pip install 'butterfly-otel[secure]'"
        ) from error
    try:
        return safe_yaml.parse(data.decode("utf-8-sig"), texts=True)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}, which is not YAML: it is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        # Without the text around it, which may be a secret.
        mark = error.problem_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{file}, which is not YAML{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}, which is not YAML: {type(error).__name__}") from None


def _tls(section: Section, folder: Path) -> TlsSettings | None:
    named = [each for each in _TLS[:7] if section.text(each)]
    if not named:
        for each in _TLS[7:]:
            if each in section:
                raise section.wrong(each, "has no effect without cert_file and key_file")
        return None
    certificate = _pem(section, "cert", folder)
    key = _pem(section, "key", folder)
    if certificate is None or key is None:
        missing = "cert_file" if certificate is None else "key_file"
        raise section.wrong("", f"has no {missing}: name the file in PEM")
    client_ca = _pem(section, "client_ca", folder)
    auth = _client_auth(section)
    verifies, requires = auth in _CLIENT_AUTH[2:], auth == _CLIENT_AUTH[3]
    sans = section.texts("client_allowed_sans")
    if client_ca is not None and not verifies:
        raise section.wrong(
            "client_auth_type",
            "leaves client_ca_file unused: set RequireAndVerifyClientCert",
        )
    if requires and client_ca is None:
        raise section.wrong(
            "client_auth_type",
            "would accept what any authority of this system has signed: set client_ca_file",
        )
    if "client_allowed_sans" in section and not (verifies and sans):
        raise section.wrong(
            "client_allowed_sans",
            "needs names, and client_auth_type RequireAndVerifyClientCert",
        )
    low, high = _version(section, "min_version", "TLS12"), _version(section, "max_version", "TLS13")
    if low > high:
        raise section.wrong("min_version", f"is {low}, above max_version, which is {high}")
    return TlsSettings(
        certificate=certificate,
        key=key,
        setting=section.where(),
        client_ca=client_ca,
        verifies=verifies,
        # A certificate without any of the names is refused, and so is none.
        requires=requires or bool(sans),
        allowed_sans=sans,
        min_version=low,
        max_version=high,
        ciphers=section.texts("cipher_suites"),
        server_prefers=section.flag("prefer_server_cipher_suites", default=True),
        curves=_curves(section),
    )


def _client_auth(section: Section) -> str:
    value = section.text("client_auth_type")
    if value in _UNVERIFIED:
        raise section.wrong(
            "client_auth_type",
            f"is {value}, which accepts any certificate, verified or not:"
            " set RequireAndVerifyClientCert",
        )
    return section.choice("client_auth_type", "", ("", *_CLIENT_AUTH)) or "NoClientCert"


def _version(section: Section, key: str, default: str) -> str:
    value = section.text(key, default)
    if value in _OLD_VERSIONS:
        raise section.wrong(key, f"is {value}, which is not safe any more: set TLS12 or TLS13")
    return section.choice(key, default, _VERSIONS)


def _curves(section: Section) -> tuple[str, ...]:
    curves = section.texts("curve_preferences")
    for each in curves:
        if each not in _CURVES:
            raise section.wrong(
                "curve_preferences", f"names {each!r}: use any of {', '.join(_CURVES)}"
            )
    return curves


def _pem(section: Section, key: str, folder: Path) -> Pem | None:
    text, name = section.text(key), section.text(f"{key}_file")
    if text and name:
        raise section.wrong(key, f"is there beside {key}_file: choose one of the two")
    if not text and not name:
        return None
    path = folder / name if name else None
    return Pem(path, text, section.where(f"{key}_file" if name else key))


def _users(whole: Section) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for user, hashed in whole.mapping("basic_auth_users").items():
        value = hashed.encode("utf-8", "replace")
        if ":" in user:
            raise whole.wrong(
                whole.named("basic_auth_users", user), "can't be sent: a name has no colon"
            )
        if not is_hash(value):
            raise whole.wrong(
                whole.named("basic_auth_users", user),
                "is not a bcrypt hash: make one by htpasswd -nBC 10 '' | tr -d ':\\n'",
            )
        found[user.encode("utf-8", "replace")] = value
    return found


def _headers(http: Section) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name, value in http.mapping("headers").items():
        where = http.named("headers", name)
        if name not in _HEADERS:
            raise http.wrong(where, f"can't be set: there are {', '.join(_HEADERS)}")
        if value and _HEADERS[name] and value not in _HEADERS[name]:
            raise http.wrong(where, f"is {value!r}: it must be {' or '.join(_HEADERS[name])}")
        if not value.isascii() or not value.isprintable():
            raise http.wrong(where, "has characters that no header can have")
        if value:
            found.append((name, value))
    return tuple(found)
