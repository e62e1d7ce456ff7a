"""The series a decorator measures, some of whose labels may depend on the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from butterfly_otel.decorators.sources import Occurrence, Result, Source, resolve
from butterfly_otel.enforcement.text import as_text
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.handles.bound import Bound
from butterfly_otel.handles.handles import SynchronousHandle, int_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.decorators.sources import Resolver
    from butterfly_otel.decorators.wrapping import Function
    from butterfly_otel.handles.targets import LabelValues
    from butterfly_otel.handles.timer import Recorder

_BoundT_co = TypeVar("_BoundT_co", bound=Bound, covariant=True)


class Unlabelled(Protocol[_BoundT_co]):
    """A handle whose labels all have a default, so that it can be decorated with as it is."""

    def bind(self) -> _BoundT_co:
        """Return the metric with its labels given."""
        ...


class Series:
    """The series a measurement goes to, some of whose labels may depend on the call.

    Args:
        target: A bound instrument, or a handle that needs no labels.
        kind: What it has to be.
        name: What users call the decorator.

    Raises:
        ConfigurationError: When it is something else, or a constant is not in the contract.
    """

    __slots__ = ("_handle", "_values", "late")

    def __init__(self, target: object, kind: type[Bound], name: str) -> None:
        bound = _bound(target, name)
        if not isinstance(bound, kind):
            msg = f"{name} needs a {kind.__name__}; {target!r} is not one"
            raise ConfigurationError(msg)
        self._handle, self._values = _parts(bound)
        #: Whether a label is known only at the end.
        self.late = any(isinstance(each, Source) and each.late for each in self._values)
        for label, value in zip(self._handle.metric.labels, self._values, strict=True):
            if label.kind != "closed" or value is None:
                continue
            for constant in value.constants if isinstance(value, Source) else (value,):
                if as_text(constant) not in label.values:
                    msg = (
                        f"{name} has the {label.key} {constant!r} for {self._handle.metric.name},"
                        f" which is none of {', '.join(label.values)}"
                    )
                    raise ConfigurationError(msg)

    @property
    def handle(self) -> SynchronousHandle:
        """The metric's handle."""
        return self._handle

    def finder(self, function: Function | None) -> Callable[[Occurrence], Recorder]:
        """Return what finds the recorder for one call of ``function``.

        Raises:
            ConfigurationError: When a label asks for an argument or a result it does not have.
        """
        handle, values = self._handle, self._values
        if function is None and any(isinstance(value, Result) for value in values):
            msg = f"a with block has no result, so it can't be a label of {self._handle!r}"
            raise ConfigurationError(msg)
        resolvers: dict[int, Resolver] = {
            index: value.resolver(function)
            for index, value in enumerate(values)
            if isinstance(value, Source)
        }
        if not resolvers:
            return lambda _call: handle.find(values).record

        def find(call: Occurrence) -> Recorder:
            found = list(values)
            for index, resolver in resolvers.items():
                found[index] = int_text(resolve(resolver, call))
            record: Recorder = handle.find(tuple(found)).record
            return record

        return find


def _bound(target: object, name: str) -> Bound:
    if not isinstance(target, SynchronousHandle):
        return cast("Bound", target)
    try:
        return cast("Unlabelled[Bound]", target).bind()
    except TypeError:
        keys = ", ".join(label.key for label in target.metric.labels if label.default is None)
        msg = f"{name} needs the labels of {target.metric.name}: pass its bind({keys})"
        raise ConfigurationError(msg) from None


def _parts(bound: Bound) -> tuple[SynchronousHandle, LabelValues]:
    # The bound instrument is taken as a description: its recorder may belong to no series.
    handle = cast("SynchronousHandle", bound._handle)  # noqa: SLF001 - see above
    return handle, bound._values  # noqa: SLF001 - likewise
