"""What happens when a measurement breaks the contract: raise, or count and log once."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from butterfly_otel.errors import LabelError, MeasurementError
from butterfly_otel.process import forks
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from butterfly_otel.catalog.model import Metric

_logger = logging.getLogger("butterfly_otel")

#: Distinct unknown label keys a process reports by name; the rest are counted as ``other``.
_NAMED_LABELS = 100


class Breach:
    """One reason why a label of one metric breaks the contract. Thread-safe."""

    __slots__ = ("_count", "_log", "_logged")

    def __init__(self, count: Callable[[], None], log: Callable[[str], None]) -> None:
        self._count = count
        self._log = log
        self._logged = False

    def tell(self, what: str) -> None:
        """Count one measurement, and log the first.

        Raises:
            LabelError: In strict mode.
        """
        if not self._logged:
            self._log(what)
            self._logged = True
        self._count()


class Violations:
    """The one place where broken measurements end up.

    Thread-safe. ``count(metric_name, labels)`` is called once for each violation in
    production mode; it must not go through label enforcement again.

    Args:
        strict: Raise instead of counting.
        count: Adds one to the SDK's own counter of that name.
        bind: Returns what does so again and again; None where there is nothing quicker.
    """

    def __init__(
        self,
        *,
        strict: bool,
        count: Callable[[str, Mapping[str, str]], None],
        bind: Callable[[str, Mapping[str, str]], Callable[[], None]] | None = None,
    ) -> None:
        self._strict = strict
        self._count = count
        self._bind = bind
        self._seen: set[tuple[str, str, str]] = set()
        self._labels: set[str] = set()
        self._breaches: dict[tuple[object, ...], Breach] = {}
        self._lock = forks.lock()

    @property
    def strict(self) -> bool:
        """Whether violations raise."""
        return self._strict

    def breach(self, metric: Metric, label: str, reason: str, say: Callable[[str], str]) -> Breach:
        """Return what reports one reason why a label breaks the contract; it may be kept.

        Args:
            metric: The metric.
            label: The label's key, also one that the metric does not have.
            reason: As counted.
            say: Makes the message out of what is wrong with this measurement. Called where that
                is logged or raised, which is once for all measurements in production.
        """
        breach = self._breaches.get((metric.name, label, reason, say))
        if breach is None:
            known = any(label == key for key in metric.label_keys)
            label = label if known else self._bounded(label)
            breach = self._breaches.setdefault(
                (metric.name, label, reason, say), self._made((metric.name, label, reason), say)
            )
        return breach

    def _made(self, key: tuple[str, str, str], say: Callable[[str], str]) -> Breach:
        def refuse(what: str) -> None:
            raise LabelError(say(what)) from None

        if self._strict:
            return Breach(lambda: None, refuse)
        metric, label, reason = key
        labels = {"metric": metric, "label": label, "reason": reason}
        name = "butterfly_otel_label_violations_total"
        if self._bind is None:
            count: Callable[[], None] = partial(self._count, name, labels)
        else:
            count = self._bind(name, labels)
        return Breach(count, lambda what: self._log_once(key, say(what)))

    def value(self, metric: Metric, reason: str, value: object) -> None:
        """Report a value that no metric can hold.

        Raises:
            MeasurementError: In strict mode.
        """
        message = f"{metric.name}: the value {shown(value)} was ignored: {_REASONS[reason]}."
        if self._strict:
            raise MeasurementError(message) from None
        self._count(
            "butterfly_otel_invalid_measurements_total", {"metric": metric.name, "reason": reason}
        )
        self._log_once((metric.name, "", reason), message)

    def callback(self, metric: Metric, error: BaseException) -> None:
        """Report an observation callback that raised; never raises itself."""
        self._count("butterfly_otel_callback_errors_total", {"metric": metric.name})
        self._log_once(
            (metric.name, "", "callback"),
            f"{metric.name}: an observation callback raised {shown(error)}; its observations are"
            " left out. Further failures are counted in butterfly_otel_callback_errors_total.",
        )

    def _bounded(self, label: str) -> str:
        with self._lock:
            if label in self._labels:
                return label
            if len(self._labels) >= _NAMED_LABELS:
                return "other"
            self._labels.add(label)
            return label

    def _log_once(self, key: tuple[str, str, str], message: str) -> None:
        with self._lock:
            if key in self._seen:
                return
            self._seen.add(key)
        _logger.warning("%s (logged once; counted from now on)", message)


_REASONS = {
    "not_a_number": "it is not a number",
    "not_finite": "it is not finite",
    "negative": "this metric only takes values of 0 and more",
}
