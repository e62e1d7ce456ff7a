"""Consensus among the coordinators: membership, elections, the replicated log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.demo.world import DT, largest_group

if TYPE_CHECKING:
    from butterfly_otel.demo.network import Network
    from butterfly_otel.demo.world import Node, World

#: Seconds for which an unstable leader keeps its place.
_UNSTABLE_FOR = 26.0
#: Chance a second that a candidate without a majority tries again, in a new term.
_VAIN_CANDIDACY = 0.15
#: Entries a follower that was away catches up in a step, and bytes an entry has.
_CATCH_UP, _ENTRY_BYTES = 400, 640.0
#: Entries a second that the cluster writes for itself.
_HOUSEKEEPING = 3.0


@dataclass(slots=True)
class Raft:
    """What one coordinator knows. Always applied <= commit <= log."""

    term: int = 0
    log: int = 0
    commit: int = 0
    applied: int = 0


class Consensus:
    """The consensus of a world's coordinators."""

    def __init__(self, world: World, network: Network) -> None:
        self._world = world
        self._network = network
        self.state = {node.node_id: Raft() for node in world.coordinators}
        self.elections = 0
        self._previous: Node | None = None
        self._began = 0.0
        self._takes = world.chance.uniform(0.4, 1.2)
        self._unstable_at = 0.0

    @property
    def quorate(self) -> bool:
        """Whether enough voters reach each other for a decision."""
        return len(self._world.voters) >= self._world.size.quorum

    def advance(self) -> None:
        """Find out who is there, elect a leader where there is none, replicate the log."""
        world = self._world
        alive = [node for node in world.coordinators if node.up]
        world.voters = largest_group(alive, world.connected) if alive else []
        self._depose()
        if world.leader is None:
            self._elect()
        if world.leader is not None:
            self._replicate(world.leader)

    def _depose(self) -> None:
        world = self._world
        if world.leader is None:
            return
        gone = world.leader not in world.voters or not self.quorate
        challenged = world.unstable and world.clock >= self._unstable_at
        if gone or challenged:
            what = "is gone" if gone else "was challenged"
            world.step.notes.append(f"{world.leader.node_id}, the leader, {what}: election")
            self._previous, world.leader = world.leader, None
            self._began, self._takes = world.clock, world.chance.spread(0.7, 0.5)
            self._unstable_at = world.clock + _UNSTABLE_FOR

    def _elect(self) -> None:
        world, chance = self._world, self._world.chance
        if not self.quorate:
            for node in world.coordinators:
                if node.up and chance.happens(_VAIN_CANDIDACY * DT):
                    self.state[node.node_id].term += 1
            return
        waited = world.clock + DT - self._began
        if waited < self._takes:
            return
        # Whoever lacks a committed entry gets no votes.
        needed = max(self.state[node.node_id].commit for node in world.voters)
        able = [node for node in world.voters if self.state[node.node_id].log >= needed]
        others = [node for node in able if node is not self._previous]
        world.leader = winner = chance.choice(others or able)
        term = 1 + max(raft.term for raft in self.state.values())
        for node in world.voters:
            self.state[node.node_id].term = term
        self.elections += 1
        late = waited > self._takes + DT
        world.step.elections.append(waited if late else self._takes)
        world.step.notes.append(f"{winner.node_id} leads in term {term}")

    def _replicate(self, leader: Node) -> None:
        world, chance, own = self._world, self._world.chance, self.state[leader.node_id]
        entries = chance.poisson(_HOUSEKEEPING * DT) + sum(world.step.tasks_assigned.values())
        own.log += entries
        for node in world.voters:
            raft = self.state[node.node_id]
            raft.term = own.term
            if node is leader:
                continue
            behind = own.log - chance.poisson(0.4)
            raft.log = min(own.log, max(raft.log, min(behind, raft.log + _CATCH_UP)))
            self._network.send(leader, node, "consensus", 1 + entries // 8, entries * _ENTRY_BYTES)
            self._network.send(node, leader, "consensus", 1, 96.0)
        logs = sorted((self.state[node.node_id].log for node in world.voters), reverse=True)
        own.commit = max(own.commit, logs[world.size.quorum - 1])
        for node in world.voters:
            self._commit(node, own.commit)

    def _commit(self, node: Node, committed: int) -> None:
        chance, raft = self._world.chance, self.state[node.node_id]
        raft.commit = max(raft.commit, min(raft.log, committed))
        raft.applied = max(raft.applied, raft.commit - chance.poisson(0.5))
        append = chance.spread(0.004, 0.7)
        self._world.step.disk_writes.append((node.node_id, "log_append", append))
