"""What ``timed``, ``counted`` and ``tracked`` take: any handle, and OpenTelemetry's instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from butterfly_otel.decorators.series import Series
from butterfly_otel.decorators.sources import Occurrence, Result, Source, resolve
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.handles.bound import Bound
from butterfly_otel.handles.handles import Handle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from butterfly_otel.decorators.wrapping import Function
    from butterfly_otel.handles.timer import Recorder

#: How many of each unit of time a second has (UCUM).
PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "min": 1 / 60, "h": 1 / 3600}


class Wanted(NamedTuple):
    """What a decorator needs.

    Attributes:
        decorator: What users call it.
        bound: The class of its bound instruments.
        kind: What a contract calls such an instrument.
        instrument: What OpenTelemetry calls it.
        method: That instrument's method.
    """

    decorator: str
    bound: type[Bound]
    kind: str
    instrument: str
    method: str


class Attributed:
    """The series of an instrument of OpenTelemetry's, some of whose labels depend on the call."""

    __slots__ = ("_instrument", "_labels", "_method", "late")

    def __init__(self, instrument: object, method: str, labels: Mapping[str, object]) -> None:
        self._instrument = instrument
        self._method: Callable[..., None] = getattr(instrument, method)
        self._labels = dict(labels)
        #: Whether a label is known only at the end.
        self.late = any(isinstance(each, Source) and each.late for each in self._labels.values())

    @property
    def unit(self) -> str:
        """The instrument's unit; empty where it does not tell."""
        return unit_of(self._instrument)

    @property
    def name(self) -> str:
        """The instrument's name, for messages."""
        return _told(self._instrument, "name") or repr(self._instrument)

    def finder(self, function: Function | None) -> Callable[[Occurrence], Recorder]:
        """Return what finds the recorder for one call of ``function``.

        Raises:
            ConfigurationError: When a label asks for an argument or a result it does not have.
        """
        labels, measure = self._labels, self._method
        if function is None and any(isinstance(each, Result) for each in labels.values()):
            raise ConfigurationError(
                f"a with block has no result, so it can't be a label of {self.name}"
            )
        fixed = {
            key: value
            for key, value in labels.items()
            if not isinstance(value, Source) and value is not None
        }
        resolvers = {
            key: value.resolver(function)
            for key, value in labels.items()
            if isinstance(value, Source)
        }

        def find(call: Occurrence) -> Recorder:
            found = dict(fixed)
            for key, resolver in resolvers.items():
                value = resolve(resolver, call)
                if value is not None:
                    found[key] = value
            return lambda amount: measure(amount, cast("Any", found))

        return find


def series_for(
    target: object, wanted: Wanted, labels: Mapping[str, object] | None
) -> Series | Attributed:
    """Return the series that a decorator measures.

    Raises:
        ConfigurationError: When the target is not of the kind that is wanted, or lacks labels.
    """
    if isinstance(target, Bound):
        if labels:
            raise ConfigurationError(
                f"{wanted.decorator} has labels={labels!r} for {target!r}, which has its labels;"
                " pass the handle instead, or leave labels out"
            )
        if not isinstance(target, wanted.bound):
            raise _other(target, wanted)
        return Series(target, wanted.bound, wanted.decorator)
    if isinstance(target, Handle):
        if not target.metric.instrument == wanted.kind:
            raise _other(target, wanted)
        return Series(_with_labels(target, labels), wanted.bound, wanted.decorator)
    from opentelemetry import metrics  # noqa: PLC0415 - only for those, so that import stays light

    if not isinstance(target, getattr(metrics, wanted.instrument)):
        raise _other(target, wanted)
    return Attributed(target, wanted.method, labels or {})


def _other(target: object, wanted: Wanted) -> ConfigurationError:
    return ConfigurationError(
        f"{wanted.decorator} needs a {wanted.kind.replace('_', '-', 1).replace('_', ' ')}: a"
        f" {wanted.bound.__name__}, a handle, or OpenTelemetry's {wanted.instrument};"
        f" {target!r} is not one"
    )


def _with_labels(handle: Handle, labels: Mapping[str, object] | None) -> object:
    if not labels or not hasattr(handle, "bind"):
        return handle
    names = {label.key: label.parameter for label in handle.metric.labels}
    unknown = [key for key in labels if key not in names and key not in names.values()]
    if unknown:
        raise ConfigurationError(
            f"{handle.metric.name} has no label {unknown[0]!r}; it has {', '.join(names) or 'none'}"
        )
    bind = cast("Any", handle).bind
    try:
        return bind(**{names.get(key, key): value for key, value in labels.items()})
    except TypeError:
        lacking = ", ".join(
            label.key
            for label in handle.metric.labels
            if label.default is None and not {label.key, label.parameter} & labels.keys()
        )
        raise ConfigurationError(f"{handle.metric.name} needs the labels {lacking} too") from None


def unit_of(instrument: object) -> str:
    """Return the unit of an instrument, whoever has made it; empty where it does not tell."""
    metric = getattr(getattr(instrument, "stream", None), "metric", None)
    return str(getattr(metric, "unit", "")) or _told(instrument, "unit")


def _told(instrument: object, what: str) -> str:
    # The API's own stand-ins, before a provider is set, keep it to themselves.
    found = getattr(instrument, what, None) or getattr(instrument, f"_{what}", None)
    return found if isinstance(found, str) else ""


def factor_of(unit: str, name: str, decorator: str) -> float:
    """Return by what seconds are multiplied to be of a unit.

    Raises:
        ConfigurationError: When it is not a unit of time.
    """
    factor = PER_SECOND.get(unit)
    if factor is None:
        raise ConfigurationError(
            f"{decorator} measures time, and {name} has the unit {unit!r}; use one of"
            f" {', '.join(PER_SECOND)}"
        )
    return factor
