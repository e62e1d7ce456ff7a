"""Asking the collectors of a registry that are not ours, for what other processes are told."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from butterfly_otel.exporters.prometheus.writing.asking import Question
from butterfly_otel.exporters.prometheus.writing.collector import FamilyCollector
from butterfly_otel.exporters.prometheus.writing.registered import collectors_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.registry import Collector

    from butterfly_otel.exporters.prometheus.model.problems import Problems
    from butterfly_otel.exporters.prometheus.writing.asking import Asker


def ask_others(
    registry: CollectorRegistry,
    asked: Callable[[Collector], bool],
    asker: Asker,
    problems: Problems,
    timeout: float,
) -> list[tuple[Collector, list[Metric]]]:
    """Return what each has that answers in time.

    Args:
        registry: Where they are registered.
        asked: Which of them to ask; never those that share themselves.
        asker: Asks, and remembers which of them hang.
        problems: Where it is reported what has not answered, or raised.
        timeout: Seconds it may take.
    """
    questions: list[Question[Metric]] = [
        Question(each, each.collect)
        for each in collectors_of(registry)
        if not (isinstance(each, FamilyCollector) and each.shares) and asked(each)
    ]
    if questions:
        asker.ask(questions, monotonic() + timeout)
    for question in questions:
        report_unanswered(question, problems)
    return [(question.subject, question.answers) for question in questions]  # type: ignore[misc]


def report_unanswered(question: Question[Any], problems: Problems) -> None:
    """Report what was late, or raised."""
    name = type(question.subject).__name__
    if question.late:
        problems.omit(
            "slow_collector",
            name,
            "Metrics of the collector %s are not exposed: it did not answer in time",
        )
    elif question.error is not None:
        problems.omit(
            "failed_collector",
            name,
            "Metrics of the collector %s are not exposed: it raised %s",
            type(question.error).__name__,
        )
