"""Metrics that no instrument has measured, for any reader: metric producers.

Source: OpenTelemetry specification, "Metrics SDK", "MetricProducer" and "RegisterProducer", which
the Python SDK has not. :mod:`.registering` ties a producer to a reader, :mod:`.deltas` makes deltas
for readers that prefer them, :mod:`.model` has what OTLP knows and the SDK's data model does not.

A producer is a module of its own beside this room, such as ``bridge``. May import: ``engine``,
``process``, ``errors``, OpenTelemetry.
"""
