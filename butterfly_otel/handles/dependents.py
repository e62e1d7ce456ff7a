"""What has looked something up in a handle, and is told when that is stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import ref

from butterfly_otel.process import forks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.handles.targets import LabelValues


#: A dependent may die, and be discarded, while the same thread adds another one.
_changing = forks.rlock()


class Dependent(Protocol):
    """Keeps something that it has looked up in a handle."""

    def unsettle(self) -> None:
        """Look it up again at the next occasion. Called by the handle."""
        ...


class Dependents:
    """The dependents of one handle, while they live. Thread-safe."""

    __slots__ = ("_by_values", "_others")

    def __init__(self) -> None:
        self._by_values: dict[LabelValues, dict[ref[Dependent], None]] = {}
        # Those whose label values are not the ones that a series is found by.
        self._others: dict[ref[Dependent], None] = {}

    def add(self, dependent: Dependent, values: LabelValues | None) -> None:
        """Tell a dependent from now on, of the series of these label values or of all."""
        if values is None or not all(each is None or type(each) is str for each in values):
            others = self._others
            others[ref(dependent, lambda gone: others.pop(gone, None))] = None
            return
        reference = ref(dependent, lambda gone: self._discard(values, gone))
        with _changing:
            known: dict[ref[Dependent], None] | None = None
            # Garbage that is collected meanwhile may take away what is empty still.
            while known is None or self._by_values.get(values) is not known:
                known = self._by_values.setdefault(values, {})
                known[reference] = None

    def _discard(self, values: LabelValues, gone: ref[Dependent]) -> None:
        with _changing:
            known = self._by_values.get(values)
            if known is not None:
                known.pop(gone, None)
                if not known:
                    del self._by_values[values]

    def unsettle(self, spellings: Iterable[LabelValues] | None = None) -> None:
        """Tell those of a series that it has ended, by the label values that lead to it; or all."""
        # Copies are made in one step, so others may be added or die meanwhile.
        told = self._others.copy()
        for each in self._by_values.copy() if spellings is None else spellings:
            told.update(self._by_values.get(each, {}).copy())
        for reference in told:
            dependent = reference()
            if dependent is not None:
                dependent.unsettle()
