"""What the end of a QUIC connection means."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butterfly_otel.integrations.peers import ErrorType

#: RFC 9000, 20.1 and RFC 9001, 4.8: transport error codes.
_CONNECTION_REFUSED, _INVALID_TOKEN, _NO_VIABLE_PATH, _VERSION_NEGOTIATION = 0x2, 0xB, 0x10, 0x11
_KEY_UPDATE_ERROR, _AEAD_LIMIT_REACHED = 0xE, 0xF
_CRYPTO_ERRORS = range(0x100, 0x200)
#: RFC 9114, 8.1: how an HTTP/3 application says that nothing was wrong.
_H3_NO_ERROR = 0x100
#: What aioquic itself says, under INTERNAL_ERROR, where RFC 9000 knows no code.
_IDLE, _NO_VERSION = "Idle timeout", "Could not find a common protocol version"


def error_of(
    code: int, frame_type: int | None, reason: str, *, connected: bool
) -> ErrorType | None:
    """Return the kind of failure, or None for an orderly end.

    Args:
        code: The error code of the ``ConnectionTerminated`` event.
        frame_type: Its frame type: None where the application closed and ``code`` is its own.
        reason: Its reason phrase.
        connected: Whether the handshake had been completed.
    """
    if frame_type is None:
        return _closed_by_application(code, connected=connected)
    if code == 0:
        return None if connected else "timeout"
    if reason == _IDLE or code == _NO_VIABLE_PATH:
        return "timeout"
    if code in (_CONNECTION_REFUSED, _INVALID_TOKEN, _VERSION_NEGOTIATION) or reason == _NO_VERSION:
        return "refused"
    if code in _CRYPTO_ERRORS or code in (_KEY_UPDATE_ERROR, _AEAD_LIMIT_REACHED):
        return "encryption_error"
    return "reset"


def _closed_by_application(code: int, *, connected: bool) -> ErrorType | None:
    if not connected:
        return "timeout"  # it gave up before there was a connection
    return None if code in (0, _H3_NO_ERROR) else "reset"
