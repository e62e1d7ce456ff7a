"""The meter whose instruments measure by cells, and are told apart by what they are."""
# pyright: reportUnknownVariableType=false
# Instruments are the SDK's, whose types are private.

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.engine import sdk_internals as sdk
from butterfly_otel.engine.instruments import CellInstrument
from butterfly_otel.engine.kinds import CELL_CLASSES, adopt
from butterfly_otel.engine.observables import OBSERVABLE_CLASSES, ObservableInstrument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_logger = logging.getLogger("butterfly_otel")


class _Nowhere:
    """Stands for the consumer of an instrument that may not be the one that is registered."""

    def register_asynchronous_instrument(self, instrument: object) -> None:
        """Let nobody ask its callbacks."""


class CellMeter(sdk.Meter):
    """The SDK's meter, whose instruments measure by cells.

    The SDK makes an instrument, in a meter made for it alone, and ours takes its place before
    anybody has it. Asked again for the same, the meter returns the first one, with the
    callbacks of both calls. One that differs in kind, unit or description is another one, and
    told once. Thread-safe; a finalizer may ask for the very instrument that is being made.
    """

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Create a counter; see the SDK."""
        return self._instrument("counter", name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Create an up-down counter; see the SDK."""
        return self._instrument("up_down_counter", name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401
        """Create a gauge; see the SDK."""
        return self._instrument("gauge", name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Any:  # noqa: ANN401
        """Create a histogram; see the SDK."""
        advisory = {"explicit_bucket_boundaries_advisory": explicit_bucket_boundaries_advisory}
        return self._instrument("histogram", name, unit, description, **advisory)

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[Any] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Create an observable counter, or add callbacks to it; see the SDK."""
        return self._observable("observable_counter", name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[Any] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Create an observable up-down counter, or add callbacks to it; see the SDK."""
        return self._observable("observable_up_down_counter", name, callbacks, unit, description)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[Any] | None = None,
        unit: str = "",
        description: str = "",
    ) -> Any:  # noqa: ANN401
        """Create an observable gauge, or add callbacks to it; see the SDK."""
        return self._observable("observable_gauge", name, callbacks, unit, description)

    def instruments(self) -> Iterator[CellInstrument]:
        """Yield the instruments that measure by cells."""
        # Copied in one step: without a GIL, another thread may create one while this one looks.
        for instrument in tuple(self._registered.copy().values()):
            if isinstance(instrument, CellInstrument):
                yield instrument

    def restart(self) -> None:
        """Renew the locks in a forked child."""
        sdk.renew_locks(self)
        for instrument in self.instruments():
            instrument.renew_lock()

    @property
    def _registered(self) -> dict[Any, Any]:
        known: Any = self._instrument_id_instrument
        return known  # type: ignore[no-any-return]

    def _observable(
        self, kind: str, name: str, callbacks: Iterable[Any] | None, unit: str, description: str
    ) -> Any:  # noqa: ANN401
        instrument = self._instrument(kind, name, unit, description)
        for callback in callbacks or ():
            instrument.add_callback(callback)
        return instrument

    def _instrument(
        self,
        kind: str,
        name: str,
        unit: str | None,
        description: str | None,
        **advisory: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return the one instrument that is all this, however many ask at once."""
        unit, description = unit or "", description or ""
        identity = (name.strip().lower(), kind, unit, description)
        registered = self._registered
        found = registered.get(identity)
        if found is None:
            made = self._made(kind, name, unit, description, advisory)
            # In one step: of two, be the second a finalizer in the midst of this, one wins.
            found = registered.setdefault(identity, made)
            if found is made:
                if isinstance(made, ObservableInstrument):
                    self._measurement_consumer.register_asynchronous_instrument(cast("Any", made))
                self._warn_of_twins(identity)
                return found
        if found.name != name.strip() or _advice(found) != _asked(advisory):
            self._warn_of_difference(found, name, kind, advisory)
        return found

    def _made(
        self, kind: str, name: str, unit: str, description: str, advisory: dict[str, Any]
    ) -> Any:  # noqa: ANN401
        maker: Any = object.__new__(sdk.Meter)
        vars(maker).update(vars(self))
        maker._instrument_ids, maker._instrument_id_instrument = {}, {}  # noqa: SLF001
        sdk.renew_locks(maker)
        maker._measurement_consumer = _Nowhere()  # noqa: SLF001
        create: Callable[..., Any] = getattr(maker, f"create_{kind}")
        # A unit that OpenTelemetry's own check refuses is exported as it is.
        stock = create(name, **advisory)
        stock._measurement_consumer = self._measurement_consumer  # noqa: SLF001
        stock.name, stock.unit, stock.description = name.strip(), unit, description
        kind_of: Any = type(stock)
        ours: Any = CELL_CLASSES.get(kind_of) or OBSERVABLE_CLASSES[kind_of]
        return adopt(stock, ours)

    def _warn_of_twins(self, identity: tuple[str, str, str, str]) -> None:
        name, kind, unit, description = identity
        for other in tuple(self._registered.copy()):
            if other[0] == name and other != identity:
                differs = ", ".join(
                    f"{what} {ours!r} instead of {theirs!r}"
                    for what, ours, theirs in (
                        ("kind", kind, other[1]),
                        ("unit", unit, other[2]),
                        ("description", description, other[3]),
                    )
                    if ours != theirs
                )
                _logger.warning(
                    "the instrument %r of the meter %r was created a second time with another %s:"
                    " both are exported under one name; create it alike everywhere, or tell them"
                    " apart by a View (logged once)",
                    name,
                    self._instrumentation_scope.name,
                    differs,
                )
                return

    def _warn_of_difference(
        self,
        found: Any,  # noqa: ANN401
        name: str,
        kind: str,
        advisory: dict[str, Any],
    ) -> None:
        reports = vars(self).setdefault("_told", set())
        told = (found.name, name, kind, str(advisory))
        if told in reports or len(reports) > _MOST_TOLD:
            return
        reports.add(told)
        _logger.warning(
            "the instrument %r of the meter %r was asked for again as %r%s: the first one stands"
            " (logged once)",
            found.name,
            self._instrumentation_scope.name,
            name,
            ", with other bucket boundaries" if _advice(found) != _asked(advisory) else "",
        )


def adopt_meter(meter: Any) -> None:  # noqa: ANN401 - the SDK's, whose type is private
    """Let a meter of the SDK's that has no instruments yet measure by cells."""
    meter.__class__ = CellMeter
    cast("CellMeter", meter).restart()


#: Names in other casings that a meter tells of.
_MOST_TOLD = 100


def _advice(instrument: Any) -> Any:  # noqa: ANN401 - whatever was passed
    advisory = getattr(instrument, "_advisory", None)
    return _listed(getattr(advisory, "explicit_bucket_boundaries", None))


def _asked(advisory: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever was passed
    return _listed(advisory.get("explicit_bucket_boundaries_advisory"))


def _listed(boundaries: Any) -> Any:  # noqa: ANN401 - whatever was passed
    return list(cast("Any", boundaries)) if isinstance(boundaries, (list, tuple)) else boundaries
