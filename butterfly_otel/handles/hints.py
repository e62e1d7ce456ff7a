"""What is said where a method of another library, or of another kind, is asked of a handle.

Users of prometheus_client write ``.labels(...)`` and ``.observe(...)``, those of OpenTelemetry
``.record(...)`` of a gauge. They get the AttributeError that Python raises anyway, with the right
call in it. Attributes that exist are found as before, so that measuring costs nothing more; type
checkers do not see the hints, and find the mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from butterfly_otel.catalog.model import Metric

#: The calls of each kind, by the base class of its handles; ``{}`` stands for the labels.
_CALLS: Final = {
    "Counter": "inc({}) or add(amount, {})",
    "UpDownCounter": "inc({}), dec({}) or add(amount, {})",
    "Gauge": "set(value, {})",
    "Histogram": "record(value, {})",
}
_KINDS: Final = {
    **{f"{kind}Handle": kind for kind in _CALLS},
    **{f"Bound{kind}": kind for kind in _CALLS},
}
_NAMES: Final = (
    *("labels", "observe", "set", "inc", "dec", "add", "record", "time", "track"),
    *("set_function", "set_to_current_time", "track_inprogress", "count_exceptions"),
    *("info", "state", "clear", "reset"),
)


class Hint:
    """Stands for a method that a class does not have, and raises AttributeError when asked for."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        """Say what to call instead.

        Raises:
            AttributeError: Always.
        """
        if instance is None:
            msg = f"type object '{owner.__name__}' has no attribute '{self._name}'"
            raise AttributeError(msg, name=self._name, obj=owner)
        text = f"{instance!r} has no {self._name}(); {_right(instance, owner)}"
        raise AttributeError(text, name=self._name, obj=instance)


def give_hints(base: type) -> None:
    """Let ``base`` and its subclasses answer to the names that people try, where they have none."""
    for name in _NAMES:
        if not hasattr(base, name):
            setattr(base, name, Hint(name))


def _right(instance: object, owner: type) -> str:
    kind = next((_KINDS[each.__name__] for each in owner.__mro__ if each.__name__ in _KINDS), None)
    metric: Metric | None = getattr(instance, "metric", None)
    labels = "" if metric is None else _labels(metric)
    if kind is not None:
        calls = _CALLS[kind].replace(", {}", f", {labels}" if labels else "").replace("{}", labels)
        bound = f", or bind({labels}) once where it is called often" if labels else ""
        return f"call {calls}{bound}"
    if labels:
        return (
            "its values are read, not written: pass observe() a function that returns"
            f" [observation(value, {labels}), ...]"
        )
    return "its value is read, not written: pass observe() a function that returns the value"


def _labels(metric: Metric) -> str:
    """Return the labels that a caller has to give, as keywords."""
    needed = (label.parameter for label in metric.labels if label.default is None)
    return ", ".join(f"{name}=..." for name in needed)
