"""What every rule is to make of which series: told by hand, run by promtool."""

from __future__ import annotations

from . import gpus, objectives, operations, recordings, specification

CASES = (*recordings.CASES, *specification.CASES, *objectives.CASES, *gpus.CASES, *operations.CASES)
