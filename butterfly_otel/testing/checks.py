"""Assertions on what is being captured, whose failures say what there is instead."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.compare import near, spelled
from butterfly_otel.testing import capture
from butterfly_otel.testing.selection import one
from butterfly_otel.testing.series import HistogramValue, labels_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from butterfly_otel.testing.selection import Target, Wanted
    from butterfly_otel.testing.series import Series

#: Series shown of a metric, and of those the ones that are compared label by label.
_SHOWN, _NEAREST = 10, 3


def assert_metric(
    metric: Target, value: float, /, *, tolerance: float | None = None, **labels: object
) -> None:
    """Assert that one series of what is being captured has a value.

    Args:
        metric: Name, handle or bound instrument.
        value: The expected value; of a histogram, how many values were recorded.
        tolerance: How far off it may be; by default the rounding of floats.
        labels: Those that tell the series from others; see :class:`Captured`.

    Raises:
        AssertionError: When it has another value or there is no such series: the message lists
            the series there are, the nearest first, and what is different about their labels.
        CatalogError: When the contract has no such metric or label.
    """
    __tracebackhide__ = True
    asked, series = capture.current().asked(metric, **labels)
    found = _one(asked, series)
    if found is None:
        raise AssertionError(_missing(asked, series, f"{spelled(value)}{_unit(asked, series)}"))
    is_histogram = isinstance(found.value, HistogramValue)
    actual = found.value.count if isinstance(found.value, HistogramValue) else found.value
    if not near(actual, value, tolerance):
        what = " values recorded" if is_histogram else _unit(asked, series)
        off = "" if tolerance is None else f" (give or take {spelled(tolerance)})"
        raise AssertionError(
            f"{asked} is {spelled(actual)}, not {spelled(value)}{off}{what}{_others(asked, series)}"
        )


def assert_histogram(
    metric: Target,
    /,
    *,
    count: int | None = None,
    sum: float | None = None,  # noqa: A002 - the name that Prometheus gives it
    buckets: Mapping[float, int] | None = None,
    tolerance: float | None = None,
    **labels: object,
) -> None:
    """Assert what one series of a histogram has recorded.

    Args:
        metric: Name, handle or bound instrument.
        count: How many values.
        sum: Their sum, in the metric's unit.
        buckets: How many values were at most some upper bounds (``{0.5: 2, 1.0: 3}``); bounds
            that are left out are not compared.
        tolerance: How far off the sum may be; by default the rounding of floats.
        labels: As in :func:`assert_metric`.

    Raises:
        AssertionError, CatalogError: As :func:`assert_metric` does.
        TypeError: When it is no histogram.
    """
    __tracebackhide__ = True
    asked, series = capture.current().asked(metric, **labels)
    found = _one(asked, series)
    if found is None:
        raise AssertionError(_missing(asked, series, "a histogram"))
    if not isinstance(found.value, HistogramValue):
        msg = f"{asked.name} is no histogram: use assert_metric()"
        raise TypeError(msg)
    wrong = list(_differences(found.value, count, sum, buckets, tolerance))
    if wrong:
        lines = "".join(f"\n  {line}" for line in wrong)
        raise AssertionError(
            f"{asked} differs:{lines}\n\nIt has {value_text(found.value)}{_others(asked, series)}"
        )


def assert_no_metric(metric: Target, /, **labels: object) -> None:
    """Assert that no series of a metric has these labels.

    Raises:
        AssertionError: When there are any; the message lists them.
        CatalogError: When the contract has no such metric or label.
    """
    __tracebackhide__ = True
    found = capture.current().series(metric, **labels)
    if found:
        asked, _ = capture.current().asked(metric, **labels)
        listed = "".join(f"\n{line}" for line in _lines(found[:_SHOWN]))
        raise AssertionError(f"{asked} should have no series, and has {len(found)}:{listed}")


def assert_no_violations() -> None:
    """Assert that no measurement broke the contract, where they are counted (``strict=False``).

    Raises:
        AssertionError: When one did; the message lists metric, label and reason.
    """
    __tracebackhide__ = True
    found = capture.current().violations
    if found:
        listed = "".join(
            f"\n  {each.metric}: {each.kind} {each.label} {each.reason}".rstrip()
            + (f" ({each.count} times)" if each.count > 1 else "")
            for each in found
        )
        raise AssertionError(f"measurements broke the contract:{listed}")


def _one(asked: Wanted, series: Sequence[Series]) -> Series | None:
    __tracebackhide__ = True
    captured = capture.current()
    return one(asked, series, captured.own, captured.contracts)


def _differences(
    actual: HistogramValue,
    count: int | None,
    total: float | None,
    buckets: Mapping[float, int] | None,
    tolerance: float | None,
) -> Iterator[str]:
    if count is not None and actual.count != count:
        yield f"count {actual.count}, not {count}"
    if total is not None and not near(actual.sum, total, tolerance):
        yield f"sum {spelled(actual.sum)}, not {spelled(total)}"
    for bound, expected in (buckets or {}).items():
        if bound not in actual.buckets:
            bounds = ", ".join(spelled(each) for each in actual.buckets if not isinf(each))
            yield f"no bucket le={spelled(bound)}; there are {bounds} and +Inf"
        elif actual.buckets[bound] != expected:
            yield f"at most {spelled(bound)}: {actual.buckets[bound]}, not {expected}"


def _missing(asked: Wanted, series: Sequence[Series], expected: str) -> str:
    if not series:
        others = sorted({each.metric for each in capture.current().series()})
        measured = f"; measured were {', '.join(others)}" if others else "; nothing else was either"
        return f"{asked.name} was never measured, expected {expected}{measured}"
    return f"{asked} has no series, expected {expected}{_listing(asked, series)}"


def _unit(asked: Wanted, series: Sequence[Series]) -> str:
    metric = capture.current().contracts.get(asked.name)
    unit = metric.unit if metric is not None else next((each.unit for each in series), "")
    return f" (unit: {unit.strip('{}')})" if unit and unit != "1" else ""


def _others(asked: Wanted, series: Sequence[Series]) -> str:
    """Return the series there are, where the one that was found is not the only one."""
    return _listing(asked, series) if len(series) > 1 else ""


def _listing(asked: Wanted, series: Sequence[Series]) -> str:
    """Return the series there are, the nearest first, and what their labels differ in."""
    ranked = sorted(series, key=lambda each: (len(_unlike(asked, each)), each.key))
    lines = [
        line + (f"    {'; '.join(unlike)}" if unlike and at < _NEAREST else "")
        for at, (line, unlike) in enumerate(
            zip(
                _lines(ranked[:_SHOWN]),
                (_unlike(asked, each) for each in ranked),
                strict=False,
            )
        )
    ]
    if len(ranked) > _SHOWN:
        lines.append(f"  and {len(ranked) - _SHOWN} more")
    head = f"{len(ranked)} series of {asked.name}, the nearest first:"
    return "\n".join(["", "", head if len(ranked) > 1 else "The only one there is:", *lines])


def _lines(series: Sequence[Series]) -> list[str]:
    labels = [labels_text(each.labels) for each in series]
    width = max(map(len, labels), default=0)
    return [
        f"  {text:<{width}}  {value_text(each.value)}"
        for text, each in zip(labels, series, strict=True)
    ]


def _unlike(asked: Wanted, series: Series) -> list[str]:
    return [
        f'{key} is "{series.labels[key]}", not "{value}"'
        if key in series.labels
        else f"{key} is missing"
        for key, value in asked.labels.items()
        if series.labels.get(key) != value
    ]
