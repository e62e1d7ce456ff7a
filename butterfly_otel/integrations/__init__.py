"""Adapters for what others wrote: transports and frameworks, each behind an extra of its name.

Nothing here is imported by the rest of the package, and nothing is patched on import: a
connection, channel, server or application is measured because it was handed over.
"""

# For whoever changes this room: an adapter is a module or a package, with an extra of its name,
# and the only one that imports what it adapts. It may import every room but `cli`, `demo` and
# `testing`.
