"""What a forked child does with its parent's HTTP connections."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Session


def let_go(session: Session) -> list[object]:
    """Close a session's idle connections in a child that was forked just now, without a word.

    Right away, while their descriptors are still theirs: a daemon closes all of them and opens
    others under the same numbers, which the parent's connections would close at the end.
    Without a word, as TLS would say to the server that the parent ends its connection.

    No lock is taken, since a thread of the parent may have held any.

    Args:
        session: Has the parent's adapters.

    Returns:
        What must be kept as long as the process lives, because its end would take such locks.
    """
    adapters: list[object] = list(session.adapters.values())
    for adapter in adapters:
        for connection in _idle(adapter):
            _close(connection)
    return adapters


def _idle(adapter: Any) -> Iterator[Any]:  # noqa: ANN401 - of requests, or anybody's
    """Yield the connections of an adapter's pools that no thread of the parent is using.

    Private names of requests and urllib3: ``PoolManager.pools._container`` and the queue of
    ``HTTPConnectionPool.pool``. Where one is gone, connections are left as they are. One that
    is in use belongs to a thread's frame, which the child keeps for ever and never ends.
    """
    managers = [getattr(adapter, "poolmanager", None)]
    managers += dict(getattr(adapter, "proxy_manager", None) or {}).values()
    for manager in managers:
        pools: Any = getattr(getattr(manager, "pools", None), "_container", None) or {}
        for pool in tuple(pools.values()):
            queue: Any = getattr(getattr(pool, "pool", None), "queue", None) or ()
            yield from (each for each in tuple(queue) if each is not None)


def _close(connection: Any) -> None:  # noqa: ANN401 - of urllib3
    sock = getattr(connection, "sock", None)
    # TLS through a proxy that speaks TLS itself wraps the socket once more.
    sock = getattr(sock, "socket", sock)
    if sock is not None:
        with suppress(OSError, ValueError, AttributeError):
            number = sock.detach()
            if number >= 0:
                os.close(number)
