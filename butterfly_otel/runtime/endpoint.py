"""The endpoint that Prometheus scrapes: the metrics, and what is served beside them."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from butterfly_otel.exporters.prometheus.serving.server import Server
    from butterfly_otel.exporters.prometheus.serving.site import Site
    from butterfly_otel.exporters.prometheus.serving.stream import Transport
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.settings.config import Config

_logger = logging.getLogger("butterfly_otel")


def serves(config: Config, pipeline: Pipeline) -> bool:
    """Tell whether a server of our own is asked for."""
    return pipeline.prometheus is not None and config.prometheus.server


def open_endpoint(
    config: Config,
    pipeline: Pipeline,
    site: Site,
    listeners: Sequence[socket.socket] | None = None,
) -> Server | None:
    """Serve what is scraped; None where the application does that itself, or nobody.

    Args:
        config: The settings.
        pipeline: What is served.
        site: What is served beside the metrics.
        listeners: Sockets to serve, which the server closes; by default the configured address.

    Raises:
        ConfigurationError: When the address can't be had.
    """
    security = pipeline.security
    if pipeline.prometheus is None or not serves(config, pipeline):
        if security is not None:
            security.tell_if_unused()
        return None
    from butterfly_otel.exporters.prometheus.serving.server import (  # noqa: PLC0415
        WILDCARDS,
        serve,
    )

    host, port = config.prometheus.host, config.prometheus.port
    try:
        server = serve(
            pipeline.prometheus,
            host,
            port,
            listeners=listeners,
            site=site,
            gate=security,
            transport=_transport(pipeline),
        )
    except OSError as error:
        raise cannot_open(config, error) from error
    if host in WILDCARDS and (security is None or not security.is_closed):
        _logger.warning(
            "The Prometheus endpoint listens on all interfaces, port %d, without TLS and"
            " authentication: set prometheus_web_config, or prometheus_host to one address",
            server.port,
        )
    return server


def endpoint_url(config: Config, pipeline: Pipeline, port: int) -> str:
    """Return where the metrics are that another process of this node serves on a port."""
    from butterfly_otel.exporters.prometheus.serving.server import url_of  # noqa: PLC0415

    return url_of(config.prometheus.host, port, _transport(pipeline))


def _transport(pipeline: Pipeline) -> Transport:
    from butterfly_otel.exporters.prometheus.serving.server import PLAIN  # noqa: PLC0415

    return PLAIN if pipeline.security is None else pipeline.security.transport


def cannot_open(config: Config, error: OSError) -> ConfigurationError:
    """Return the error that says so."""
    host, port = config.prometheus.host, config.prometheus.port
    cure = (
        "choose another address by prometheus_host and prometheus_port, or by"
        " OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT"
    )
    if error.errno == errno.EADDRINUSE and config.processes.mode == "separate":
        cure += "; or, where another process of this node has it, set processes='shared' in both"
    return ConfigurationError(
        f"the Prometheus endpoint can't be opened on {host}:{port}: {error.strerror or error};"
        f" {cure}"
    )
