"""How measured streams leave the process: Prometheus pull, OTLP push, the periodic reader.

An exporter or reader is a module here and an entry in ``runtime.pushing``; none knows the
catalogue or ``configure()``. May import: ``settings``, ``engine``, ``process``, ``errors``.
"""
