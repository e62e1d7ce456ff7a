"""The contract at run time: what a measurement may carry, and what happens when it doesn't.

``text`` turns label values into strings, ``rule`` says what one label may hold and ``guard`` what
a metric's labels; ``places`` knows which series hold a value's place; ``violations`` counts and
logs what was refused. ``guarded`` and ``observable`` put them before OpenTelemetry's instruments,
``meter`` before a meter; ``stock`` is for those of the stock SDK.

How a wrong label or value is mended, counted and told is changed here and nowhere else. May
import: ``catalog``, ``views``, ``handles``, ``process``, ``errors``.
"""
