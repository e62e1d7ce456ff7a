"""Decorators over the typed handles: a service is instrumented in a line a function.

::

    from butterfly_otel import arg, counted, decorators, metrics, request, result, timed

1. A handler: total by status, errors by type, in flight, duration::

    @request(method="inference")
    async def infer(prompt: str) -> Reply: ...

2. A streamed answer, measured to its last item, with the time to the first::

    @request(method="inference")
    async def stream(prompt: str) -> AsyncIterator[str]:
        for token in await generate(prompt):
            yield token

3. Every public method of a service class, or some::

    @request(method="checkpoint", methods=("save", "restore"))
    class Checkpoints:
        async def save(self) -> None: ...
        async def restore(self) -> None: ...

4. A block, which may fail without raising::

    with request(method="inference") as call:
        if reply.truncated:
            call.fail("oom")

5. The method from an argument; a failure told by the result::

    @request(method=arg("message.kind"), failed=lambda reply: reply.error)
    async def dispatch(message: Message) -> Reply: ...

6. More error types::

    @request(method="inference", errors={InvalidProof: "byzantine_fault"})
    async def prove(prompt: str) -> Proof: ...

7. A duration whose labels come from the arguments::

    @timed(metrics.layer_compute_duration_seconds.bind(layer_id=arg("layer"), model="llama"))
    def forward(layer: int, x: Tensor) -> Tensor: ...

8. A duration without labels, and a block of it::

    @timed(metrics.recovery_duration_seconds)
    async def recover() -> None: ...

9. What a call brings::

    @counted(metrics.tokens_processed_total.bind(model=arg("model")), amount=result(len))
    def generate(model: str) -> list[int]: ...

10. Items of a stream, as they pass::

        @counted(metrics.tokens_processed_total.bind(model="llama"), per="item")
        async def tokens(prompt: str) -> AsyncIterator[int]:
            async for token in model(prompt):
                yield token

11. Failures of one kind::

        @counted(metrics.cryptographic_failures_total.bind(operation="sign"), when=SigningError)
        def sign(message: bytes) -> bytes: ...

12. Butterfly's own work::

        @decorators.verification("signature", node_id=arg("peer"))
        def verify(peer: str, signature: bytes) -> bool: ...

The rules are the same for all of them:

- They take functions, methods, static and class methods, properties, coroutine functions,
  generators, async generators, context managers in either order, and classes. What is
  decorated keeps its type, kind and signature, but a callable object, which becomes a function
  that calls it: decorate ``forward()`` rather than a module of PyTorch. Decorators stack. mypy
  wants them below ``@property``.
- ``bind()`` gives constants and sources alike, so type checkers know every label's name.
- What is wrong in the code, such as a constant that is not in the contract or a parameter that
  does not exist, is a :class:`~butterfly_otel.ConfigurationError` where it is decorated. What a
  call brings is measured as by hand: mended and counted, or, in strict mode, raised.
- Nothing is measured before ``configure()``. A request that begins before it stays unmeasured,
  and one that outlives it leaves the series it came into.
- A call ends when its work does: by return, exception, cancellation, ``close()`` or collection
  as garbage. Nested and recursive calls are calls of their own.

Everything here is thread-safe, but for entering one and the same object in several threads or
tasks at once as a context manager.
"""

# For whoever changes this room: a decorator is a function over `series` (which series a call goes
# to) and `wrapping` (kinds of callables). It may import `metrics`, `handles`, `process` and
# `errors`, not `runtime`.

from __future__ import annotations

from butterfly_otel.decorators.calls import Counted, Timed, Tracked
from butterfly_otel.decorators.domain import (
    barrier_wait,
    checkpoint,
    checkpoint_phase,
    dependency_wait,
    disk_write,
    election,
    layer_compute,
    recovery,
    task,
    task_assignment,
    torch_memory,
    verification,
)
from butterfly_otel.decorators.error_types import ERROR_TYPES, ErrorTypes
from butterfly_otel.decorators.generic import counted, timed, tracked
from butterfly_otel.decorators.measuring import Measuring
from butterfly_otel.decorators.red import Request, RequestCall, request
from butterfly_otel.decorators.sources import arg, error_type, outcome, result

__all__ = [
    "ERROR_TYPES",
    "Counted",
    "ErrorTypes",
    "Measuring",
    "Request",
    "RequestCall",
    "Timed",
    "Tracked",
    "arg",
    "barrier_wait",
    "checkpoint",
    "checkpoint_phase",
    "counted",
    "dependency_wait",
    "disk_write",
    "election",
    "error_type",
    "layer_compute",
    "outcome",
    "recovery",
    "request",
    "result",
    "task",
    "task_assignment",
    "timed",
    "torch_memory",
    "tracked",
    "verification",
]
