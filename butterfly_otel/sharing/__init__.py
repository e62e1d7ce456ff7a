"""Many processes that are one node: whoever is asked tells the totals of all.

One half knows nothing of metrics: which processes belong together, how they ask each other, and
who has the port; what it carries is bytes. Its modules import each other one way, from
:mod:`.group` down to ``records``, ``locks`` and ``directory``. The other half knows nothing of
processes: :mod:`.capturing` makes bytes of what one of them has measured (:mod:`.payload`),
:mod:`.ended` keeps the totals of those that are gone, and :mod:`.merging` makes one collection.

Nothing here runs while something is measured. May import: ``exporters``, ``settings``, ``engine``,
``catalog``, ``process``. Unix alone: on Windows ``find_place`` says so.
"""
