"""What is raised while a scrape collects, of any kind, costs no more than it must."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from butterfly_otel.exporters.prometheus import CollectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.exporters.prometheus.conftest import Setup


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), GeneratorExit()])
def test_an_exception_of_any_kind_fails_one_scrape(
    setup: Callable[..., Setup], error: BaseException
) -> None:
    """It is a CollectionError, which the server answers by 500, and ends no thread of it."""
    done = setup()
    failing = True

    def callback(_options: CallbackOptions) -> Iterable[Observation]:
        if failing:
            raise error
        return [Observation(1)]

    done.meter.create_observable_gauge("g", [callback])
    server = done.reader.start_server(port=0)
    with pytest.raises(CollectionError, match=type(error).__name__):
        done.reader.render()
    with pytest.raises(HTTPError, match="500") as refused:
        urlopen(server.url, timeout=5)
    refused.value.close()
    failing = False
    with urlopen(server.url, timeout=5) as response:
        assert b"g 1.0" in response.read()


def test_a_foreign_collector_may_raise_anything(setup: Callable[..., Setup]) -> None:
    """It costs its own metrics."""

    class Raising:
        error: BaseException = SystemExit()

        def describe(self) -> list[Any]:
            return []

        def collect(self) -> Iterable[Any]:
            raise self.error

    done = setup()
    foreign: Any = Raising()
    done.registry.register(foreign)
    done.meter.create_counter("c").add(1)
    assert "c_total 1.0" in done.text()
