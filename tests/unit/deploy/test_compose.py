"""The composed demo: what it mounts is there, what it runs is what the tests run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from butterfly_otel.cli import build_parser

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_what_it_mounts_is_there() -> None:
    """Each mounted path exists, is mounted to be read only, and each volume is declared."""
    sources: list[str] = []
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                assert rest.endswith(":ro")
                sources.append(source)
            else:
                assert source in COMPOSE["volumes"]
    assert len(sources) >= 8
    missing = [each for each in sources if not (FOLDER / each).exists()]
    assert [each for each in missing if not each.endswith("docs/dashboards")] == []


def test_images_are_pinned_to_what_the_tests_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus, Alertmanager and the Collector have the versions of the end-to-end tests."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import server_recipes as recipes  # noqa: PLC0415 - a script, found by the line above

    for script in ("server_recipes", "building"):
        monkeypatch.delitem(sys.modules, script)
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert images["prometheus"] == f"prom/prometheus:v{recipes.PROMETHEUS_OWN_VERSION}"
    assert images["alertmanager"] == f"prom/alertmanager:{recipes.ALERTMANAGER_VERSION}"
    collector = f"otel/opentelemetry-collector-contrib:{recipes.COLLECTOR_VERSION}"
    assert images["otel-agent"] == images["otel-gateway"] == collector
    assert all(re.search(r":(v?\d+\.\d+\.\d+|local)$", image) for image in images.values())


def test_nothing_is_reachable_from_outside() -> None:
    """Ports are published on loopback alone."""
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_services_find_each_other_under_the_names_in_docs() -> None:
    """Hosts that the mounted configurations name by default are services here."""
    named: set[str] = set()
    for path in (
        *(ROOT / "docs" / name for name in ("otel-collector.yml", "otel-collector-agent.yml")),
        ROOT / "docs" / "alertmanager.yml",
        FOLDER / "prometheus.yml",
        FOLDER / "compose.yaml",
        FOLDER / "grafana/provisioning/datasources/prometheus.yml",
    ):
        text = re.sub(r"(?m)(^|\s)#.*", "", path.read_text())
        named |= set(re.findall(r"(?:://|[\[ -])([a-z][a-z-]+):\d{4,5}\b", text))
    assert {"otel-gateway", "prometheus", "alertmanager", "alert-receiver"} <= named
    assert named - {"localhost"} <= SERVICES.keys()


def test_the_demo_understands_its_options() -> None:
    """The command line of the demo and the image's own are of this version."""
    options = build_parser().parse_args(SERVICES["demo"]["command"])
    assert (options.exporter, options.host) == ("both", "0.0.0.0")  # noqa: S104 - a container's
    dockerfile = (FOLDER / "Dockerfile").read_text()
    [command] = re.findall(r"^CMD (\[.+\])$", dockerfile, re.MULTILINE)
    assert build_parser().parse_args(yaml.safe_load(command)).plain


def test_the_image_is_made_of_files_that_are_there() -> None:
    """What is copied exists, has all that the build needs, and is not ignored."""
    dockerfile = (FOLDER / "Dockerfile").read_text()
    copied = {
        name
        for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE)
        for name in line.split()[:-1]
    }
    root = {"pyproject.toml", "README.md", "LICENSE"}
    assert copied == {*root, "butterfly_otel", "views", "docs", "deploy"}
    assert all((ROOT / name).exists() for name in copied)
    ignore = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
