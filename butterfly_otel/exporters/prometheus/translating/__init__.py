"""From what OpenTelemetry collected to families: which name each metric gets, and who keeps it.

What is remembered from scrape to scrape is here, and how metrics that want the same name are
settled. It imports :mod:`..model` alone.
"""
