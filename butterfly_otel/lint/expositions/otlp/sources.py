"""Everything that was pushed, a report for each resource that has pushed it."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from butterfly_otel import catalog
from butterfly_otel.lint.expositions.check import OTLP_RULES, merge, shorten, sort_findings
from butterfly_otel.lint.expositions.model import Exposition, Family, Sample
from butterfly_otel.lint.expositions.otlp.history import History
from butterfly_otel.lint.expositions.otlp.points import attribute_text, read_push
from butterfly_otel.lint.expositions.otlp.rules import stream_findings
from butterfly_otel.lint.expositions.rules.context import build_context, is_ours
from butterfly_otel.lint.expositions.rules.families import coverage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

    from butterfly_otel.catalog.model import Metric
    from butterfly_otel.lint.findings import Finding

_NAMELESS: Final = "a resource without service.name"


class Sources:
    """What has arrived, by the resource it is of. Not thread-safe.

    Args:
        metrics: The contract. The SDK's own metrics are known besides.
        expect_all: Report each metric of the contract that is absent.
        allow_labels: Labels that are no mistake on any metric.
    """

    def __init__(
        self,
        metrics: Iterable[Metric] = catalog.CONTRACT,
        *,
        expect_all: bool = False,
        allow_labels: Collection[str] = (),
    ) -> None:
        self._contract = tuple(metrics)
        self._expect_all = expect_all
        self._allowed = tuple(allow_labels)
        self._sources: dict[frozenset[tuple[str, str]], _Source] = {}

    def take(self, request: ExportMetricsServiceRequest) -> None:
        """Look at what a request has; raises nothing, whatever it holds."""
        for resource in request.resource_metrics:
            attributes = {
                each.key: attribute_text(each.value) for each in resource.resource.attributes
            }
            key = frozenset(attributes.items())
            if key not in self._sources:
                name = self._name(attributes)
                self._sources[key] = _Source(
                    name, self._contract, self._allowed, expect_all=self._expect_all
                )
            self._sources[key].take(resource)

    def findings(self) -> dict[str, list[Finding]]:
        """Return what was found in each resource, by a name that is its own."""
        return {each.name: each.findings() for each in self._sources.values()}

    def _name(self, attributes: dict[str, str]) -> str:
        named = [attributes.get(key, "") for key in ("service.name", "service.instance.id")]
        name = "/".join(filter(None, named)) or _NAMELESS
        taken = {each.name for each in self._sources.values()}
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name} ({number})"
        return free


class _Source:
    """One resource: each push is looked at alone, and in the end all series there have been."""

    def __init__(
        self, name: str, contract: tuple[Metric, ...], allowed: Collection[str], *, expect_all: bool
    ) -> None:
        self.name = name
        self._contract = contract
        self._names = {metric.name: metric for metric in (*catalog.EXTENSIONS, *contract)}
        self._allowed = allowed
        self._expect_all = expect_all
        self._history = History()
        #: Those that are held against the contract.
        self._families: dict[str, Family] = {}
        #: How often each was found in one look at most.
        self._found: dict[Finding, int] = {}

    def take(self, resource: ResourceMetrics) -> None:
        push = read_push(resource)
        exposition = push.exposition
        for family in exposition.families:
            name = family.name
            if name not in self._families and (name in self._names or is_ours(name, self._names)):
                self._families[name] = replace(family, samples=())
        self._note(
            chain(
                exposition.findings,
                self._look(exposition, whole=False),
                stream_findings(push.streams, self._names),
                self._history.compare(push.points, self._families),
            )
        )

    def findings(self) -> list[Finding]:
        """Return all that was found, sorted."""
        self._note(self._look(self._everything(), whole=True))
        counted = chain.from_iterable([found] * times for found, times in self._found.items())
        return sort_findings(shorten(merge(counted)))

    def _look(self, exposition: Exposition, *, whole: bool) -> Iterator[Finding]:
        context = build_context(
            exposition,
            contract=self._contract,
            names=self._names,
            allowed=self._allowed,
            expect_all=self._expect_all,
        )
        for rule in OTLP_RULES:
            yield from rule(context)
        if whole:
            yield from coverage(context)

    def _everything(self) -> Exposition:
        """Return the last of every series; the times of pushes tell no two of them apart."""
        samples: dict[str, list[Sample]] = {}
        for line, (name, sample) in enumerate(self._history.samples(), 1):
            samples.setdefault(name, []).append(replace(sample, line=line, timestamp=None))
        return Exposition(
            "otlp",
            tuple(
                replace(family, samples=tuple(samples.get(name, ())))
                for name, family in self._families.items()
            ),
            (),
        )

    def _note(self, findings: Iterable[Finding]) -> None:
        times: dict[Finding, int] = {}
        for finding in findings:
            found = replace(finding, line=None)
            times[found] = times.get(found, 0) + 1
        for found, often in times.items():
            self._found[found] = max(often, self._found.get(found, 0))
