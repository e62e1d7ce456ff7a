"""How a WSGI body may end, other than by its last part."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from butterfly_otel.integrations.wsgi import ButterflyMiddleware
from tests.unit.decorators.conftest import Red
from tests.unit.integrations.web.support import ask
from tests.unit.integrations.web.test_wsgi import answering, call, measuring, serving


class Body:
    """A body of two parts that may fail anywhere."""

    def __init__(self, *, fails: bool = False, closing: bool = False) -> None:
        self._fails = fails
        self._closing = closing

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        if self._fails:
            raise MemoryError
        yield b"two"

    def close(self) -> None:
        if self._closing:
            raise ValueError


class Sized(Body):
    """One that says how many parts it has, before any is made."""

    def __len__(self) -> int:
        return 2


def read(body: Any) -> None:
    """Read a body and close it, as a server does whatever happens."""
    try:
        for _ in body:
            pass
    finally:
        body.close()


@pytest.mark.parametrize("kind", [Body, Sized])
def test_a_body_that_fails_midway_is_an_error(red: Red, kind: Any) -> None:
    """Also where it has a length, which does not make it complete."""
    with pytest.raises(MemoryError):
        read(call(measuring(answering(lambda: kind(fails=True)))))
    assert (red.errors, red.ok, red.in_flight) == ({"oom": 1}, 0, 0)


@pytest.mark.parametrize("kind", [Body, Sized])
def test_closing_that_fails_is_not_the_request(red: Red, kind: Any) -> None:
    """What is read to its end is a success, whatever cleaning up after it does."""
    with pytest.raises(ValueError, match=r"^$"):
        read(call(measuring(answering(lambda: kind(closing=True)))))
    assert (red.errors, red.ok, red.in_flight) == ({}, 1, 0)


def test_closing_that_fails_before_the_end_is_cancelled(red: Red) -> None:
    """A server that closes a body it has not read to its end has lost the client."""
    body = call(measuring(answering(lambda: Body(closing=True))))
    assert next(iter(body)) == b"one"
    with pytest.raises(ValueError, match=r"^$"):
        body.close()
    assert (red.errors, red.ok, red.in_flight) == ({"cancelled": 1}, 0, 0)


def test_a_sized_body_keeps_its_length(red: Red) -> None:
    """A server that derives Content-Length from one part still can."""

    class One(Sized):
        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[bytes]:
            yield b"done"

    with serving(measuring(answering(One))) as port:
        assert ask(port, "/go")[2]["content-length"] == "4"
    assert (red.ok, red.in_flight) == (1, 0)


def test_no_exception_is_not_an_error(red: Red) -> None:
    """``sys.exc_info()`` outside of a handler is three times None, and says nothing."""

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [], (None, None, None))
        return [b"ok"]

    assert call(measuring(app)) == [b"ok"]
    assert (red.errors, red.ok) == ({}, 1)


def test_a_template_for_nothing_is_told_by_any_request(caplog: pytest.LogCaptureFixture) -> None:
    """Also by one that no template is for, the only kind there is where all are wrong."""

    class Rule:
        rule = "/go"
        methods = None

    class App:
        def __init__(self) -> None:
            self.url_map = self

        def iter_rules(self) -> list[type[Rule]]:
            return [Rule]

        def __call__(self, _environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"ok"]

    app: Any = ButterflyMiddleware(App(), method={"/gone": "inference"})
    caplog.set_level(logging.WARNING, "butterfly_otel")
    for _ in range(2):
        call(app)
    assert [record.args for record in caplog.records] == [("/gone",)]
