"""Numbers, label values and escapes."""

from __future__ import annotations

from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.utils import floatToGoString

from butterfly_otel.exporters.prometheus.model.text import (
    clean,
    escape_help,
    escape_value,
    label_text,
    number_text,
)


class _Colour(str, Enum):
    RED = "red"


class _Hostile:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.skipif(
    floatToGoString(1e10) != "1e+10",  # type: ignore[no-untyped-call]
    reason="before 0.26 it wrote exponents as nobody else does",
)
@given(st.floats() | st.integers(-(10**18), 10**18))
def test_numbers_are_written_as_prometheus_client_writes_them(value: float) -> None:
    """Any number looks as in prometheus_client's expositions."""
    assert number_text(value) == floatToGoString(value)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "0.001"), (5, "5.0"), (1e6, "1e+06"), (1000, "1000.0"), (10**400, "+Inf")],
)
def test_boundaries_are_canonical(value: float, text: str) -> None:
    """Bucket boundaries are written as OpenMetrics calls canonical."""
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hello world", "hello world"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (42, "42"),
        (3.5, "3.5"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (b"hello world", "aGVsbG8gd29ybGQ="),
        ((), "[]"),
        (
            [1, float("-inf"), "a", True, {"nested": b"hello world"}],
            '[1, "-Infinity", "a", true, {"nested": "aGVsbG8gd29ybGQ="}]',
        ),
        (
            {"a": float("-inf"), "b": 2, "c": [3, None]},
            '{"a": "-Infinity", "b": 2, "c": [3, null]}',
        ),
        (["é"], '["é"]'),
        (_Colour.RED, "red"),
        ("a\ud800b", "a\ufffdb"),
        (["\udfff"], '["\ufffd"]'),
        (_Hostile(), "_Hostile"),
    ],
)
def test_attribute_values_as_text(value: object, text: str) -> None:
    """AnyValue becomes text by the rules and the examples of the specification."""
    assert label_text(value) == text


def test_only_lone_surrogates_are_replaced() -> None:
    """A pair that was split is one character again; a lone half becomes U+FFFD."""
    assert clean("\ud83d\ude00 é") == "😀 é"
    assert clean("\ud83d!") == "\ufffd!"


def test_quotes_are_escaped_in_values_but_not_in_text_help() -> None:
    """HELP of text format leaves quotes alone; label values and OpenMetrics escape them."""
    text = 'a "b" \\ c\n'
    assert escape_help(text) == 'a "b" \\\\ c\\n'
    assert escape_value(text) == 'a \\"b\\" \\\\ c\\n'
