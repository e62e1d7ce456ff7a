"""Gets what is pushed by OTLP, as ``fetch`` gets what is served: by gRPC and by HTTP.

``address`` reads where to listen, ``messages`` decodes, ``grpc`` and ``http`` are the servers,
each with threads of its own, and ``receiver`` hands over what has arrived, one after the other.
May import: ``fetch.errors``.
"""

from butterfly_otel.lint.expositions.receive.receiver import Received, Receiver

__all__ = ["Received", "Receiver"]
