"""Views of instruments outside the contract: from files, and the application's own."""
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    DefaultAggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
    View,
)

from butterfly_otel.engine.sdk_internals import Gauge, limited_view
from butterfly_otel.engine.viewing import stated, stated_boundaries, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from butterfly_otel.views.protected import Protected

#: The schema's types of instruments.
_INSTRUMENTS: Final[Mapping[str, type]] = {
    "counter": Counter,
    "up_down_counter": UpDownCounter,
    "histogram": Histogram,
    "gauge": Gauge,
    "observable_counter": ObservableCounter,
    "observable_gauge": ObservableGauge,
    "observable_up_down_counter": ObservableUpDownCounter,
}
_KINDS: Final[Mapping[str, Callable[..., Aggregation]]] = {
    "default": DefaultAggregation,
    "drop": DropAggregation,
    "explicit_bucket_histogram": ExplicitBucketHistogramAggregation,
    "base2_exponential_bucket_histogram": ExponentialBucketHistogramAggregation,
    "last_value": LastValueAggregation,
    "sum": SumAggregation,
}
#: What each kind of aggregation is in the schema.
_NAMES: Final = {
    DefaultAggregation: "default",
    DropAggregation: "drop",
    ExplicitBucketHistogramAggregation: "explicit_bucket_histogram",
    ExponentialBucketHistogramAggregation: "base2_exponential_bucket_histogram",
    LastValueAggregation: "last_value",
    SumAggregation: "sum",
}
#: Of the schema's selectors, what a View calls them.
_SELECTORS: Final = {
    "instrument_name": "instrument_name",
    "unit": "instrument_unit",
    "meter_name": "meter_name",
    "meter_version": "meter_version",
    "meter_schema_url": "meter_schema_url",
}


class OtherView(NamedTuple):
    """A View of a file, as it stands there, of instruments outside the contract.

    Attributes:
        selector: The schema's ``selector``.
        stream: The schema's ``stream``.
    """

    selector: Mapping[str, Any]
    stream: Mapping[str, Any]

    def compiled(self, protected: Protected) -> View:
        """Return the View."""
        settings: dict[str, Any] = {
            ours: self.selector.get(theirs) for theirs, ours in _SELECTORS.items()
        }
        kind = self.selector.get("instrument_type")
        settings["instrument_type"] = None if kind is None else _INSTRUMENTS[kind]
        if all(each is None for each in settings.values()):
            settings["instrument_name"] = "*"
        settings["name"] = self.stream.get("name")
        settings["description"] = self.stream.get("description")
        settings["aggregation"] = _aggregation(self.stream.get("aggregation") or {})
        keys: dict[str, Any] = self.stream.get("attribute_keys") or {}
        if keys:
            settings["attribute_keys"] = Keys(keys.get("included"), keys.get("excluded"))
        limit = self.stream.get("aggregation_cardinality_limit")
        # The schema takes 5.0 for an integer.
        made = View if limit is None else partial(limited_view, int(limit))
        return _for_others(made(**settings), protected)


class Keys:
    """The attributes that a View keeps, by patterns; a set to whom only asks what is in it.

    Args:
        included: Patterns of what is kept; None for all.
        excluded: Patterns of what is not, though it is included.
    """

    __slots__ = ("_excluded", "_included")

    def __init__(self, included: Iterable[str] | None, excluded: Iterable[str] | None) -> None:
        self._included = ("*",) if included is None else tuple(included)
        self._excluded = tuple(excluded or ())

    def __contains__(self, key: str) -> bool:
        return any(fnmatchcase(key, each) for each in self._included) and not any(
            fnmatchcase(key, each) for each in self._excluded
        )


def given_views(views: Iterable[View], protected: Protected) -> list[View]:
    """Return the application's own Views as they apply to what is outside the contract."""
    return [_for_others(view, protected) for view in views]


def meant_for_contract(view: View, protected: Protected) -> bool:
    """Tell whether a View names metrics of the contract, or its meter."""
    says = stated(view)
    return protected.claimed_by(says["instrument_name"], says["meter_name"]) is not None


def as_written(view: View) -> dict[str, Any]:
    """Return a View as it would be written in a file, as far as the contract is concerned."""
    says = stated(view)
    selector = {theirs: says[ours] for theirs, ours in _SELECTORS.items() if says[ours] is not None}
    kinds = [name for name, kind in _INSTRUMENTS.items() if kind is says["instrument_type"]]
    if kinds:
        selector["instrument_type"] = kinds[0]
    aggregation: object = says["aggregation"]
    kind = cast("type[Any]", type(aggregation))
    name = _NAMES.get(kind, kind.__name__)
    boundaries = stated_boundaries(aggregation) if name.startswith("explicit") else None
    stream = {key: says[key] for key in ("name", "description", "aggregation_cardinality_limit")}
    stream["aggregation"] = {name: {"boundaries": boundaries}}
    keys = says["attribute_keys"]
    if keys is not None:
        stream["attribute_keys"] = {"included": sorted(keys)} if keys else {"excluded": ["*"]}
    return {"selector": selector, "stream": stream}


def _for_others(view: View, protected: Protected) -> View:
    """Return the View without what the contract protects, whatever it selects."""
    return without(view, protected.has)


def _aggregation(wanted: Mapping[str, Any]) -> Aggregation | None:
    sections = cast("Mapping[str, dict[str, Any] | None]", wanted)
    for name, given in sections.items():
        kind = _KINDS[name]
        known = signature(kind).parameters
        settings: dict[str, Any] = {
            # As above of integers.
            key: int(value) if key in ("max_size", "max_scale") else value
            for key, value in (given or {}).items()
            if value is not None and key in known
        }
        return kind(**settings)
    return None
