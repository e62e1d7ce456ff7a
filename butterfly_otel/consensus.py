"""Observing a Raft node: its whole state by one registration.

::

    from butterfly_otel.consensus import observe_raft

    registration = observe_raft(
        node,
        term="current_term",  # another name of the attribute
        log_length="log",  # something sized counts as its length
        applied_index="state_machine.applied",  # an attribute of an attribute
        quorum_size=lambda node: len(node.voters) // 2 + 1,  # computed
        cluster_size=None,  # not known here
    )

What happens at a moment rather than being a state (elections, heartbeats) is measured by the
code that sees it: :class:`Elections` and ``metrics.consensus_heartbeat_failures_total``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sized
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from weakref import ref

from butterfly_otel import metrics
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process import forks, timing

if TYPE_CHECKING:
    from opentelemetry.metrics import Observation
    from typing_extensions import Self

    from butterfly_otel.handles.handles import ObservableHandle
    from butterfly_otel.handles.registration import ObserveCallback, Registration

_Node = TypeVar("_Node")

#: The states of ``butterfly_cluster_size``, each of which is always reported.
_STATES = ("active", "degraded", "recovering")


class RaftNode(Protocol):
    """A node that :func:`observe_raft` reads without being told more.

    Each may be a plain attribute, a property or a method without arguments.
    """

    @property
    def term(self) -> int:
        """The Raft term it is in."""
        ...

    @property
    def log_length(self) -> int | Sized:
        """Entries now in its log, or the log itself."""
        ...

    @property
    def commit_index(self) -> int:
        """Index of the newest entry it knows to be committed."""
        ...

    @property
    def applied_index(self) -> int:
        """Index of the newest entry it has applied."""
        ...

    @property
    def cluster_size(self) -> int | Mapping[str, int]:
        """Nodes by state as it sees them; one number is the active voters."""
        ...

    @property
    def quorum_size(self) -> int:
        """Voting members that a decision needs."""
        ...


class RaftObservation:
    """What :func:`observe_raft` has registered; undone by ``unregister()`` or a ``with``'s end."""

    __slots__ = ("_registrations",)

    def __init__(self) -> None:
        self._registrations: tuple[Registration, ...] = ()

    def unregister(self) -> None:
        """Stop reading the node; its series end. Harmless when done twice."""
        registrations, self._registrations = self._registrations, ()
        for registration in registrations:
            registration.unregister()

    def _observe(self, handle: ObservableHandle, callback: ObserveCallback) -> None:
        self._registrations = (*self._registrations, handle.observe(callback))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.unregister()


def observe_raft(
    node: _Node,
    *,
    term: str | Callable[[_Node], object] | None = "term",
    log_length: str | Callable[[_Node], object] | None = "log_length",
    commit_index: str | Callable[[_Node], object] | None = "commit_index",
    applied_index: str | Callable[[_Node], object] | None = "applied_index",
    cluster_size: str | Callable[[_Node], object] | None = "cluster_size",
    quorum_size: str | Callable[[_Node], object] | None = "quorum_size",
    node_id: str | None = None,
) -> RaftObservation:
    """Report a Raft node's state at each collection, until it is unregistered or gone.

    Each part is the name of an attribute (dotted, if it is one of an attribute), a function of
    the node, or None where it is not known. A method is called without arguments; a sized
    value, such as the log itself, counts as its length.

    The node is kept by a weak reference and its series end with it; one that can't be weakly
    referenced lives until ``unregister()``. Functions must not refer to the node by themselves
    then: it is passed to them. Parts are read on whichever thread collects and must return at
    once. One that raises is counted in ``butterfly_otel_callback_errors_total``, logged once,
    and only its own metric is missing.

    Args:
        node: A :class:`RaftNode`, or anything else with the parts named.
        term: ``butterfly_consensus_term``.
        log_length: ``butterfly_consensus_log_entries_total``.
        commit_index: ``butterfly_consensus_commit_index``.
        applied_index: ``butterfly_consensus_applied_index``.
        cluster_size: ``butterfly_cluster_size``: a mapping of ``active``, ``degraded`` and
            ``recovering`` to numbers of nodes, or the number of active voters alone. A state
            the mapping lacks is reported as 0, so that "no voter left" is a value to alert on.
        quorum_size: ``butterfly_quorum_size``.
        node_id: The label; by default this process' own. The last two have no such label:
            where one process observes several nodes, only one should tell them.

    Raises:
        ConfigurationError: When the node lacks an attribute that is to be read, or a part is
            neither a name nor a function.
    """
    kept = _keep(node)
    observation = RaftObservation()
    by_node: tuple[tuple[Any, Any, str], ...] = (
        (metrics.consensus_term, term, "term"),
        (metrics.consensus_log_entries_total, log_length, "log_length"),
        (metrics.consensus_commit_index, commit_index, "commit_index"),
        (metrics.consensus_applied_index, applied_index, "applied_index"),
    )
    # Everything that can be refused comes before anything is registered.
    parts: list[tuple[ObservableHandle, Callable[[Any], list[Observation]]]] = []
    for handle, part, name in by_node:
        if part is not None:
            label = functools.partial(handle.observation, node_id=node_id)
            parts.append((handle, _one(_reader(node, part, name), label)))
    if cluster_size is not None:
        read_sizes = _reader(node, cluster_size, "cluster_size")
        parts.append((metrics.cluster_size, functools.partial(_sizes, read_sizes)))
    if quorum_size is not None:
        read = _reader(node, quorum_size, "quorum_size")
        parts.append((metrics.quorum_size, _one(read, metrics.quorum_size.observation)))
    for handle, observe in parts:
        observation._observe(handle, _while_alive(kept, observe, observation))  # noqa: SLF001 - one mechanism
    return observation


