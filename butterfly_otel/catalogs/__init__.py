"""Contracts of one's own: read from YAML or from a Python module, and written as YAML.

The format is that of OpenTelemetry's semantic conventions, which Weaver reads; what it lacks
stands under ``annotations``, as ``butterfly_otel`` (:mod:`.notes`). Reading goes from files to
groups (:mod:`.groups`), from those to attributes and metrics (:mod:`.attributes`,
:mod:`.metrics`), with defaults for what is not said (:mod:`.defaults`). Nothing here is asked while
something is measured. May import: ``views``, ``lint``, ``catalog``, ``process``, ``errors``.
"""

from __future__ import annotations

from butterfly_otel.catalogs.loading import load

__all__ = ["load"]
