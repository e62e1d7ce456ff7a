"""What is exported of each metric: streams, the OpenTelemetry Views made of them, overlays.

:mod:`.streams` is the data that Views and enforcement both follow, :mod:`.compiled` makes Views
of it, :mod:`.overlays` narrows it by files that :mod:`.documents` reads. What an overlay may do
is changed in ``overlays`` alone. May import: ``catalog``, ``engine``, ``process``, ``errors``.
"""
