"""What becomes of a mistake of the application's, as it is configured.

The runtime says so here, and rooms that it need not import look here when there is a mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    #: Adds one to the SDK's own counter of that name.
    Count = Callable[[str, Mapping[str, str]], None]


class Reports:
    """Whether mistakes raise, and who counts them. Thread-safe.

    Attributes:
        strict: Whether they raise MeasurementError.
        count: Counts them otherwise; None where nothing is configured.
        told: What was logged since :meth:`begin`.
    """

    def __init__(self) -> None:
        self.strict = False
        self.count: Count | None = None
        self.told: set[Hashable] = set()

    def begin(self, *, strict: bool, count: Count) -> None:
        """Do with mistakes as configured, and log each once more."""
        self.strict, self.count = strict, count
        self.told = set()

    def end(self) -> None:
        """Count nothing and never raise."""
        self.strict, self.count = False, None


#: Those of this process. Told by the runtime.
REPORTS = Reports()
