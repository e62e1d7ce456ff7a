"""Settings: arguments and environment variables to one frozen Config.

A setting is added here, with its checks and its sentence for what is wrong; nobody else reads the
environment for one. May import: ``enforcement`` and what is below it, ``errors``, and the type of
a collector.
"""
