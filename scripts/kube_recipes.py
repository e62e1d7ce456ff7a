"""How what checks Kubernetes' manifests is made; `servers.py` is the command."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from building import BuildError, Recipe
from server_recipes import LDFLAGS, go

HELM = "helm.sh/helm/v3"
HELM_VERSION = "v3.22.0"
#: What `helm template` takes for the cluster's version: that of Helm's own client library.
HELM_KUBERNETES = ("1", "37")
HELM_LDFLAGS = " ".join(
    [
        f"{LDFLAGS} -X {HELM}/internal/version.version={HELM_VERSION}",
        *(
            f"-X {HELM}/{package}.k8sVersion{part}={value}"
            for package in ("pkg/chartutil", "pkg/lint/rules")
            for part, value in zip(("Major", "Minor"), HELM_KUBERNETES, strict=True)
        ),
    ]
)
TYPES_FILES = Path(__file__).resolve().parent / "servers" / "kubetypes"
TYPES_SOURCES = ("main.go", "go.mod", "go.sum")


def build_helm(folder: Path, log: Path) -> None:
    """Helm, from its Go module."""
    flags = ["-trimpath", "-ldflags", HELM_LDFLAGS]
    package = f"{HELM}/cmd/helm@{HELM_VERSION}"
    go(["install", *flags, package], log, folder, {"GOBIN": str(folder / "bin")})
    command = [folder / "bin" / "helm", "version", "--short"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if not answer.stdout.startswith(HELM_VERSION):
        told = (answer.stdout + answer.stderr).strip()
        raise BuildError(f"`helm version` should say {HELM_VERSION}; it says: {told}")


def build_kubetypes(folder: Path, log: Path) -> None:
    """What decodes manifests strictly into Kubernetes' and the Prometheus Operator's Go types."""
    with tempfile.TemporaryDirectory(prefix="kubetypes-") as work:
        for name in TYPES_SOURCES:
            shutil.copyfile(TYPES_FILES / name, Path(work) / name)
        arguments = ["build", "-mod=readonly", "-trimpath", "-ldflags", LDFLAGS]
        go([*arguments, "-o", str(folder / "bin" / "kubetypes"), "."], log, Path(work), {})


RECIPES = (
    Recipe(
        name="helm",
        programs={"helm": "helm"},
        build=build_helm,
        versions=(HELM, HELM_VERSION, HELM_LDFLAGS),
        files=(),
        cost="1 to 3 minutes on two cores, the first time",
    ),
    Recipe(
        name="kubetypes",
        programs={"kubetypes": "kubetypes"},
        build=build_kubetypes,
        versions=(LDFLAGS,),
        files=tuple(TYPES_FILES / name for name in TYPES_SOURCES),
        cost="half a minute on two cores, the first time",
    ),
)
