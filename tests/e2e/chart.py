"""Running Helm on the chart, and what it makes as plain data."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "butterfly-otel"
#: Values files that are shipped beside the chart.
SHIPPED = sorted((ROOT / "deploy" / "helm" / "values").iterdir())
Object = dict[str, Any]


class ChartError(Exception):
    """Helm refused values; the message is what it said."""


@dataclass(frozen=True)
class Helm:
    """The `helm` executable, away from any configuration of the user's.

    Attributes:
        program: Where it is.
        home: An empty folder for what it keeps.
        chart: The chart.
    """

    program: Path
    home: Path
    chart: Path = CHART

    def run(self, *arguments: str | Path) -> str:
        """Run a command and give what it printed.

        Raises:
            ChartError: It failed.
        """
        folders = {f"HELM_{each}_HOME": str(self.home) for each in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**folders, "HOME": str(self.home), "PATH": ""},
        )
        if done.returncode:
            raise ChartError(done.stderr + done.stdout)
        return done.stdout

    def text(self, *arguments: str | Path, values: Object | None = None) -> str:
        """Return the manifests as text, for further arguments of `helm template` and values."""
        given: list[str | Path] = []
        if values is not None:
            file = self.home / "values.json"
            file.write_text(json.dumps(values))
            given = ["--values", file]
        command = ["template", "butterfly", self.chart, "--namespace", "butterfly"]
        return self.run(*command, *given, *arguments)

    def objects(self, *arguments: str | Path, values: Object | None = None) -> list[Object]:
        """Return the manifests as data, likewise."""
        found = yaml.safe_load_all(self.text(*arguments, values=values))
        return [each for each in found if each]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """Return those of a kind."""
    return [each for each in objects if each["kind"] == kind]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """Return the one of that kind and name."""
    [found] = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def container(workload: Object) -> Object:
    """Return the one container of a workload."""
    [found] = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(workload: Object) -> dict[str, Any]:
    """Return the variables of its container: their values, or what they come from."""
    return {
        each["name"]: each.get("value", each.get("valueFrom"))
        for each in container(workload)["env"]
    }
