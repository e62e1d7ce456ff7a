"""Small facts of the process that every floor needs: forks, clock, values, text, tracing, containment.

A module is a few functions on one such fact; what knows of metrics belongs higher up. May import:
the standard library and OpenTelemetry's API, nothing of ours.
"""
