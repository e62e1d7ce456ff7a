"""Rules over the entries of a catalogue: names, units, buckets, texts, labels.

A rule is a function of one entry, or of all, and an entry of ``catalog.RULES``; an exception
granted to a metric stands in ``catalog.EXCEPTIONS`` with its reason. May import: ``catalog``,
``lint.findings``.
"""
