"""What goes over the wire by gRPC to an endpoint without a scheme."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import butterfly_otel
from butterfly_otel import metrics

TLS_HANDSHAKE = b"\x16"
HTTP2_IN_CLEAR = b"PRI * HTTP/2.0"


@pytest.mark.parametrize(
    ("environ", "first"),
    [
        ({}, TLS_HANDSHAKE),
        ({"OTEL_EXPORTER_OTLP_INSECURE": "false"}, TLS_HANDSHAKE),
        ({"OTEL_EXPORTER_OTLP_INSECURE": "true"}, HTTP2_IN_CLEAR),
        ({"OTEL_EXPORTER_OTLP_METRICS_INSECURE": "true"}, HTTP2_IN_CLEAR),
    ],
)
def test_nothing_goes_in_clear_unless_that_is_asked_for(
    environ: dict[str, str], first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first bytes that a receiver sees, before any header with a key, are those of TLS."""
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        settings: dict[str, Any] = {
            "node_id": "n1",
            "node_role": "compute",
            "exporter": "otlp",
            "otlp_protocol": "grpc",
            "otlp_endpoint": f"127.0.0.1:{listener.getsockname()[1]}",
            "otlp_timeout": 0.5,
            "handle_signals": False,
        }
        runtime = butterfly_otel.configure(**settings)
        metrics.consensus_leader_changes_total.add(1)
        runtime.force_flush(0)
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(30)
            seen = b""
            while len(seen) < len(first) and (more := peer.recv(64)):
                seen += more
    runtime.shutdown(0)
    assert seen.startswith(first)
