"""Users and their bcrypt-hashed passwords, as Prometheus' web configuration has them."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from hashlib import blake2b
from hmac import compare_digest
from importlib import import_module
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, Final, Literal

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Right, wrong, or too many others are being checked.
Verdict = Literal["right", "wrong", "busy"]

_HASH: Final = re.compile(rb"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
#: bcrypt looks at so many bytes; htpasswd and Go drop the rest as well.
_LOOKED_AT: Final = 72
#: Wrong passwords that need not be hashed again.
_MOST_WRONG: Final = 256
#: Passwords that are hashed or wait for it: each takes a tenth of a second of a core or more.
_MOST_WAITING: Final = 4


def is_hash(value: bytes) -> bool:
    """Whether a text is a bcrypt hash."""
    return _HASH.fullmatch(value) is not None


def require_bcrypt(where: str) -> None:
    """Raise ConfigurationError where passwords can't be checked."""
    try:
        import_module("bcrypt")
    except ImportError as error:
        raise ConfigurationError(
            f"{where}, where basic_auth_users need the extra 'secure':"
            " pip install 'butterfly-otel[secure]'"
        ) from error


class Passwords:
    """Checks passwords, and hashes each that was right or wrong once only.

    What is remembered are keyed digests, of no use outside this process. Those of right ones,
    one a user, are kept apart from wrong ones, so that no number of guesses costs a scraper its
    place. One password is hashed at a time. Thread-safe.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, bytes] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._lock = forks.lock()
        self._reset()
        forks.call_in_child(self._reset)

    def _reset(self) -> None:
        self._hashing: Any = forks.lock()
        self._waiting = BoundedSemaphore(_MOST_WAITING)

    def known(self, users: Mapping[bytes, bytes], user: bytes, password: bytes) -> Verdict | None:
        """Return what is known of a user's password without hashing it; None where nothing is."""
        digest = self._digest(users, user, password)
        with self._lock:
            right = self._right.get(user, b"")
            if user in users and compare_digest(right, digest):
                return "right"
            return "wrong" if digest in self._wrong else None

    def check(self, users: Mapping[bytes, bytes], user: bytes, password: bytes) -> Verdict:
        """Return whether a password is a user's.

        It takes as long for a user who is not there, so that nobody learns who is.
        """
        if not users:
            return "wrong"
        if not self._waiting.acquire(blocking=False):
            return "busy"
        try:
            with self._hashing:
                # Another thread may have hashed it meanwhile.
                known = self.known(users, user, password)
                if known is not None:
                    return known
                right = self._matches(users, user, password)
        finally:
            self._waiting.release()
        self._remember(user, self._digest(users, user, password), right=right)
        return "right" if right else "wrong"

    @staticmethod
    def _matches(users: Mapping[bytes, bytes], user: bytes, password: bytes) -> bool:
        import bcrypt  # noqa: PLC0415 - an extra, which is there where users are

        # The costliest, as that decides how long hashing takes.
        hashed = users.get(user) or max(users.values(), key=lambda each: each[4:6])
        try:
            matches = bcrypt.checkpw(password[:_LOOKED_AT], hashed)
        except ValueError:  # a NUL in it, for older releases
            matches = False
        return matches and user in users

    def _digest(self, users: Mapping[bytes, bytes], user: bytes, password: bytes) -> bytes:
        made = blake2b(key=self._key)
        for part in (user, users.get(user, b""), password[:_LOOKED_AT]):
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
        return made.digest()

    def _remember(self, user: bytes, digest: bytes, *, right: bool) -> None:
        with self._lock:
            if right:
                self._right[user] = digest
                return
            self._wrong[digest] = None
            if len(self._wrong) > _MOST_WRONG:
                self._wrong.popitem(last=False)
