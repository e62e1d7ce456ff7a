"""Putting it together: what configure() starts, signals, the global meter provider, shutdown()."""
