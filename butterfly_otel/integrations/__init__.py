"""Adapters for what others wrote: transports and frameworks, each behind an extra of its name.

Nothing here is imported by the rest of the package, and nothing is patched on import: a
connection, channel, server or application is measured because it was handed over.
"""

# For whoever changes this room: An adapter is a module or a package of its own, and an extra. May
# import: every room but ``cli``, ``demo`` and ``testing``; other people's packages only in their
# own adapter.
