"""One family, one TYPE line, always: who gets a name that several metrics want.

Source: the OpenTelemetry specification, "OTLP Metric points to Prometheus", "Metric
Metadata": metrics of a conflicting TYPE are dropped whole, points of a conflicting HELP or
UNIT are kept under the first one's comment, and the user is warned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.model.families import Family, FamilyType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.exporters.prometheus.model.problems import Problems


class Ledger:
    """Who holds which exposed name, from the first that asks until :meth:`reset`.

    Names stay with their holder from scrape to scrape, so that a metric never flickers
    because another one came first this time. Not thread-safe.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._families: dict[str, Family] = {}
        self._holders: dict[str, str] = {}

    def reset(self) -> None:
        """Forget every holder."""
        self._families.clear()
        self._holders.clear()

    def admit(self, name: str, family_type: FamilyType, help_text: str, unit: str) -> bool:
        """Ask for a family's names; tell whether its points may be exposed."""
        wanted = Family(name, family_type, help_text, unit)
        held = self._families.get(name)
        if held is None:
            return self._enter(wanted)
        if held.type != family_type:
            self._problems.report(
                "type_conflict",
                name,
                "Metric %s is not exposed as a %s: it is exposed as a %s already",
                family_type,
                held.type,
            )
            return False
        self._compare_comments(held, wanted)
        return True

    def comments(self, name: str) -> tuple[str, str]:
        """Return the HELP text and the unit that the admitted family ``name`` has."""
        held = self._families[name]
        return held.help, held.unit

    def _enter(self, wanted: Family) -> bool:
        for claim in wanted.claims:
            holder = self._holders.get(claim)
            if holder is not None:
                self._problems.report(
                    "name_clash",
                    wanted.name,
                    "Metric %s is not exposed: its name %s is taken by the metric %s",
                    claim,
                    holder,
                )
                return False
        self._families[wanted.name] = wanted
        self._holders.update(dict.fromkeys(wanted.claims, wanted.name))
        return True

    def _compare_comments(self, held: Family, wanted: Family) -> None:
        if wanted.help and held.help and wanted.help != held.help:
            self._problems.report(
                "help_conflict",
                wanted.name,
                "Metric %s has several descriptions; the first one is exposed: %s",
                held.help,
            )
        if wanted.unit != held.unit:
            self._problems.report(
                "unit_conflict",
                wanted.name,
                "Metric %s has several units; the first one is exposed: %s (not %s)",
                held.unit or "none",
                wanted.unit or "none",
            )
        if not held.help:
            self._families[held.name] = Family(held.name, held.type, wanted.help, held.unit)


def openmetrics_names(families: Iterable[Family], taken: Iterable[str]) -> dict[str, str]:
    """Return the OpenMetrics family name of each family, by its name.

    A counter goes without ``_total`` and an info without ``_info``, unless something else
    already has that name: then the family keeps its full name, and the encoder shows it as
    ``unknown``, because OpenMetrics knows no other way to keep its samples' names.

    Args:
        families: Families whose ``claims`` don't overlap.
        taken: Names that families of other origin have.
    """
    listed = list(families)
    used = set(taken)
    for family in listed:
        used.update(family.claims)
    names: dict[str, str] = {}
    for family in listed:
        stem = family.stem
        generated = {stem, f"{stem}_created"} if family.type == "counter" else {stem}
        if stem and stem != family.name and used.isdisjoint(generated):
            used |= generated
            names[family.name] = stem
        else:
            names[family.name] = family.name
    return names
