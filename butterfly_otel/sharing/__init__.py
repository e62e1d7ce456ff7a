"""Many processes, one endpoint: whoever is asked tells the totals of all.

:mod:`.group` and below know nothing of metrics: what they carry is bytes that a ``Content`` makes
and adds. Nothing here runs while something is measured. It imports exporters and what is below;
its modules import each other one way, from ``group`` down to ``records``, ``locks`` and
``directory``. Unix alone: on Windows ``find_place`` says so.
"""
