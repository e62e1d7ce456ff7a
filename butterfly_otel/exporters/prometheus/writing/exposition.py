"""One exposition out of everything in a registry, ours and prometheus_client's."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import Metric

from butterfly_otel.exporters.prometheus.model.families import Family
from butterfly_otel.exporters.prometheus.model.text import clean
from butterfly_otel.exporters.prometheus.packing.families import pack_family
from butterfly_otel.exporters.prometheus.packing.foreign import pack_metric
from butterfly_otel.exporters.prometheus.translating.conflicts import openmetrics_names
from butterfly_otel.exporters.prometheus.writing.asking import Question
from butterfly_otel.exporters.prometheus.writing.collector import (
    CollectionError,
    FamilyCollector,
)
from butterfly_otel.exporters.prometheus.writing.combining import Found, combined, whole
from butterfly_otel.exporters.prometheus.writing.encode import openmetrics_lines, text_lines
from butterfly_otel.exporters.prometheus.writing.foreign import metric_lines, shown
from butterfly_otel.exporters.prometheus.writing.interop import FamilyMetric
from butterfly_otel.exporters.prometheus.writing.others import report_unanswered
from butterfly_otel.exporters.prometheus.writing.registered import collectors_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

    from butterfly_otel.exporters.prometheus.model.problems import Problems
    from butterfly_otel.exporters.prometheus.writing.asking import Asker
    from butterfly_otel.exporters.prometheus.writing.combining import Group, Item
    from butterfly_otel.exporters.prometheus.writing.formats import Format

#: Seconds, and the part of the time given, in which a collector is to notice by itself that
#: time is up, and say at what.
_MARGIN = 0.02
_MARGIN_SHARE = 0.1


def render(
    registry: CollectorRegistry,
    form: Format,
    problems: Problems,
    asker: Asker,
    *,
    names: Collection[str] | None = None,
    timeout: float,
) -> tuple[str, bytes]:
    """Collect everything and return the Content-Type and the body.

    Whatever can't be shown is left out and reported, never the cause of a failed scrape. What
    has not been collected when time is up is left out as well.

    Args:
        registry: Where collectors are registered.
        form: The format.
        problems: Where what is left out is reported.
        asker: Asks the collectors, and remembers which of them hang.
        names: Only families that have one of these names, or a sample of one of them.
        timeout: Seconds that collecting may take.

    Raises:
        CollectionError: When a meter provider's metrics could not be collected, and there is
            nothing else to show.
    """
    found, errors = _collect(registry, form, problems, asker, timeout)
    if errors and not found:
        raise errors[0]
    groups = [
        group
        for group in combined(found, problems)
        if names is None or not group.claims.isdisjoint(names) or group.name in names
    ]
    if form.kind == "protobuf":
        return form.content_type, b"".join([_bytes_of(group, problems) for group in groups])
    body = "".join(_lines(groups, form, problems))
    if form.kind == "openmetrics":
        body += "# EOF\n"
    return form.content_type, body.encode()


def _collect(
    registry: CollectorRegistry, form: Format, problems: Problems, asker: Asker, timeout: float
) -> tuple[list[Found], list[CollectionError]]:
    """Return all families, and the errors of meter providers that could not be collected."""
    margin = min(max(_MARGIN, timeout * _MARGIN_SHARE), timeout / 2)
    deadline = monotonic() + timeout
    questions = [_question(collector, form, timeout - margin) for collector in _asked(registry)]
    prompt = [each for each in questions if _is_prompt(each.subject)]
    others = asker.begin([each for each in questions if each not in prompt], deadline)
    for question in prompt:
        # Without a thread of its own, whose start would be much of what a scrape costs.
        question.put_here()
    others.finish(deadline)
    found: list[Found] = []
    errors: list[CollectionError] = []
    target = registry.get_target_info()
    if target:
        metric = Metric("target", "Target metadata", "info")
        metric.add_sample("target_info", target, 1)
        found.append(Found(registry, registry, metric))
    for question in questions:
        collector = question.subject
        ours = isinstance(collector, FamilyCollector)
        origin = collector.origin() if isinstance(collector, FamilyCollector) else collector
        for answer in question.answers:
            item = _shown(answer, form, problems)
            if item is not None:
                # What others have in all processes is the same, whichever of ours tells it.
                of_others = ours and not isinstance(item, Family)
                found.append(Found(registry if of_others else origin, collector, item))
        if question.error is None and not question.late:
            continue
        if ours:
            errors.append(_error(question, timeout))
        report_unanswered(question, problems)
    return found, errors


def _asked(registry: CollectorRegistry) -> list[Collector]:
    """Return which collectors are asked: one that shares answers for those that don't."""
    collectors = collectors_of(registry)
    sharing = [each for each in collectors if isinstance(each, FamilyCollector) and each.shares]
    return [*sharing] or collectors


def _is_prompt(collector: object) -> bool:
    return isinstance(collector, FamilyCollector) and collector.prompt()


def _question(collector: Collector, form: Format, timeout: float) -> Question[Item]:
    if isinstance(collector, FamilyCollector):
        return Question(
            collector,
            lambda: [
                each
                for some in collector.everything(
                    escaping=form.escaping, timeout=timeout, natives=form.kind == "protobuf"
                )
                for each in some
            ],
        )
    return Question(collector, collector.collect)


def _shown(answer: Item, form: Format, problems: Problems) -> Item | None:
    """Return a collected family as it is to be shown; None where it can't be."""
    if isinstance(answer, Family):
        return answer
    if isinstance(answer, FamilyMetric):
        return answer.family
    try:
        return shown(answer, form.escaping)
    except Exception as error:  # noqa: BLE001 - somebody else's metric
        problems.omit(
            "broken_metric",
            clean(str(getattr(answer, "name", answer))),
            "Metric %s is not exposed: it could not be read (%s)",
            type(error).__name__,
        )
        return None


def _error(question: Question[Item], timeout: float) -> CollectionError:
    error = question.error
    if isinstance(error, CollectionError):
        return error
    reason = (
        f"MetricsTimeoutError: Timed out after {timeout:g} s"
        if error is None
        else " ".join(f"{type(error).__name__}: {error}".split())
    )
    return CollectionError(f"metrics could not be collected: {reason}")


def _lines(groups: Iterable[Group], form: Format, problems: Problems) -> Iterator[str]:
    listed = list(groups)
    names: dict[str, str] = {}
    if form.kind == "openmetrics":
        foreign = (group.claims for group in listed if group.family is None)
        ours = [group.family for group in listed if group.family is not None]
        names = openmetrics_names(ours, set[str]().union(*foreign))
    for group in listed:
        yield _text_of(group, form, names, problems)


def _text_of(group: Group, form: Format, names: dict[str, str], problems: Problems) -> str:
    try:
        item = whole(group, problems)
        if not isinstance(item, Family):
            return metric_lines(item, form)
        if form.kind == "openmetrics":
            return openmetrics_lines(item, names[item.name])
        return text_lines(item)
    except Exception as error:  # noqa: BLE001 - one metric must not cost the scrape
        _report_unwritten(group, error, problems)
        return ""


def _bytes_of(group: Group, problems: Problems) -> bytes:
    try:
        item = whole(group, problems)
        return pack_family(item) if isinstance(item, Family) else pack_metric(item)
    except Exception as error:  # noqa: BLE001 - as above
        _report_unwritten(group, error, problems)
        return b""


def _report_unwritten(group: Group, error: Exception, problems: Problems) -> None:
    problems.omit(
        "broken_metric",
        clean(group.name),
        "Metric %s is not exposed: it could not be written (%s)",
        type(error).__name__,
    )
