"""Handles before and after configure(), bound instruments, timers: what an application calls.

The classes are by hand; ``metrics.py``, rendered from the catalogue, has one of each a metric.
May import: ``catalog``, ``process``, ``errors``; it knows of no meter provider.
"""
