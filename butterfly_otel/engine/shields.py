"""Exemplar reservoirs of somebody's own: whatever they raise is logged once and goes no further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import ExemplarReservoir

from butterfly_otel.process.contain import log_once

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.view import View


def shield(view: View) -> None:
    """Let the reservoirs that a View makes raise nothing; harmless when done twice."""
    its: Any = view
    factory = its._exemplar_reservoir_factory  # noqa: SLF001 - the View keeps it nowhere else
    module = str(getattr(factory, "__module__", ""))
    if not isinstance(factory, _Factory) and not module.startswith("opentelemetry.sdk."):
        its._exemplar_reservoir_factory = _Factory(factory)  # noqa: SLF001


class _Factory:
    """What a View asks how the reservoirs of an aggregation are made."""

    def __init__(self, factory: Any) -> None:  # noqa: ANN401 - of somebody's own
        self._factory = factory

    def __call__(self, kind: type[object]) -> Any:  # noqa: ANN401 - the SDK's protocol
        """Return the class of the SDK's that it names, or what makes shielded reservoirs."""
        try:
            make: Any = self._factory(kind)
        except Exception as error:  # noqa: BLE001 - of somebody's own
            _complain(self._factory, error)
            make = None
        if str(getattr(make, "__module__", "")).startswith("opentelemetry.sdk."):
            return make

        def made(**settings: Any) -> Shielded:  # noqa: ANN401 - the SDK's protocol
            return Shielded(make, settings)

        return made


class Shielded(ExemplarReservoir):
    """A reservoir that never raises: of what it does, nothing is left where the one inside does.

    Args:
        make: Makes the one inside; None for none.
        settings: What that takes.
    """

    def __init__(self, make: Any, settings: dict[str, Any]) -> None:  # noqa: ANN401
        self._inside: Any = None
        try:
            self._inside = None if make is None else make(**settings)
        except Exception as error:  # noqa: BLE001 - of somebody's own
            _complain(make, error)

    def offer(self, *measurement: Any, **named: Any) -> None:  # noqa: ANN401 - the SDK's protocol
        """Offer a measurement."""
        if self._inside is not None:
            try:
                self._inside.offer(*measurement, **named)
            except Exception as error:  # noqa: BLE001 - of somebody's own
                _complain(self._inside, error)

    def collect(self, *attributes: Any, **named: Any) -> list[Exemplar]:  # noqa: ANN401
        """Return the exemplars there are."""
        if self._inside is None:
            return []
        try:
            found: list[Exemplar] = list(self._inside.collect(*attributes, **named))
        except Exception as error:  # noqa: BLE001 - of somebody's own
            _complain(self._inside, error)
            return []
        return found


def _complain(whose: object, error: BaseException) -> None:
    name = str(getattr(whose, "__qualname__", type(whose).__qualname__))
    log_once(f"the exemplar reservoir {name} raised; its exemplars are left out", error=error)
