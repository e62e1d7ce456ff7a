"""What the end of a connection means, and how losses are counted in time."""

from __future__ import annotations

from typing import Any

import pytest

from butterfly_otel.integrations.aioquic.endings import error_of
from butterfly_otel.integrations.aioquic.loss import Losses, LossWindow

PADDING, CRYPTO = 0, 6


@pytest.mark.parametrize(
    ("code", "frame", "reason", "connected", "kind"),
    [
        (0, None, "", True, None),
        (0x100, None, "", True, None),  # HTTP/3's own "no error", not a failure of TLS
        (0, PADDING, "", True, None),
        (0, None, "", False, "timeout"),
        (0, PADDING, "", False, "timeout"),
        (7, None, "", True, "reset"),
        (1, PADDING, "Idle timeout", True, "timeout"),
        (1, PADDING, "Idle timeout", False, "timeout"),
        (0x10, PADDING, "", True, "timeout"),
        (2, PADDING, "", False, "refused"),
        (0xB, PADDING, "", False, "refused"),
        (0x11, PADDING, "", False, "refused"),
        (1, PADDING, "Could not find a common protocol version", False, "refused"),
        (0x100 + 42, CRYPTO, "bad certificate", False, "encryption_error"),
        (0xE, PADDING, "", True, "encryption_error"),
        (0xF, PADDING, "", True, "encryption_error"),
        (0xA, CRYPTO, "", True, "reset"),
        (1, CRYPTO, "", True, "reset"),
    ],
)
def test_an_end_has_a_kind(
    code: int, frame: int | None, reason: str, connected: Any, kind: str | None
) -> None:
    """Each code of RFC 9000, 9001 and 9114 that matters is one of the contract's kinds."""
    assert error_of(code, frame, reason, connected=connected) == kind


def test_a_loss_counts_where_its_packet_was_sent() -> None:
    """A loss found late stays with its packet, and leaves the window with it."""
    window = LossWindow()
    for at in (1.0, 2.0, 11.0):
        window.sent(at)
    window.lost(1.0)
    assert window.losses(12.0) == Losses(3, 1)
    assert window.losses(65.0) == Losses(3, 1)
    assert window.losses(75.0) == Losses(1, 0)
    window.lost(2.0)
    assert window.losses(75.0) == Losses(1, 0)


def test_the_window_keeps_no_more_than_it_needs() -> None:
    """An hour of packets takes as much memory as a minute, also when nobody reads it."""
    window = LossWindow()
    for at in range(3600):
        window.sent(at)
    assert len(window._parts) == 7
    assert window.losses(3599).sent == 70
