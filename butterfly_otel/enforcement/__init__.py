"""The contract at run time: what a measurement may carry, and what happens when it doesn't.

``text`` turns label values into strings, ``guard`` holds vocabularies and budgets,
``violations`` counts and logs what was refused, and ``meter`` puts all of them between an
OpenTelemetry meter and its callers.

How a wrong label or value is mended, counted and told is changed here and nowhere else. May
import: ``catalog``, ``views``, ``handles``, ``process``, ``errors``.
"""
