"""Noticing that processes of one node each show their own metrics, where that is not wanted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butterfly_otel.settings.config import Config
    from butterfly_otel.sharing.claims import Claim

_logger = logging.getLogger("butterfly_otel")


def claim_node(config: Config) -> Claim | None:
    """Claim that this process alone shows a node's metrics.

    For where the application serves them: where a server of ours does, the second process can't
    have the port, and is told of that. Another process of the same family that shows the same
    node is warned of, once.
    """
    from butterfly_otel.sharing.claims import claim  # noqa: PLC0415 - only there
    from butterfly_otel.sharing.family import find_family  # noqa: PLC0415

    family = find_family()
    mine = claim(family, config.node_id, config.node_role, config.service_name)
    if mine is None:
        _logger.warning(
            "another process shows the metrics of %s %r too, each its own: a scrape of the port"
            " that they share has one of them. Set processes='shared' or"
            " BUTTERFLY_OTEL_PROCESSES=shared,"
            " so that it has the totals of all (docs/how-to/processes.md)",
            config.node_role,
            config.node_id,
        )
    return mine
