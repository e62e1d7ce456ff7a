"""Mistakes in the arguments of adapters of transports."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.integrations import grpc as grpcs
from butterfly_otel.integrations.starlette import butterfly_lifespan


def test_mistakes_in_adapters_of_transports_are_told_at_once() -> None:
    """GRPC's and QUIC's adapters and the lifespan refuse what would fail at each call."""
    quic = pytest.importorskip("butterfly_otel.integrations.aioquic")
    channel: Any = grpc.insecure_channel("127.0.0.1:1")
    mapping: Any = {"/a.B/C": "inference"}
    wrong: Any = 3
    for make, said in (
        (lambda: grpcs.request_interceptor(method={"/a.B/C": wrong}), "'/a.B/C' has the method 3"),
        (lambda: grpcs.request_interceptor(method={wrong: "inference"}), "3 is no gRPC method"),
        (lambda: grpcs.request_interceptor(method={"//C": "inference"}), "'//C' is no gRPC"),
        (lambda: grpcs.aio_request_interceptor(method=lambda: None), "method is .*a full method"),  # type: ignore[arg-type,misc]
        (lambda: grpcs.request_interceptor(method=mapping, failed=wrong), "failed is 3"),
        (lambda: grpcs.server_interceptor(peer=wrong), "peer is 3"),
        (lambda: grpcs.aio_server_interceptor(message_type=wrong), "message_type is 3"),
        (lambda: grpcs.server_interceptor(node_id=wrong), "node_id is 3"),
        (lambda: grpcs.measured_channel(wrong, to_node="x"), "channel is 3"),
        (lambda: grpcs.measured_channel(channel, to_node=wrong), "to_node is 3"),
        (lambda: grpcs.measured_channel(channel, to_node="x", message_type=wrong), "message_type"),
        (lambda: quic.tracked_protocol(wrong), "protocol_class is 3"),
        (lambda: quic.tracked_protocol(to_node=wrong), "to_node is 3"),
        (lambda: butterfly_lifespan(lifespan=wrong), "lifespan is 3"),
        (lambda: butterfly_lifespan(metrics_path=wrong), "metrics_path is 3"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            make()
    channel.close()