class Elections:
    """Counts changes of leader and times elections, for code that sees them begin and end.

    ``butterfly_consensus_leader_changes_total`` counts each leader that differs from the last
    one known, so elections that return the same leader in a new term are timed but not counted.
    ``butterfly_consensus_election_duration_seconds`` runs from the first :meth:`started` to
    :meth:`ended`, however many rounds of voting lie between them.

    Thread-safe. Make one a Raft node::

        elections = Elections()
        elections.started()  # on becoming a candidate, or on losing the leader
        elections.ended("coordinator-2")  # on learning who leads
    """

    def __init__(self, leader: str | None = None) -> None:
        self._leader = leader
        self._since: float | None = None
        self._lock = forks.lock()

    @property
    def leader(self) -> str | None:
        """The last leader known."""
        return self._leader

    def started(self) -> None:
        """An election has begun; a further round of the same one changes nothing."""
        with self._lock:
            if self._since is None:
                self._since = timing.perf_counter()

    def ended(self, leader: str) -> None:
        """An election has a result, or this node has learnt of one it saw nothing of."""
        with self._lock:
            since, self._since = self._since, None
            changed, self._leader = leader != self._leader, leader
        if since is not None:
            metrics.consensus_election_duration_seconds.record(timing.perf_counter() - since)
        if changed:
            metrics.consensus_leader_changes_total.inc()


def _keep(node: _Node) -> Callable[[], _Node | None]:
    try:
        return ref(node)
    except TypeError:  # a class with slots, a named tuple
        return lambda: node


def _reader(
    node: object, part: str | Callable[[Any], object], name: str
) -> Callable[[Any], object]:
    """Return what reads one part of a node, after a look whether the node has it."""
    if not isinstance(part, str):
        if not callable(part):
            msg = (
                f"observe_raft: {name} is {part!r}; pass the name of an attribute, a function of"
                " the node, or None"
            )
            raise ConfigurationError(msg)
        return part
    read = cast("Callable[[Any], object]", operator.attrgetter(part))
    try:
        read(node)
    except AttributeError as error:
        if error.name is not None and error.name not in part.split("."):
            return read  # the node has it, and something in it is not there yet
        msg = (
            f"observe_raft: the {type(node).__name__} has no attribute {part!r} ({error});"
            f" name another one or a function of the node by {name}=, or leave it out by"
            f" {name}=None"
        )
        raise ConfigurationError(msg) from error
    except Exception:  # noqa: BLE001 - it has one, which can't be read yet
        return read
    return read


def _value(read: Callable[[Any], object], node: object) -> Any:  # noqa: ANN401 - judged by the guard
    value = read(node)
    if callable(value):
        value = value()
    return value


def _number(value: Any) -> Any:  # noqa: ANN401 - judged by the guard
    return len(value) if isinstance(value, Sized) and not isinstance(value, (str, bytes)) else value


def _one(
    read: Callable[[Any], object], label: Callable[[float], Observation]
) -> Callable[[Any], list[Observation]]:
    return lambda node: [label(_number(_value(read, node)))]


def _sizes(read: Callable[[Any], object], node: object) -> list[Observation]:
    value = _value(read, node)
    sizes: dict[Any, Any] = dict.fromkeys(_STATES, 0)
    if isinstance(value, Mapping):
        sizes |= value
        return [metrics.cluster_size.observation(n, state=state) for state, n in sizes.items()]
    return [metrics.cluster_size.observation(_number(value), state="active")]


def _while_alive(
    kept: Callable[[], _Node | None],
    observe: Callable[[Any], list[Observation]],
    observation: RaftObservation,
) -> ObserveCallback:
    def callback() -> list[Observation]:
        node = kept()
        if node is None:
            # Here rather than when the node is collected: no lock is taken by the collector
            # of garbage, which may run anywhere.
            observation.unregister()
            return []
        return observe(node)

    return callback
