"""Parameters of which the everyday suite takes some, and the long one the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def everyday(some: Iterable[Any], every: Iterable[Any]) -> list[Any]:
    """Return all values as parameters; those that are not among ``some`` are marked long."""
    chosen = list(some)
    return [
        each if each in chosen else pytest.param(each, marks=pytest.mark.long) for each in every
    ]
