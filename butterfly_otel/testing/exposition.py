"""The assertion that an exposition says what is expected."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, TypeAlias

from butterfly_otel.handles.handles import Handle
from butterfly_otel.lint.expositions.check import check_exposition
from butterfly_otel.lint.expositions.compare import difference
from butterfly_otel.lint.expositions.fetch import Access, TargetError, is_endpoint, read_target
from butterfly_otel.lint.expositions.scan import scan
from butterfly_otel.testing.capture import Captured

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Text of an exposition, an endpoint (a URL, ``host:port``), a file, or what is captured.
Readable: TypeAlias = "str | Path | Captured"


def assert_exposition(
    actual: Readable,
    expected: str | Path,
    *,
    metrics: Iterable[str | Handle] | None = None,
    subset: bool = False,
    tolerance: float | None = None,
    lint: bool = False,
    timeout: float = 10.0,
    access: Access | None = None,
) -> None:
    """Assert that an exposition says what is expected: the same series with the same values.

    The order of families, series and labels, spaces, comments and the spelling of numbers
    (``5`` is ``5.0``, in ``le`` too) don't matter; timestamps and exemplars are not looked at.
    HELP, TYPE and UNIT are compared where they are expected. Indentation common to all
    lines is taken off.

    Args:
        actual: Text, an endpoint (a URL, or a host and a port such as ``localhost:9464``; asked
            for text 0.0.4, as curl shows it), a file (:class:`~pathlib.Path`), or a capture.
        expected: Text or a file.
        metrics: Compare these metrics only, by name or handle; a name may be the family's
            or that of its samples.
        subset: Look only for what is expected; whatever else there is doesn't matter.
        tolerance: How far off values may be; by default the rounding of floats.
        lint: Also hold ``actual`` against the contract, as ``butterfly-otel check`` does; its
            errors fail.
        timeout: Seconds an endpoint has for its answer.
        access: How an endpoint is reached that asks for TLS or for a password.

    Raises:
        AssertionError: When they differ, as a unified diff; when ``actual`` can't be read.
        ValueError: When ``expected`` is no exposition.
    """
    __tracebackhide__ = True
    text = _text(actual, timeout, access)
    found = scan(text)
    for finding in found.malformed:
        raise AssertionError(f"line {finding.line} of the exposition: {finding.message}")
    wanted_text = expected.read_text("utf-8") if isinstance(expected, Path) else _dedent(expected)
    types = {family.name: family.type or "untyped" for family in found.families}
    wanted = scan(wanted_text, known_types=types)
    for finding in wanted.malformed:
        msg = f"what is expected is no exposition: line {finding.line}: {finding.message}"
        raise ValueError(msg)
    names = None if metrics is None else {_name(each) for each in metrics}
    try:
        diff = difference(found, wanted, names=names, subset=subset, tolerance=tolerance)
    except ValueError as error:
        raise AssertionError(str(error)) from None
    if lint:
        _require_clean(text)
    if diff:
        raise AssertionError("the exposition is not as expected:\n" + "\n".join(diff))


def _text(actual: Readable, timeout: float, access: Access | None) -> str:
    __tracebackhide__ = True
    if isinstance(actual, Captured):
        return actual.exposition()
    if isinstance(actual, str) and not _is_endpoint(actual):
        return _dedent(actual)
    try:
        return read_target(str(actual), "text", timeout, access).text
    except TargetError as error:
        raise AssertionError(str(error)) from None


def _is_endpoint(text: str) -> bool:
    # Text may well have a URL in it.
    url = text.startswith(("http://", "https://"))
    return url or ("://" not in text and is_endpoint(text))


def _dedent(text: str) -> str:
    """Return text as it would stand in a file of its own, however deep it is in a test."""
    return dedent(text).strip("\n") + "\n"


def _name(metric: str | Handle) -> str:
    return metric.metric.name if isinstance(metric, Handle) else metric


def _require_clean(text: str) -> None:
    __tracebackhide__ = True
    errors = [each for each in check_exposition(text) if each.severity == "error"]
    if errors:
        listed = "".join(
            f"\n  line {each.line or '-'}: {each.rule}: {each.subject}: {each.message}"
            for each in errors
        )
        raise AssertionError(f"the exposition is not true to the contract:{listed}")
