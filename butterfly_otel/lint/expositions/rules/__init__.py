"""Rules that hold an exposition against the contract, a module a subject.

A rule is a function of the :class:`~butterfly_otel.lint.expositions.rules.context.Context` and
an entry of the tuple at its module's end; a new name of a finding goes into
``check.RULE_NAMES``. May import: ``catalog``, the model of expositions, ``lint.findings``.
"""
