"""Push by OTLP: an encoder, a client for HTTP, one for gRPC, and the exporters made of them."""

from butterfly_otel.exporters.otlp.build import build_otlp_exporter, temporalities

__all__ = ["build_otlp_exporter", "temporalities"]
