"""The same by variables alone, for a reader that nobody configures."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.securing.security import Security
from butterfly_otel.exporters.prometheus.serving.server import PLAIN
from butterfly_otel.settings.config import load_prometheus

if TYPE_CHECKING:
    from butterfly_otel.exporters.prometheus.serving.stream import Transport


def security() -> tuple[Security | None, Transport]:
    """Return the gate and the transport that the environment asks for.

    Raises:
        ConfigurationError: When a variable or a file is wrong.
    """
    # The address is the reader's own to check.
    ours = {name: text for name, text in os.environ.items() if name.startswith("BUTTERFLY_OTEL_")}
    settings = load_prometheus(ours)
    if not settings.is_secured:
        return None, PLAIN
    # There is no meter of ours to count on; refusals are logged.
    made = Security(settings, lambda _: None)
    return made, made.transport
