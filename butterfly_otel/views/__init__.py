"""What is exported of each metric: streams, the OpenTelemetry Views made of them, overlays."""
