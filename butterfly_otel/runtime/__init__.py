"""Putting it together: what configure() starts, signals, the global meter provider, shutdown().

What is started is also stopped here, in one order; a feature of its own belongs in a room below.
May import: every room but ``cli``, ``demo``, ``testing`` and ``integrations``.
"""
