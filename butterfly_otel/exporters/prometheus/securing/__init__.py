"""Who may scrape, and by TLS or not: Prometheus' web configuration file and its short forms.

:mod:`.webfile` reads that file into data, :mod:`.context` makes a TLS context of it, and
:mod:`.handshake` the streams of it; :mod:`.passwords`, :mod:`.tokens`, :mod:`.sources` and
:mod:`.bucket` know who may pass; :mod:`.security` puts them together, and reads all of it again
when a file changes.

What is accepted is changed in ``webfile`` and ``context``, who passes in ``security`` alone. It
imports :mod:`..serving` and what is below that.
"""
