"""Small facts of the process that every floor needs: forks, clock, values, text, logs, containment.

A module is a few functions on one such fact; what knows of metrics belongs higher up. May import:
the standard library, and OpenTelemetry's API late; nothing of ours.
"""

from __future__ import annotations

from butterfly_otel.process import logs as logs
