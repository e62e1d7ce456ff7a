"""What a View of a file selects: metrics of the contract, instruments outside it, or both."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from butterfly_otel import catalog
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from butterfly_otel.views.protected import Protected
    from butterfly_otel.views.streams import Stream


class Selector(NamedTuple):
    """A selector of the schema, without what it leaves out.

    Attributes:
        given: What it asks for, by the schema's keys.
    """

    given: Mapping[str, Any]

    @classmethod
    def of(cls, selector: Mapping[str, Any]) -> Selector:
        """Read a selector of a document that is valid."""
        given = {key: value for key, value in selector.items() if value is not None}
        # The schema has no patterns of meters; ``*`` says what leaving it out does.
        if given.get("meter_name") == "*":
            del given["meter_name"]
        return cls(given)

    @property
    def name(self) -> str | None:
        """The name that is asked for, perhaps a pattern; None for any."""
        return self.given.get("instrument_name")

    def is_for_others(self, protected: Protected) -> bool:
        """Tell whether it selects instruments outside contracts, perhaps as well."""
        return protected.claimed_by(self.name, self._meter) is None

    @property
    def _meter(self) -> str | None:
        return self.given.get("meter_name")

    def selects(self, stream: Stream) -> bool:
        """Tell whether it selects a metric of a contract, on that contract's meter."""
        metric = stream.metric
        facts = {
            "instrument_type": metric.instrument,
            "meter_name": stream.meter,
            "meter_version": __version__ if stream.meter == catalog.METER_NAME else None,
        }
        patterns = {"instrument_name": metric.name, "unit": metric.unit}
        return all(
            fnmatchcase(patterns[key], wanted) if key in patterns else facts.get(key) == wanted
            for key, wanted in self.given.items()
        )

    def names_nothing(self, names: Iterable[str]) -> bool:
        """Tell whether it asks for a name that no metric has, whatever else it asks for."""
        pattern = self.name
        return pattern is not None and not any(fnmatchcase(each, pattern) for each in names)
