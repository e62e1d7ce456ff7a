"""Hardware and runtime sources, one a file, read in the background and observed as snapshots.

A source of your own is any object that fits :class:`Source`; pass it to
``configure(collectors=["auto", MySource()])``.
"""

from __future__ import annotations

from butterfly_otel.collectors.source import Extension, Reading, Source, UnavailableError

__all__ = ["Extension", "Reading", "Source", "UnavailableError"]
