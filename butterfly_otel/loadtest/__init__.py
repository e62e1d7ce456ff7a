"""The load test: what budgets, memory and predictions are worth when a cluster goes beyond them.

A room of its own rather than a part of ``demo``, which tells a story in real time through the
public API, as one process: this one measures as fast as it can, through as many pipelines as
there are nodes, and counts what became of every measurement.

``scenarios`` says which label sets are offered and ``expected`` what the contract makes of them:
both are pure. ``node`` is one node's pipeline, made of the parts that ``configure()`` is made of.
``flooding`` drives one metric beyond its budgets, ``cluster`` a cluster of nodes, in this process
or in several (``workers``); ``page`` and ``server`` gather what is exported and what Prometheus
has. ``judging`` compares, ``reporting`` writes, ``run`` ties it together. None of them knows the
catalogue: metrics are given. May import: ``demo``'s starting of a Prometheus, ``runtime`` and
what is below.
"""
