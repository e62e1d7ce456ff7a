"""Contexts of TLS for a client, and why there is none."""

from __future__ import annotations

import ssl
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.fetch.errors import TargetError

if TYPE_CHECKING:
    from butterfly_otel.lint.expositions.fetch.access import Access

_Stamp = tuple[tuple[int, int] | None, ...]


class Contexts:
    """The context of an :class:`Access`, made anew when one of its files changes. Thread-safe."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = Lock()
        self._made: tuple[_Stamp, ssl.SSLContext] | None = None

    def current(self) -> ssl.SSLContext:
        """Return the context.

        Raises:
            TargetError: When a file can't be used.
        """
        with self._lock:
            files = (self._access.ca, self._access.cert, self._access.key)
            stamp = tuple(_stamp(each) for each in files)
            if self._made is None or self._made[0] != stamp:
                self._made = stamp, _context(self._access)
            return self._made[1]


def _stamp(path: str | Path | None) -> tuple[int, int] | None:
    try:
        found = Path(path).stat() if path else None
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_size) if found else None


def _context(access: Access) -> ssl.SSLContext:
    context = _trusting(access)
    # As Prometheus has it: an authority may lack what newer Pythons insist on, and may be one in
    # the middle of a chain.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.cert:
        try:
            # Not asked for at the terminal, where a watch would wait for it.
            context.load_cert_chain(access.cert, access.key, password=_no_password)
        except _LockedError:
            raise TargetError(
                f"the key of --cert {access.cert} is encrypted; give one without a password"
            ) from None
        except ssl.SSLError as error:
            raise TargetError(_pair(access, error)) from None
        except OSError as error:
            raise TargetError(_unreadable(access, error)) from None
    return context


def _trusting(access: Access) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=access.ca)
    except ssl.SSLError:
        raise TargetError(
            f"--ca {access.ca} has no certificates; give a file in PEM,"
            " which begins with -----BEGIN CERTIFICATE-----"
        ) from None
    except OSError as error:
        raise TargetError(
            f"--ca {access.ca} cannot be read: {error.strerror or error};"
            " name a file that this user may read"
        ) from None


class _LockedError(Exception):
    """A key wants a password."""


def _no_password() -> str:
    raise _LockedError


def _pair(access: Access, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"--key {access.key or access.cert} is not the key of --cert {access.cert};"
            " give those that belong together"
        )
    files = f"--cert {access.cert}" + (f" and --key {access.key}" if access.key else "")
    return f"{files} have no certificate with its key in PEM; give both, in one file or in two"


def _unreadable(access: Access, error: OSError) -> str:
    # OpenSSL does not tell which of the two it was.
    path = access.cert
    option = "--cert"
    if access.key and path and Path(path).is_file():
        option, path = "--key", access.key
    reason = error.strerror or error
    return f"{option} {path} cannot be read: {reason}; name a file that this user may read"
