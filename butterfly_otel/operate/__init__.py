"""What a cluster is run with: rules, dashboards, and the sizes of its metrics."""
