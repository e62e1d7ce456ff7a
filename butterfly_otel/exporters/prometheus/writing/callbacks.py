"""Asking the callbacks of observable instruments, which are the application's own code."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions

from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.writing.asking import Asker, Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from butterfly_otel.exporters.prometheus.model.problems import Problems


def observe(
    instruments: Sequence[Any], timeout: float, asker: Asker, problems: Problems
) -> list[tuple[Any, list[Any]]]:
    """Return what each of the instruments observed whose callbacks answer within so many seconds.

    One whose callbacks take longer, or end by what is not an ``Exception``, is left out whole:
    part of a sum would look like a counter that fell.
    """
    options = CallbackOptions(timeout_millis=timeout * 1000)
    questions = [Question(each, partial(each.callback, options)) for each in instruments]
    asker.ask(questions, monotonic() + timeout)
    observed: list[tuple[Any, list[Any]]] = []
    for instrument, question in zip(instruments, questions, strict=True):
        if question.late:
            problems.omit(
                "slow_callback",
                clean(instrument.name),
                "Metric %s is not exposed: its callback did not end in time",
            )
        elif question.error is not None:
            problems.omit(
                "failed_callback",
                clean(instrument.name),
                "Metric %s is not exposed: its callback raised %s",
                type(question.error).__name__,
            )
        else:
            observed.append((instrument, question.answers))
    return observed
