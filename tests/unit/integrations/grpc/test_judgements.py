"""What calls are named and what their outcomes mean, without a network."""

from __future__ import annotations

import subprocess
import sys

import pytest
from grpc import StatusCode

from butterfly_otel.integrations.grpc import message_type_of, peer_of
from butterfly_otel.integrations.grpc.aio_client import _result
from butterfly_otel.integrations.grpc.outcomes import Outcome, outcome_of


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("/butterfly.Compute/Forward", "tensor"),
        ("/butterfly.Raft/AppendEntries", "consensus"),
        ("/butterfly.Raft/RequestVote", "consensus"),
        ("/butterfly.Raft/Heartbeat", "heartbeat"),
        ("/grpc.health.v1.Health/Check", "heartbeat"),
        ("/butterfly.Checkpoints/Write", "checkpoint"),
        ("/butterfly.raft.Compute/Forward", "tensor"),  # a package says little of a method
        ("odd", "tensor"),
        ("", "tensor"),
    ],
)
def test_a_method_tells_what_it_carries(method: str, kind: str) -> None:
    """The method's own name comes before its service's."""
    assert message_type_of(method, ()) == kind


def test_a_peer_is_who_it_says_it_is() -> None:
    """Its metadata may be text or bytes, and nothing else in it counts."""
    assert peer_of("/a/b", [("key", "x"), ("butterfly-node-id", "node-1")]) == "node-1"
    assert peer_of("/a/b", [("butterfly-node-id", b"node-\xff")]) == "node-\ufffd"
    assert peer_of("/a/b", ()) == "unknown"


@pytest.mark.parametrize(
    ("code", "details", "outcome"),
    [
        (StatusCode.OK, "", (None, True)),
        (StatusCode.NOT_FOUND, "", (None, True)),
        (StatusCode.INTERNAL, "Exception serializing request!", (None, None)),
        (StatusCode.INTERNAL, "Received RST_STREAM with error code 2", ("reset", None)),
        (StatusCode.UNKNOWN, None, (None, None)),
        (StatusCode.CANCELLED, "Locally cancelled", (None, None)),
        (StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", ("timeout", None)),
        (StatusCode.UNAVAILABLE, None, ("refused", False)),
        (StatusCode.UNAVAILABLE, "Connection refused (111)", ("refused", False)),
        (StatusCode.UNAVAILABLE, "Connection reset by peer", ("reset", False)),
        (StatusCode.UNAVAILABLE, "Stream removed (Socket closed)", ("reset", False)),
        (StatusCode.UNAVAILABLE, "Cancelling all calls", ("reset", False)),
        (
            StatusCode.UNAVAILABLE,
            "failed to connect; last error: connect timed out",
            ("timeout", False),
        ),
        (
            StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: Ssl handshake failed",
            ("encryption_error", False),
        ),
    ],
)
def test_an_outcome_has_a_meaning(
    code: StatusCode, details: str | None, outcome: tuple[str | None, bool | None]
) -> None:
    """Statuses are failures of the connection, signs of life, or neither."""
    assert outcome_of(code, details) == Outcome(*outcome)  # type: ignore[arg-type]


def test_a_call_that_is_not_done_has_no_status() -> None:
    """Asking it is an error that is contained, not a coroutine left behind."""

    class Never:
        def __await__(self) -> object:
            yield

    async def status() -> None:
        await Never()  # type: ignore[misc]

    with pytest.raises(RuntimeError, match="no status yet"):
        _result(status())


def test_without_grpc_the_import_says_what_to_install() -> None:
    """The error names the extra."""
    code = "import sys; sys.modules['grpc'] = None\nimport butterfly_otel.integrations.grpc"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "pip install 'butterfly-otel[grpc]'" in result.stderr
