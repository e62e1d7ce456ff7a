"""How measured streams leave the process: Prometheus pull, OTLP push, the periodic reader.

An exporter or reader is a module here and a line in ``runtime.assembly``; none knows the
catalogue or ``configure()``. May import: ``settings``, ``engine``, ``process``, ``errors``.
"""
