"""Families as protobuf: ``io.prometheus.client.MetricFamily``, each with its length before it.

Source: ``io/prometheus/client/metrics.proto`` of prometheus/client_model. It is the one format of
Prometheus that has native histograms. As in text, what never changes about a series is kept, in
bytes, so a repeated scrape packs little more than the values.

Bytes are compared with the official descriptors by the tests. May import: ``model`` beside it, and
``exporters.wire``.
"""
