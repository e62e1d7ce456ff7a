"""Hardware and runtime sources, one a file, read in the background and observed as snapshots.

A source of your own is any object that fits :class:`Source`; pass it to
``configure(collectors=["auto", MySource()])``.

A source added here is a file and an entry in :mod:`.registry`; parsing is a pure function, tested
on fixtures. May import: ``disk``, ``memory``, ``metrics``, ``settings``, ``handles``, ``catalog``,
``process``, ``errors``.
"""

from __future__ import annotations

from butterfly_otel.collectors.source import Extension, Reading, Source, UnavailableError

__all__ = ["Extension", "Reading", "Source", "UnavailableError"]
