"""Adapters for what others wrote: transports and frameworks, each behind an extra of its name.

Nothing here is imported by the rest of the package, and nothing is patched on import: a
connection, channel, server or application is measured because it was handed over.
"""
