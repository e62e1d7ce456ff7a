"""Which Views are for an instrument, and which streams they give one name."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# Instruments are the SDK's, whose types are private.

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.view import View

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: What a View keeps of its arguments, each behind an underscore.
_STATED = (
    "instrument_type",
    "instrument_name",
    "instrument_unit",
    "meter_name",
    "meter_version",
    "meter_schema_url",
    "name",
    "description",
    "attribute_keys",
    "aggregation",
    "aggregation_cardinality_limit",
)
#: What makes a View's name a pattern.
_WILD = frozenset("*?[")


class OneName(View):
    """A View of one instrument of one meter, whose names are no patterns.

    The SDK's takes each name for one and compiles it, which would be no small part of a start.
    Overrides ``View._match``.
    """

    def __init__(self, *, instrument_name: str, meter_name: str, **settings: Any) -> None:  # noqa: ANN401 - a View's arguments
        super().__init__(instrument_name=instrument_name, meter_name=meter_name, **settings)
        self._names = instrument_name, meter_name

    def _match(self, instrument: Any) -> bool:  # noqa: ANN401 - the SDK's own protocol
        return (instrument.name, instrument.instrumentation_scope.name) == self._names


def selecting(views: Iterable[View], instrument: Any) -> Iterator[View]:  # noqa: ANN401
    """Yield the Views that select an instrument, by its name or by that in lower case.

    The SDK lowers names, and Views may have been written for what it makes of them.
    """
    spellings = [instrument]
    if instrument.name != instrument.name.lower():
        kind: Any = type(instrument)
        lowered: Any = object.__new__(kind)
        vars(lowered).update(vars(instrument))
        lowered.name = instrument.name.lower()
        spellings.append(lowered)
    names = {each.name for each in spellings}
    for view in views:
        name = getattr(view, "_instrument_name", None)
        # The SDK takes each name for a pattern, and compiles it.
        if name is not None and name not in names and _WILD.isdisjoint(name):
            continue
        if any(view._match(each) for each in spellings):  # noqa: SLF001
            yield view


def stated(view: View) -> dict[str, Any]:
    """Return what a View selects and what it makes of that, by the names of its arguments."""
    return {each: getattr(view, f"_{each}", None) for each in _STATED}


def stated_boundaries(aggregation: object) -> list[float] | None:
    """Return the boundaries that an aggregation is given; None for the SDK's own."""
    given: Any = getattr(aggregation, "_boundaries", None)
    return None if given is None else list(given)


def without(view: View, left_out: Callable[[str, str], bool]) -> View:
    """Return a View that selects what another does, but for some instruments.

    Args:
        view: The other, which stays as it is.
        left_out: Tells of an instrument's meter and name whether it is one of them.
    """
    made: Any = copy(view)
    match = getattr(view, "_match", None)
    if match is None:  # a release that asks Views otherwise, which was told at the start
        return view

    def matches(instrument: Any) -> bool:  # noqa: ANN401 - the SDK's own protocol
        scope = instrument.instrumentation_scope.name
        return not left_out(scope, instrument.name) and match(instrument)

    made._match = matches  # noqa: SLF001 - as the SDK asks
    return made  # type: ignore[no-any-return]


class Claims:
    """The names of one reader's streams; tells once where Views give two of them one name."""

    def __init__(self) -> None:
        self._first: dict[tuple[Any, str], Any] = {}

    def add(self, stream: Any) -> None:  # noqa: ANN401 - the SDK's, with all that is private in it
        """Note the name of a new stream."""
        if isinstance(stream._aggregation, sdk.DropAggregationState):  # noqa: SLF001
            return
        scope, name = stream._instrument.instrumentation_scope, stream._name  # noqa: SLF001
        first = self._first.setdefault((scope, name.lower()), stream)
        # Instruments of one name under one View have been told of when they were created.
        if first is not stream and first._view is not stream._view:  # noqa: SLF001
            log_once(
                f"Views give the name {name!r} to several streams of the meter {scope.name!r}"
                f" (instruments {first._instrument.name!r}"  # noqa: SLF001
                f" and {stream._instrument.name!r}): give each a name of its own"  # noqa: SLF001
            )
