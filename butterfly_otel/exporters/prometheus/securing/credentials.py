"""What a request says of who sends it: a user's password, or a bearer token."""

from __future__ import annotations

from base64 import b64decode
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from butterfly_otel.exporters.prometheus.securing.passwords import Passwords
from butterfly_otel.exporters.prometheus.securing.sources import Sources
from butterfly_otel.exporters.prometheus.securing.tokens import digest, is_known
from butterfly_otel.exporters.prometheus.serving.site import Response, plain
from butterfly_otel.exporters.prometheus.serving.stream import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from butterfly_otel.exporters.prometheus.securing.passwords import Verdict
    from butterfly_otel.exporters.prometheus.securing.refusals import Refusals
    from butterfly_otel.exporters.prometheus.serving.site import Request

_TOO_MANY: Final = "Too many passwords or tokens from here were wrong; try again later."


class _Shown(NamedTuple):
    """What a request shows.

    Attributes:
        whose: The user's name, or the token's digest.
        known: Whether it is right, where that is known without hashing a password.
        check: Hashes the password.
    """

    whose: bytes
    known: Verdict | None
    check: Callable[[], Verdict] = lambda: "wrong"


class Credentials:
    """Checks what requests say. Thread-safe.

    Who has passed before, from the same source, passes whatever others do; a source of many
    failures has to wait before it may try anything else, and until then nothing is hashed for it.

    Args:
        refusals: Told of those that are refused.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._passwords = Passwords()
        self._sources = Sources()

    def refuse(
        self, request: Request, users: Mapping[bytes, bytes], tokens: frozenset[bytes]
    ) -> Response | None:
        """Return the response that refuses a request; None where nothing is asked or it is right.

        Args:
            request: The request.
            users: bcrypt hashes by user.
            tokens: Digests of tokens.
        """
        if not users and not tokens:
            return None
        header = request.headers.get("authorization", "")
        if not header:
            self._refusals.add("missing_credentials", source_of(request.client))
            return _unauthorized(users, tokens, "Who asks for this has to say who it is.")
        wait = self._judge(source_of(request.client), self._shown(header, users, tokens))
        if wait is None:
            return None
        if wait:
            return later(_TOO_MANY, wait)
        return _unauthorized(users, tokens, "This password or token is wrong.")

    def _shown(self, header: str, users: Mapping[bytes, bytes], tokens: frozenset[bytes]) -> _Shown:
        """Return what a header shows, as far as nothing has to be hashed for it."""
        scheme, _, value = header.partition(" ")
        given = value.strip().encode("latin-1", "replace")
        if scheme.lower() == "bearer" and tokens:
            return _Shown(digest(given), "right" if is_known(given, tokens) else "wrong")
        pair = _basic(given) if scheme.lower() == "basic" else None
        if pair is None:
            return _Shown(b"", "wrong")
        check = partial(self._passwords.check, users, *pair)
        return _Shown(pair[0], self._passwords.known(users, *pair), check)

    def _judge(self, source: str, shown: _Shown) -> float | None:
        """Return None for who is let in, else the seconds until another one may be tried.

        What is right is let in without further ado only where it came from before: who guesses
        elsewhere must not learn by that, as fast as requests go, which guess is right.
        """
        if shown.known == "right" and self._sources.has_passed(source, shown.whose):
            return None
        wait = self._sources.begin(source)
        verdict: Verdict = "wrong"
        if not wait:
            verdict = shown.known or shown.check()
            if verdict != "wrong":
                self._sources.forgive(source)
        if verdict == "right":
            self._sources.let_pass(source, shown.whose)
            return None
        wait = 1.0 if verdict == "busy" else wait
        self._refusals.add("too_many_failures" if wait else "wrong_credentials", source)
        return wait


def _basic(given: bytes) -> tuple[bytes, bytes] | None:
    """Return a user and a password; None where there are none."""
    try:
        user, colon, password = b64decode(given, validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon else None


def _unauthorized(
    users: Mapping[bytes, bytes], tokens: frozenset[bytes], sentence: str
) -> Response:
    refusal = plain("401 Unauthorized", sentence)
    schemes = [
        ('Basic realm="metrics", charset="UTF-8"', users),
        ('Bearer realm="metrics"', tokens),
    ]
    asks = tuple(("WWW-Authenticate", scheme) for scheme, any_of in schemes if any_of)
    return Response(refusal.status, (*refusal.headers, *asks), refusal.body)


def later(sentence: str, seconds: float) -> Response:
    """Return the response to who may try again in so many seconds."""
    refusal = plain("429 Too Many Requests", sentence)
    headers = (*refusal.headers, ("Retry-After", str(ceil(seconds))))
    return Response(refusal.status, headers, refusal.body)
