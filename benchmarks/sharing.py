"""The group that times a measurement in a process that is one of several."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from benchmarks import subjects as make
from benchmarks.calls import THREE
from benchmarks.measure import Settings, Subject, require_same_outcome, timings
from butterfly_otel.exporters.prometheus.reader import PrometheusMetricReader
from butterfly_otel.sharing.family import find_family
from butterfly_otel.sharing.group import Group
from butterfly_otel.sharing.modes import Modes
from butterfly_otel.sharing.place import find_place
from butterfly_otel.sharing.showing import MetricsContent

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter


def sharing(settings: Settings) -> dict[str, list[float]]:
    """Time the same call in a member of a group, which stores once a second, and in none."""
    alone, _ = _measured("alone")
    member, reader = _measured("member")
    family = find_family(f"benchmark-{os.getpid()}")
    with tempfile.TemporaryDirectory() as directory:
        group = Group(
            find_place(family, ("benchmark",), directory=directory),
            MetricsContent(reader, Modes(), lambda: False),
        )
        group.start()
        try:
            require_same_outcome("the same call, shared and not", [alone, member])
            return timings([alone, member], settings)
        finally:
            group.leave()


def _measured(key: str) -> tuple[Subject, PrometheusMetricReader]:
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=CollectorRegistry()
    )
    counter: Counter
    counter, _ = make.instruments(make.provider([reader], ours=True))
    outcome = partial(_rendered, reader)
    return Subject(key, f"counter.add(1, {THREE})", {"counter": counter}, outcome), reader


def _rendered(reader: PrometheusMetricReader) -> bytes:
    return reader.render()[1]
