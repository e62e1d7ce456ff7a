"""Links that connections share, the end of peers, and what is contained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from butterfly_otel import metrics
from butterfly_otel.integrations.peers import Link, forget_peer, links
from butterfly_otel.integrations.traffic import Traffic
from butterfly_otel.process import contain
from butterfly_otel.process.contain import ask, attempt

Start = Callable[..., Any]
NEAR, FAR = "coordinator-1", "compute-node-2"
ACTIVE = "butterfly_connection_active"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Log everything anew, and leave no link behind."""
    monkeypatch.setattr(contain, "_logged", set())
    yield
    links._up.clear()


def test_a_link_is_up_while_one_of_its_connections_is(start: Start) -> None:
    """Losing one of two changes nothing; losing the last is 0; closing the last ends the series."""
    measured = start()
    link, ends = Link(FAR), {"from_node": NEAR, "to_node": FAR}
    one, two = object(), object()
    links.up(link, one)
    links.up(link, one)
    links.up(link, two)
    links.lost(link, one)
    assert measured.value(ACTIVE, **ends) == 1
    links.lost(link, two)
    assert measured.value(ACTIVE, **ends) == 0
    links.up(link, one)
    links.closed(link, one)
    assert measured.values(ACTIVE) == {}


def test_forgetting_a_peer_ends_every_series_that_names_it(start: Start) -> None:
    """Both directions, all types and both protocols go; those of another peer stay."""
    measured = start()
    for peer in (FAR, "compute-node-3"):
        link = Link(peer)
        for protocol in ("quic", "grpc"):
            traffic = Traffic(protocol, link)  # type: ignore[arg-type]
            traffic.sent(1)
            traffic.received(1)
            for kind in ("tensor", "checkpoint", "consensus", "heartbeat"):
                traffic.message_sent(kind)  # type: ignore[arg-type]
                traffic.message_received(kind)  # type: ignore[arg-type]
            for error in ("timeout", "refused", "reset", "encryption_error"):
                traffic.failed(error)  # type: ignore[arg-type]
            traffic.answered(0.1)
        links.up(link, traffic)
        metrics.consensus_heartbeat_failures_total.inc(to_node=peer)
    before = measured.reader.get_metrics_data().to_json()
    assert before.count(FAR) == before.count("compute-node-3") == 19
    forget_peer(FAR)
    after = measured.reader.get_metrics_data().to_json()
    assert after.count(FAR) == 0
    assert after.count("compute-node-3") == 19


def test_a_peer_can_be_forgotten_for_another_near_end(start: Start) -> None:
    """A process that is several nodes forgets one link of one of them."""
    measured = start()
    for near in ("a", "b"):
        Traffic("quic", Link(FAR, near)).sent(1)
        Traffic("quic", Link(FAR, near)).received(1)
    forget_peer(FAR, node_id="a")
    name = "butterfly_network_bytes_sent"
    assert measured.value(name, from_node="a", to_node=FAR, protocol="quic") is None
    assert measured.value(name, from_node="b", to_node=FAR, protocol="quic") == 1
    name = "butterfly_network_bytes_received"
    assert measured.value(name, from_node=FAR, to_node="a", protocol="quic") is None
    assert measured.value(name, from_node=FAR, to_node="b", protocol="quic") == 1


def test_forgetting_a_stranger_is_harmless() -> None:
    """Neither an unknown peer nor a missing configuration is an error."""
    forget_peer("nobody")


def test_what_is_contained_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each failing function has one warning with its traceback; the caller's own has its answer."""

    def fail() -> str:
        raise KeyError("gone")

    for _ in range(2):
        attempt(fail)
        assert ask(fail, "instead") == "instead"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert all(record.exc_info for record in caplog.records)
    assert ask(str, "x", 7) == "7"
