"""From settings of TLS to a context of the ssl module."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.exporters.prometheus.securing.files import as_file
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.exporters.prometheus.securing.files import Files
    from butterfly_otel.exporters.prometheus.securing.webfile import Pem, TlsSettings

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
#: Forward secrecy and authenticated encryption, as every client of TLS 1.2 has by now.
_DEFAULT_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
#: Suites of TLS 1.3, which Go lets nobody choose among.
_ALWAYS: Final = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
}
#: What tls.CipherSuites() of Go lists for TLS 1.2, by OpenSSL's names.
_SUITES: Final = {
    f"TLS_ECDHE_{signed}_WITH_{iana}": f"ECDHE-{signed}-{openssl}"
    for signed in ("ECDSA", "RSA")
    for iana, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
}


def make_context(tls: TlsSettings, files: Files) -> ssl.SSLContext:
    """Return a context for a server.

    Raises:
        ConfigurationError: When a file can't be read, is no PEM, others may read the key, key and
            certificate are not one another's, or OpenSSL lacks what is asked for.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if tls.server_prefers:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # A session that goes on elsewhere would not be looked at again.
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    _set_ciphers(context, tls)
    _set_curves(context, tls)
    _load_certificate(context, tls, files)
    if tls.verifies:
        context.verify_mode = ssl.CERT_REQUIRED if tls.requires else ssl.CERT_OPTIONAL
        _load_authorities(context, tls.client_ca, files)
    return context


def _set_ciphers(context: ssl.SSLContext, tls: TlsSettings) -> None:
    for each in tls.ciphers:
        if each not in _SUITES and each not in _ALWAYS:
            raise ConfigurationError(
                f"{tls.setting} has cipher_suites with {each!r}, which is unknown or not safe:"
                f" use any of {', '.join((*_SUITES, *sorted(_ALWAYS)))}"
            )
    chosen = [_SUITES[each] for each in tls.ciphers if each in _SUITES]
    if tls.ciphers and not chosen:
        if tls.max_version == "TLS12":
            raise ConfigurationError(
                f"{tls.setting} has cipher_suites of TLS 1.3 alone and max_version TLS12: name"
                " suites of TLS 1.2 as well"
            )
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    try:
        context.set_ciphers(":".join(chosen) or _DEFAULT_CIPHERS)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{tls.setting} has cipher_suites of which OpenSSL has none here: leave it out"
        ) from error


def _set_curves(context: ssl.SSLContext, tls: TlsSettings) -> None:
    if not tls.curves:
        return
    names = [_CURVES[each] for each in tls.curves]
    several = getattr(context, "set_groups", None)
    try:
        if several is not None:
            several(":".join(names))
        else:
            # Before Python 3.15 there can be one only.
            context.set_ecdh_curve(names[0])
    except (ValueError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{tls.setting} has curve_preferences that OpenSSL has not here: leave it out"
        ) from error


def _load_certificate(context: ssl.SSLContext, tls: TlsSettings, files: Files) -> None:
    certificate, key = _read(tls.certificate, files), _read(tls.key, files, secret=True)
    for pem, data, kind in (
        (tls.certificate, certificate, b"CERTIFICATE-----"),
        (tls.key, key, b"PRIVATE KEY-----"),
    ):
        if kind not in data:
            what = kind.decode().strip("-").lower()
            raise ConfigurationError(f"{_named(pem)}, which holds no {what} in PEM")
    with as_file(certificate) as certificate_path, as_file(key) as key_path:
        try:
            context.load_cert_chain(certificate_path, key_path, password=_no_password)
        except _EncryptedError:
            raise ConfigurationError(
                f"{_named(tls.key)}, which is encrypted: write the key without its passphrase,"
                " by openssl pkey"
            ) from None
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            beside = tls.certificate.path
            other = "beside it" if beside is None else f"in {printable(str(beside))!r}"
            what = (
                f"is not the key of the certificate {other}: give those that belong together"
                if reason == "KEY_VALUES_MISMATCH"
                else f"can't be used with the certificate {other}: {reason}"
            )
            raise ConfigurationError(f"{_named(tls.key)}, which {what}") from error


class _EncryptedError(Exception):
    """A key wants a passphrase."""


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal.
    raise _EncryptedError


def _load_authorities(context: ssl.SSLContext, pem: Pem | None, files: Files) -> None:
    if pem is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    data = _read(pem, files)
    try:
        with as_file(data) as path:
            context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"{_named(pem)}, which holds no certificate in PEM") from error


def _read(pem: Pem, files: Files, *, secret: bool = False) -> bytes:
    if pem.path is None:
        return pem.text.encode("utf-8", "replace")
    return files.read(pem.path, pem.setting, secret=secret)


def _named(pem: Pem) -> str:
    """Return how errors begin, without a key itself."""
    if pem.path is None:
        return f"{pem.setting} is PEM"
    return f"{pem.setting} is {printable(str(pem.path))!r}"


def alternative_names(certificate: object) -> set[str]:
    """Return the names in a certificate, as ``SSLObject.getpeercert()`` has it, each as Go does."""
    if not isinstance(certificate, dict):
        return set()
    found: set[str] = set()
    named = cast("dict[str, Iterable[tuple[str, str]]]", certificate)
    for kind, value in named.get("subjectAltName", ()):
        if kind == "IP Address":
            found.add(plain_address(value))
        elif kind in {"DNS", "email", "URI"}:
            found.add(value)
    return found


def plain_address(value: str) -> str:
    """Return an IP address in its shortest form; anything else as it is."""
    import ipaddress  # noqa: PLC0415 - for certificates of addresses alone

    with suppress(ValueError):
        return str(ipaddress.ip_address(value.strip()))
    return value
