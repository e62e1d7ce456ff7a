"""From a registry to a page: asking every collector, ours and foreign, and writing a format.

A new format, or another way of asking, belongs here; nothing here knows HTTP. It imports
:mod:`..translating` and :mod:`..model`.
"""
