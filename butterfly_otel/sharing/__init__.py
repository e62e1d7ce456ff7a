"""Many processes that are one node: what they have measured, shown as if by one process.

One half knows nothing of metrics: which processes belong together, and how they ask each other.
The other half knows nothing of processes: :mod:`.capturing` makes bytes of what one of them has
measured (:mod:`.payload`), :mod:`.ended` keeps the totals of those that are gone, and
:mod:`.merging` makes one collection of all. May import: ``exporters``, ``settings``, ``engine``,
``catalog``, ``process``.
"""
