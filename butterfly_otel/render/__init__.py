"""Everything that is rendered from the catalogue and from the settings, and checked in.

One module an artefact, each a pure function from the data to text, and the quick way of a
measurement, which is rendered into modules written by hand; writing and comparing happen here.

A new artefact is a module with such a function and an entry in ``ARTEFACTS``. May import:
``operate``, ``settings``, ``views``, ``handles`` and what is below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from butterfly_otel.render import dashboards
from butterfly_otel.render.configure import render_configure
from butterfly_otel.render.handles import render_handles
from butterfly_otel.render.quick import place
from butterfly_otel.render.reference import render_reference
from butterfly_otel.render.rules import (
    ALERTS_FILE,
    CHART_FILE,
    OF_STORAGE,
    OPERATOR_FILE,
    RULES_FILE,
    render_alerts,
    render_chart,
    render_operator,
    render_rules,
)
from butterfly_otel.render.views_yaml import render_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artefact:
    """A checked-in file and the function that renders it.

    Attributes:
        path: Where it stands, relative to the root of the source tree.
        render: Returns its whole text.
        extra: What has to be installed to render it; without it, it is left as it is.
    """

    path: str
    render: Callable[[], str]
    extra: str = ""

    @property
    def possible(self) -> bool:
        """Whether it can be rendered here."""
        return self.extra != dashboards.EXTRA or dashboards.available()

    def text(self, root: Path) -> str:
        """Return what the file below ``root`` should be."""
        del root
        return self.render()


@dataclass(frozen=True, slots=True)
class Marked(Artefact):
    """A file that is written by hand but for its marked places."""

    render: Callable[[], str] = str

    def text(self, root: Path) -> str:
        """Return the file below ``root`` with its marked places rendered anew."""
        return place((root / self.path).read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Copy(Artefact):
    """A file that says what another one says, for who reads only its folder, such as Helm.

    Attributes:
        source: That other file, which is written by hand.
    """

    render: Callable[[], str] = str
    source: str = ""

    def text(self, root: Path) -> str:
        """Return what the source below ``root`` says."""
        return (root / self.source).read_text(encoding="utf-8")


#: The Helm chart, which can only read files of its own.
CHART = "deploy/helm/butterfly-otel"

ARTEFACTS: tuple[Artefact, ...] = (
    Artefact("butterfly_otel/metrics.py", render_handles),
    Artefact("butterfly_otel/runtime/configure.py", render_configure),
    Artefact("views/default.yaml", render_views),
    Artefact("docs/reference/metrics.md", render_reference),
    Artefact(f"docs/{RULES_FILE}", render_rules),
    Artefact(f"docs/{ALERTS_FILE}", render_alerts),
    Artefact(f"deploy/kubernetes/{OPERATOR_FILE}", render_operator),
    Artefact(f"{CHART}/files/{CHART_FILE}", render_chart),
    Artefact(f"deploy/thanos/{RULES_FILE}", lambda: render_rules(OF_STORAGE)),
    Artefact(f"deploy/thanos/{ALERTS_FILE}", lambda: render_alerts(OF_STORAGE)),
    *(
        Artefact(f"{folder}/dashboards/{name}", render, dashboards.EXTRA)
        for folder in ("docs", CHART)
        for name, render in dashboards.renderers().items()
    ),
    *(
        Copy(f"{CHART}/files/{name}", source=f"docs/{name}")
        for name in ("otel-collector.yml", "otel-collector-agent.yml")
    ),
    *(
        Marked(f"butterfly_otel/{name}.py")
        for name in (
            "engine/cells",
            "engine/histograms",
            "engine/fanout",
            "engine/kinds",
            "engine/narrowed",
            "handles/bound",
        )
    ),
)


def stale(root: Path, artefacts: Iterable[Artefact] = ARTEFACTS) -> list[Artefact]:
    """Return the artefacts below ``root`` that differ from what would be rendered now.

    What can't be rendered here, for want of an extra, is not among them: see `unchecked`.
    """
    possible = (each for each in artefacts if each.possible)
    return [each for each in possible if _read(root / each.path) != each.text(root)]


def unchecked() -> list[Artefact]:
    """Return the artefacts that can't be rendered here."""
    return [each for each in ARTEFACTS if not each.possible]


def write(root: Path, artefacts: Iterable[Artefact] = ARTEFACTS) -> list[Artefact]:
    """Render everything below ``root``; return the artefacts that changed.

    Raises:
        OSError: When a file can't be written.
    """
    changed = stale(root, artefacts)
    for each in changed:
        path = root / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.text(root), encoding="utf-8", newline="\n")
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
