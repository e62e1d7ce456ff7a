"""Sums that do not depend on the order of what is added."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from butterfly_otel.sharing.exact import flat, kept, total, totals

NUMBERS = st.lists(st.one_of(st.integers(0, 2**50), st.floats(0, 1e15)), min_size=1, max_size=12)


@given(numbers=NUMBERS, order=st.randoms())
def test_a_sum_is_the_same_in_any_order(numbers: list[float], order: object) -> None:
    """Of integers and floats together as well, and rounded once."""
    before = total(numbers)
    order.shuffle(numbers)  # type: ignore[attr-defined]
    assert total(numbers) == before == float(sum(map(Fraction, numbers)))
    assert totals([[each] for each in numbers]) == [before]


@given(numbers=NUMBERS, cut=st.integers(0, 12))
def test_what_is_kept_stands_for_the_exact_sum(numbers: list[float], cut: int) -> None:
    """However it was added up."""
    parts = kept([kept(numbers[:cut]), kept(numbers[cut:])])
    assert sum(map(Fraction, flat([parts]))) == sum(map(Fraction, numbers))


def test_integers_stay_integers_and_infinities_are_borne() -> None:
    """A sum of integers alone is one; nothing raises."""
    assert (type(total([1, 2])), type(total([1, 2.0]))) == (int, float)
    assert total([1.2e308, 1.2e308]) == math.inf
    assert math.isnan(total([math.inf, -math.inf]))
    assert kept([math.inf, 1.0]) == math.inf
