"""The series of the RED set, looked up once for each method and role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from butterfly_otel import metrics
from butterfly_otel.handles.bound import BoundHistogram, BoundUpDownCounter
from butterfly_otel.handles.first_item import first_item_seconds

if TYPE_CHECKING:
    from butterfly_otel.handles.handles import SynchronousHandle

METHODS: Final = ("inference", "checkpoint", "health_check")
ROLES: Final = ("coordinator", "compute", "observer")


_HANDLES: Final[tuple[SynchronousHandle, ...]] = (
    metrics.requests_total,
    metrics.requests_in_flight,
    metrics.request_errors_total,
    metrics.request_duration_seconds,
    first_item_seconds,
)


class _Unmeasured:
    """Stands for a series that the contract does not have."""

    @staticmethod
    def add(_amount: float) -> None:
        """Do nothing."""

    record = add

    @classmethod
    def target(cls) -> type[_Unmeasured]:
        """Return this."""
        return cls


class Red:
    """The series of one method and role.

    Health checks, and requests that an observer handles, have a total by status and, in the
    contract, nothing else.

    Attributes:
        on: Whether anything is measured now.
        in_flight: Requests in flight.
        success: Requests that succeeded.
        duration: Duration of requests.
        first_item: Time to the first item of a stream.
    """

    def __init__(self, method: Any, role: Any) -> None:  # noqa: ANN401 - checked by the guard
        self._method = method
        self._role = role
        self._whole = method != "health_check" and role != "observer"
        total = metrics.requests_total
        self.success = total.bind(method=method, node_role=role, status="success")
        self._error = total.bind(method=method, node_role=role, status="error")
        self.in_flight: BoundUpDownCounter = cast("Any", _Unmeasured)
        self.duration: BoundHistogram = cast("Any", _Unmeasured)
        self.first_item: BoundHistogram = cast("Any", _Unmeasured)
        if self._whole:
            labels: dict[str, Any] = {"method": method, "node_role": role}
            self.in_flight = metrics.requests_in_flight.bind(**labels)
            self.duration = metrics.request_duration_seconds.bind(**labels)
            self.first_item = BoundHistogram(first_item_seconds, (role, method))
        self.on = False
        for handle in _HANDLES:
            handle.adopt(self)
        self.unsettle()

    def unsettle(self) -> None:
        """Look again whether anything is measured. Called by the handles."""
        self.on = any(handle.attached for handle in _HANDLES)

    def finish(self, failure: str | None, seconds: float) -> None:
        """Count and time a request that has ended, by its error type or None."""
        self.duration.record(seconds)
        if failure is None:
            self.success.add(1)
            return
        self._error.add(1)
        if self._whole:
            metrics.request_errors_total.inc(
                method=self._method, node_role=self._role, error_type=failure
            )


_KEPT: Final = 64
_known: dict[tuple[object, object], Red] = {}


def series(method: object, role: object) -> Red:
    """Return the series of a method and a role, which are kept.

    A method outside the contract comes from an argument of a call, and is counted as the guard
    decides; of such there may be any number, so only the first ones are kept.
    """
    if not isinstance(method, str):
        return Red(method, role)
    known = _known.get((method, role))
    if known is not None:
        return known
    new = Red(method, role)
    return _known.setdefault((method, role), new) if len(_known) < _KEPT else new
