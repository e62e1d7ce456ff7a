"""What endpoints expose, ours or anybody's: ``fetch`` gets it, ``scan`` reads it into ``model``.

What is pushed by OTLP ``receive`` gets, and ``otlp`` reads it into the same model, and judges it.

``compare`` and ``growth`` ask the model, ``check`` holds it against the contract. This is the
one reader of expositions: ``check``, ``top`` and the test kit share it. Nothing raises over
what it reads but ``fetch``. May import: ``catalog`` (``check`` and ``rules`` alone),
``lint.findings``.
"""
