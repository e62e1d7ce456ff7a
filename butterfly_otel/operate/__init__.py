"""What a cluster is run with: rules, dashboards, and the sizes of its metrics.

All of it is data under options; ``render`` writes it. May import: ``catalog``, ``views``,
``errors``, and Grafana's SDK in ``dashboards.grafana`` alone.
"""
