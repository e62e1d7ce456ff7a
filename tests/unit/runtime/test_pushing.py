"""Exporters by name: none that settings know is without what builds it."""

from __future__ import annotations

from typing import get_args

from butterfly_otel.runtime.pushing import EXPORTERS
from butterfly_otel.settings.config import ExporterName


def test_every_name_of_an_exporter_has_what_builds_it() -> None:
    """A name that is added to the settings alone would otherwise fail in the application."""
    missing = set(get_args(ExporterName)) - {"prometheus", "none", *EXPORTERS}
    assert not missing, f"butterfly_otel/runtime/pushing.py does not build {', '.join(missing)}"
