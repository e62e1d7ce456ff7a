"""The server at the far end of a channel, as its calls find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import finalize

from butterfly_otel.decorators.checks import require_function, require_text
from butterfly_otel.integrations.grpc.messages import counting_deserializer, counting_serializer
from butterfly_otel.integrations.grpc.naming import NODE_ID_KEY, ask_message_type
from butterfly_otel.integrations.grpc.outcomes import outcome_of
from butterfly_otel.integrations.peers import Link, links
from butterfly_otel.integrations.traffic import Traffic
from butterfly_otel.process import timing
from butterfly_otel.runtime import lifecycle as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpc import StatusCode

    from butterfly_otel.integrations.grpc.messages import Coder
    from butterfly_otel.integrations.grpc.naming import MessageTypeOf, Metadata


class FarEnd:
    """What one channel knows of its peer. Thread-safe."""

    def __init__(self, link: Link, message_type: MessageTypeOf, *, send_node_id: bool) -> None:
        require_text("to_node", link.peer)
        if link.node_id is not None:
            require_text("node_id", link.node_id)
        require_function("message_type", message_type, "a full method", "metadata")
        self._link = link
        self._message_type = message_type
        self._send_node_id = send_node_id
        self._traffic = Traffic("grpc", link)
        self._connection = object()
        # Callers outlive the channel they came from, and keep this: it goes with the last one.
        self._close = finalize(self, links.closed, link, self._connection)
        self._close.atexit = False

    def caller(
        self,
        make: Callable[..., Any],
        method: str,
        request_serializer: Coder = None,
        response_deserializer: Coder = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        """Return a channel's own caller of a method, whose messages are counted.

        Generated stubs and interceptors pass on more than gRPC documents, and so does this.
        """
        kind = ask_message_type(self._message_type, method, ())
        serialize = counting_serializer(request_serializer, self._traffic, kind)
        deserialize = counting_deserializer(response_deserializer, self._traffic, kind)
        return make(method, serialize, deserialize, *rest, **more)

    def metadata(self, given: Metadata | None) -> Any:
        """Return a call's metadata with this node's name in it."""
        current = runtime.current()
        name = self._link.node_id or (None if current is None else current.config.node_id)
        if not self._send_node_id or name is None:
            return given
        pairs = tuple(given or ())
        if any(key == NODE_ID_KEY for key, _ in pairs):
            return given
        return (*pairs, (NODE_ID_KEY, name))

    def ended(self, code: StatusCode, details: str | None, began: float | None = None) -> None:
        """Measure a call that has ended.

        Args:
            code: Its status.
            details: The text of its status.
            began: When it began, by ``perf_counter``, if it is one message there and one back.
        """
        outcome = outcome_of(code, details)
        if outcome.up is not None and self._close.alive:
            (links.up if outcome.up else links.lost)(self._link, self._connection)
        if outcome.error is not None:
            self._traffic.failed(outcome.error)
        if outcome.up and began is not None:
            self._traffic.answered(timing.perf_counter() - began)

    def closed(self) -> None:
        """Say that the channel is closed."""
        self._close()
