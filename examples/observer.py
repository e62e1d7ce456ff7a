"""An observer: consensus as it sees it, checks of others' work, faults, and whom it trusts.

Run it, then look at http://localhost:9464/metrics:

    python examples/observer.py

It follows a Raft-like log, checks the signature and the result of each entry, and loses its trust
in the node that forges them. `node_id` of these metrics names the node the verdict is about.
"""

from __future__ import annotations

import hashlib
import hmac
import signal
import time
from contextlib import suppress
from typing import Final, Literal, NamedTuple, TypeAlias

import butterfly_otel
from butterfly_otel import arg, counted, decorators, metrics
from butterfly_otel.consensus import Elections, observe_raft

HONEST, LIAR = "compute-node-1", "compute-node-2"
KEYS: Final = {HONEST: b"key of 1", LIAR: b"key of 2"}
Fault: TypeAlias = Literal["invalid_signature", "incorrect_result"]
TRUST_LOST: Final[dict[Fault, float]] = {"invalid_signature": 0.4, "incorrect_result": 0.2}


class InvalidSignatureError(ValueError):
    """A message that its sender has not signed."""


class Entry(NamedTuple):
    """Work that a node says it has done: the square of a number."""

    node: str
    number: int
    square: int
    signature: str


def signed(node: str, number: int, square: int, key: bytes | None = None) -> Entry:
    """Return an entry with a node's signature, or one that another key has made."""
    digest = hmac.new(key or KEYS[node], f"{number} {square}".encode(), hashlib.sha256)
    return Entry(node, number, square, digest.hexdigest())


class Follower:
    """A node without a vote, under names of its own for what every Raft node has."""

    def __init__(self) -> None:
        self.current_term = 1
        self.log: list[Entry] = []
        self.committed = 0
        self.applied = 0
        self.members = {"active": 3, "degraded": 1}


class Observer:
    """Applies the log, entry by entry, and judges who wrote it."""

    def __init__(self, raft: Follower) -> None:
        self.raft = raft
        self.elections = Elections(leader="coordinator-1")
        self.trust = dict.fromkeys(KEYS, 1.0)
        for node in KEYS:
            metrics.reputation_score.set(1, node_id=node)

    @decorators.verification("signature", node_id=arg("entry.node"), failures=InvalidSignatureError)
    @counted(
        metrics.cryptographic_failures_total.bind(operation="verify"), when=InvalidSignatureError
    )
    def check_signature(self, entry: Entry) -> None:
        """Raise where the node has not signed this."""
        expected = signed(entry.node, entry.number, entry.square)
        if not hmac.compare_digest(expected.signature, entry.signature):
            raise InvalidSignatureError(entry)

    @decorators.verification("result_comparison", node_id=arg("entry.node"))
    def check_result(self, entry: Entry) -> bool:
        """Do the work again, and compare."""
        return entry.number**2 == entry.square

    def apply(self, entry: Entry) -> None:
        """Take an entry from the leader and judge it."""
        self.raft.log.append(entry)
        self.raft.committed += 1
        try:
            self.check_signature(entry)
        except InvalidSignatureError:
            self.accuse(entry.node, "invalid_signature")
        else:
            if not self.check_result(entry):
                self.accuse(entry.node, "incorrect_result")
        self.raft.applied += 1

    def accuse(self, node: str, fault: Fault) -> None:
        """Count a fault, and trust the node less."""
        metrics.byzantine_faults_detected_total.inc(node_id=node, fault_type=fault)
        self.trust[node] = max(0.0, self.trust[node] - TRUST_LOST[fault])
        metrics.reputation_score.set(self.trust[node], node_id=node)

    def lose_leader(self) -> None:
        """Miss a heartbeat, and see another coordinator elected."""
        metrics.consensus_heartbeat_failures_total.inc(to_node="coordinator-1")
        self.elections.started()
        self.raft.current_term += 1
        self.elections.ended("coordinator-2")


def main() -> None:
    """Observe some entries and an election, then serve metrics until Ctrl-C or SIGTERM."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runtime = butterfly_otel.configure(node_id="observer-1", node_role="observer")
    print(f"metrics are on {runtime.prometheus_url}", flush=True)

    raft = Follower()
    observe_raft(
        raft,
        term="current_term",
        log_length="log",  # something sized counts as its length
        commit_index="committed",
        applied_index="applied",
        cluster_size="members",
        quorum_size=lambda node: sum(node.members.values()) // 2 + 1,
    )
    observer = Observer(raft)
    with suppress(KeyboardInterrupt):
        observer.apply(signed(HONEST, 2, 4))
        observer.apply(signed(LIAR, 3, 10))  # wrong, and signed
        observer.lose_leader()
        observer.apply(signed(LIAR, 4, 16, key=b"stolen"))
        observer.apply(signed(HONEST, 5, 25))
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
