"""What can be decorated, and that it stays what it was."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import types
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from butterfly_otel import ConfigurationError, metrics, request, timed
from tests.unit.decorators import shapes
from tests.unit.decorators.conftest import Red


def plain(a: int, /, b: str, *rest: int, c: float = 1.0, **more: int) -> float:
    """Take arguments of all kinds."""
    return a + len(b) + sum(rest) + c + sum(more.values())


async def coroutine(a: int) -> int:
    """Await nothing."""
    return a


def generator(a: int) -> Generator[int]:
    """Yield once."""
    yield a


async def async_generator(a: int) -> AsyncGenerator[int]:
    """Yield once."""
    yield a


KINDS = (
    inspect.isfunction,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)

decorators = pytest.mark.parametrize(
    "decorator",
    [
        pytest.param(request(method="inference"), id="request"),
        pytest.param(request(method="inference", failed=lambda _: None), id="request-by-result"),
        pytest.param(timed(metrics.request_duration_seconds.bind(method="inference")), id="timed"),
    ],
)


@decorators
@pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator])
def test_kind_signature_and_names_are_kept(decorator: Any, function: Any) -> None:
    """Frameworks that look at a function see no difference."""
    decorated = decorator(function)
    assert decorated is not function
    assert [is_kind(decorated) for is_kind in KINDS] == [is_kind(function) for is_kind in KINDS]
    assert inspect.signature(decorated) == inspect.signature(function)
    for name in (*functools.WRAPPER_ASSIGNMENTS, "__wrapped__"):
        expected = function if name == "__wrapped__" else getattr(function, name)
        assert getattr(decorated, name) == expected


@decorators
def test_arguments_of_all_kinds_arrive(red: Red, decorator: Any) -> None:
    """Positional, keyword, variadic and default ones."""
    assert decorator(plain)(1, "xx", 3, 4, c=0.5, d=7) == plain(1, "xx", 3, 4, c=0.5, d=7)
    with pytest.raises(TypeError, match="plain"):
        decorator(plain)()
    assert red.in_flight == 0


@decorators
def test_decorators_stack(red: Red, decorator: Any) -> None:
    """Each measures for itself."""
    stacked = decorator(decorator(coroutine))
    assert asyncio.run(stacked(4)) == 4
    assert red.timed == 2


def test_decorated_functions_can_be_pickled() -> None:
    """By name, as every function is."""
    assert pickle.loads(pickle.dumps(shapes.double)) is shapes.double  # noqa: S301 - our own
    service = pickle.loads(pickle.dumps(shapes.Service()))  # noqa: S301 - likewise
    assert service.whole() == 3


def test_a_class_has_its_public_methods_measured(red: Red) -> None:
    """Each by its own kind, but for what is decorated already, private or no method."""
    service = shapes.Service.made()
    assert service.whole() == 3
    assert (service.fixed(5), shapes.Service.fixed(6), service.state) == (5, 6, 3)
    assert asyncio.run(service.saved()) == 3
    assert (red.ok, Red(red.measured, "checkpoint").ok) == (4, 1)
    assert isinstance(service, shapes.Service)
    assert "requests" in inspect.getdoc(shapes.Service)  # type: ignore[operator]


def test_some_methods_of_a_class_may_be_named(red: Red) -> None:
    """Special ones as well; one that is not there is a mistake."""

    @request(method="inference", methods=("__call__",))
    class Callable_:  # noqa: N801 - a name of its own
        def __call__(self) -> int:
            return 1

        def other(self) -> int:
            return 2

    assert Callable_()() + Callable_().other() == 3
    assert red.ok == 1
    with pytest.raises(ConfigurationError, match=r"Callable_ defines no method 'missing'"):
        request(method="inference", methods=("missing",))(Callable_)


@pytest.mark.parametrize("slots", [False, True])
def test_dataclasses_are_classes(red: Red, *, slots: bool) -> None:
    """Those with slots too, whichever decorator comes first; inherited methods are measured."""

    @dataclass(slots=slots)
    class Base:
        number: int

        @request(method="inference")
        def twice(self) -> int:
            return 2 * self.number

    @request(method="inference")
    @dataclass(slots=slots)
    class Derived(Base):
        def thrice(self) -> int:
            return 3 * self.number

    derived = Derived(5)
    assert (derived.twice(), derived.thrice(), derived == Derived(5)) == (10, 15, True)
    assert red.ok == 2


def test_descriptors_are_measured_in_either_order(red: Red) -> None:
    """Static methods, class methods and properties, decorated from outside and from inside."""
    decorator = request(method="inference")

    class Holder:
        outer_static = decorator(staticmethod(lambda number: number))
        inner_static = staticmethod(decorator(lambda number: number))

        @decorator
        @classmethod
        def outer_class(cls) -> str:
            return cls.__name__

        @classmethod
        @decorator
        def inner_class(cls) -> str:
            return cls.__name__

        @decorator
        @property
        def attribute(self) -> int:
            return 7

        @attribute.setter
        def attribute(self, value: int) -> None:
            raise NotImplementedError

    holder = Holder()
    assert (holder.outer_static(1), Holder.inner_static(2)) == (1, 2)
    assert (holder.outer_class(), Holder.inner_class(), holder.attribute) == ("Holder",) * 2 + (7,)
    assert red.ok == 5
    with pytest.raises(NotImplementedError):
        holder.attribute = 3
    bound = decorator(holder.outer_class)
    assert bound() == "Holder"


def test_partials_and_objects_are_callables(red: Red) -> None:
    """Of the kind that they call."""

    class Handler:
        async def __call__(self, number: int) -> int:
            return number

    decorator = request(method="inference")
    assert decorator(functools.partial(plain, 1, "x"))() == 3.0
    partial = decorator(functools.partial(coroutine, 2))
    handler = decorator(Handler())
    assert inspect.iscoroutinefunction(partial)
    assert inspect.iscoroutinefunction(handler)
    assert (asyncio.run(partial()), asyncio.run(handler(3))) == (2, 3)
    assert red.ok == 3


def test_generator_based_coroutines_can_be_awaited(red: Red) -> None:
    """The old kind of coroutine keeps working."""

    @request(method="inference")
    @types.coroutine
    def old(number: int) -> Generator[None, None, int]:
        yield
        return number

    async def main() -> int:
        return await old(4)

    assert asyncio.run(main()) == 4
    assert (red.ok, red.in_flight) == (1, 0)


@pytest.mark.parametrize("inside", [False, True])
def test_a_context_manager_is_measured_for_its_block(red: Red, *, inside: bool) -> None:
    """Whichever decorator comes first; what the block raises is the request's."""
    decorator = request(method="inference")

    def session(name: str) -> Generator[str]:
        yield name

    async def async_session(name: str) -> AsyncGenerator[str]:
        yield name

    made: Callable[..., Any]
    made_async: Callable[..., Any]
    if inside:
        made = contextmanager(decorator(session))
        made_async = asynccontextmanager(decorator(async_session))
    else:
        made = decorator(contextmanager(session))
        made_async = decorator(asynccontextmanager(async_session))

    async def main() -> None:
        async with made_async("b") as name:
            assert (name, red.in_flight) == ("b", 1)

    with made("a") as name:
        assert (name, red.in_flight) == ("a", 1)
    with pytest.raises(TimeoutError), made("a"):
        raise TimeoutError
    asyncio.run(main())
    assert (red.ok, red.errors, red.in_flight) == (2, {"timeout": 1}, 0)


@pytest.mark.parametrize("wrong", [3, None, "text", property()])
def test_what_is_no_callable_is_refused(wrong: Any) -> None:
    """The mistake is named at once."""
    with pytest.raises(ConfigurationError, match="request can't measure"):
        request(method="inference")(wrong)


def test_tracebacks_keep_the_line_that_raised() -> None:
    """One frame of ours, and no other change of the exception."""

    @request(method="inference")
    def handler() -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        handler()
    names = [entry.name for entry in caught.traceback]
    assert names[-2:] == ["measured", "handler"]
    assert caught.value.__context__ is None
