"""What the tests of web services read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.decorators.conftest import Red


@pytest.fixture
def red(start: Callable[..., Any]) -> Red:
    """Return the RED set of inference, measured from now on."""
    return Red(start())
