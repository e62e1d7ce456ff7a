"""What is pushed by OTLP, held against the contract by the rules that expositions are.

``points`` reads a resource of a request into the model of expositions, ``rules`` are what OTLP
has and an exposition has not, ``history`` compares pushes, and ``sources`` puts all of it together
for each resource. Messages are those of ``opentelemetry.proto``, decoded elsewhere, so nothing
here is a network or a thread. May import: ``check``, ``rules`` and ``model`` of expositions,
``catalog``, ``lint.findings``.
"""
