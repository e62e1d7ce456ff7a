"""Deltas that did not arrive, carried over into the next export."""

from butterfly_otel.exporters.carrying.backlog import Backlog

__all__ = ["Backlog"]
