"""What a client shows to an endpoint, and whom it trusts."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.fetch.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Printable, blanks, and what is beyond ASCII but within latin-1.
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: What the reading itself decides.
_OURS = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How endpoints are reached that ask for TLS or for a password.

    Files are read at each scrape, so they may be replaced while somebody watches.

    Args:
        ca: PEM file of the authorities that may have signed the endpoint's certificate, instead
            of those of this system.
        cert: PEM file of the certificate to show, for mutual TLS.
        key: PEM file of its key, unless ``cert`` has it.
        insecure: Whether any certificate is accepted, of any host.
        headers: Headers to send, by name.
        bearer_file: File of the token to send.
        user: Name to send with the password.
        password: Password of ``user``.
        password_file: File of that password; line ends at its end are left out.

    Raises:
        TargetError: When some of these do not go together, or a header is none.
    """

    ca: str | Path | None = None
    cert: str | Path | None = None
    key: str | Path | None = None
    insecure: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    bearer_file: str | Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | Path | None = None

    def __post_init__(self) -> None:
        """Check that these go together."""
        for sentence in (_wrong_files(self), _wrong_user(self)):
            if sentence is not None:
                raise TargetError(sentence)
        for name, value in self.headers.items():
            _check_header(name, value)

    @property
    def is_tls(self) -> bool:
        """Whether anything is given that has a meaning by TLS only."""
        return bool(self.ca or self.cert or self.insecure)

    def secrets(self) -> dict[str, str]:
        """Return the headers that the endpoint's host alone may see.

        Raises:
            TargetError: When a file can't be read, or has nothing that could be sent.
        """
        found = dict(self.headers)
        if self.bearer_file is not None:
            found["Authorization"] = f"Bearer {_token('--bearer-file', self.bearer_file)}"
        elif self.user is not None:
            password = self.password
            if self.password_file is not None:
                password = _line("--password-file", self.password_file)
            pair = f"{self.user}:{password}".encode()
            found["Authorization"] = f"Basic {b64encode(pair).decode('ascii')}"
        return found


def _wrong_files(access: Access) -> str | None:
    if access.key and not access.cert:
        return "--key is given without --cert; give both"
    if access.ca and access.insecure:
        return "--ca and --insecure are given; leave --insecure out"
    return None


def _wrong_user(access: Access) -> str | None:
    has_password = access.password is not None or access.password_file is not None
    if access.user is None:
        return "a password is given without --user; give both" if has_password else None
    if access.bearer_file is not None:
        return "--user and --bearer-file are given; give the one that the endpoint asks for"
    where = "by --password-file, or in the variable BUTTERFLY_OTEL_PASSWORD"
    if ":" in access.user:
        return f"--user has a colon, which no user's name has; give the password {where}"
    if not has_password:
        return f"--user is given without a password; give it {where}"
    return None


def _check_header(name: str, value: str) -> None:
    # Values are not repeated: they may be secret.
    if not _NAME.fullmatch(name):
        raise TargetError(f"--header has {name!r}, which is no name; write 'Name: value'")
    if not _VALUE.fullmatch(value):
        raise TargetError(f"--header {name} has a value that no header can have; write one line")
    if name.lower() in _OURS:
        raise TargetError(f"--header {name} is decided by the command itself; leave it out")


def _line(option: str, path: str | Path) -> str:
    """Read the one line of a file, without its end."""
    try:
        text = Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise TargetError(
            f"{option} {path} cannot be read: {error.strerror or error};"
            " name a file that this user may read"
        ) from None
    except ValueError:
        text = ""
    if not text.strip() or not text.isprintable():
        raise _not_a_secret(option, path)
    return text


def _token(option: str, path: str | Path) -> str:
    text = _line(option, path).strip()
    if not text.isascii():
        raise _not_a_secret(option, path)
    return text


def _not_a_secret(option: str, path: str | Path) -> TargetError:
    return TargetError(f"{option} {path} has no secret in it: it must be one line of text")
