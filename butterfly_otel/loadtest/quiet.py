"""What is broken on purpose is counted, and logged nowhere."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Log no warnings of ours for as long as the block runs."""
    logger = logging.getLogger("butterfly_otel")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
