"""Registrations of callbacks that are asked at each collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import Observation
    from typing_extensions import Self

    #: Called at each collection; returns the one value, or an observation a series.
    ObserveCallback = Callable[[], float | Iterable[Observation]]


class Observed(Protocol):
    """What a registration needs of its handle."""

    def unregister(self, registration: Registration) -> None:
        """Undo a registration; harmless when done twice."""
        ...


class Registration:
    """A registered observation callback; undone by ``unregister()`` or at the end of a ``with``."""

    __slots__ = ("_handle", "callback")

    def __init__(self, handle: Observed, callback: ObserveCallback) -> None:
        self._handle = handle
        self.callback = callback

    def unregister(self) -> None:
        """Stop calling the callback; harmless when done twice."""
        self._handle.unregister(self)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: a copy would be asked for nothing.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"a registration of {self._handle!r} can't be copied or pickled, because it stands for"
            " one callback of this process; leave it out, and observe() for the copy"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.unregister()
