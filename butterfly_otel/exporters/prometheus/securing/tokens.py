"""Bearer tokens (RFC 6750), one a line of a file."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: "b64token", as RFC 6750, section 2.1, has it.
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")


def read_tokens(data: bytes, where: str) -> frozenset[bytes]:
    """Return the digests of the tokens in a file; several, while one takes another's place.

    Raises:
        ConfigurationError: When there is none, or one that no header can carry.
    """
    lines = [line.strip() for line in data.splitlines()]
    tokens = [line for line in lines if line]
    if not tokens:
        raise ConfigurationError(f"{where}, which is empty: write a token into it, one a line")
    for number, line in enumerate(lines, 1):
        if line and not _TOKEN.fullmatch(line):
            raise ConfigurationError(
                f"{where}, where line {number} is not a token: use letters, digits and"
                " any of -._~+/ alone"
            )
    return frozenset(map(digest, tokens))


def digest(token: bytes) -> bytes:
    """Return what is kept of a token."""
    return sha256(token).digest()


def is_known(token: bytes, digests: Iterable[bytes]) -> bool:
    """Whether a token is one of them, in a time that tells nothing of them."""
    given = digest(token)
    found = False
    for each in digests:
        found |= compare_digest(given, each)
    return found
