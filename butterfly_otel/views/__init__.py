"""What is exported of each metric: streams, the OpenTelemetry Views made of them, overlays.

:mod:`.streams` is the data that Views and enforcement both follow, :mod:`.compiled` makes Views
of it, :mod:`.overlays` narrows it by files that :mod:`.documents` reads. What an overlay may do
is changed in ``overlays`` alone. Which instruments are the contract's is asked of
:mod:`.protected`; Views of all others are made in :mod:`.others`.
May import: ``catalog``, ``engine``, ``process``, ``errors``, ``version``.
"""
