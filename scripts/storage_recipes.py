"""How the distributed storages of the end-to-end tests are made; `servers.py` is the command.

They are asked for by name alone, as `make storage-servers` does: most people need neither.
Each is built in its own module, as it lies in Go's cache, so its own go.mod and go.sum decide
what goes in, `replace` included.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from building import BuildError, Recipe
from server_recipes import LDFLAGS, check_version, go

THANOS = "github.com/thanos-io/thanos"
THANOS_VERSION = "v0.42.4"
# Labels are kept as slices: with the other kind, receivers share strings that they reuse.
THANOS_TAGS = "netgo,slicelabels,remove_all_sd"
THANOS_LDFLAGS = (
    f"{LDFLAGS} -X github.com/prometheus/common/version.Version={THANOS_VERSION.removeprefix('v')}"
)
VICTORIA = "github.com/VictoriaMetrics/VictoriaMetrics"
# The last release that Go 1.26 builds.
VICTORIA_VERSION = "v1.151.0"
VICTORIA_LDFLAGS = (
    f"{LDFLAGS} -X {VICTORIA}/lib/buildinfo.Version=victoria-metrics-{VICTORIA_VERSION}"
)


def sources_of(module: str, version: str, folder: Path, log: Path) -> Path:
    """Download a module; returns the folder of its sources, which is read only."""
    go(["mod", "download", f"{module}@{version}"], log, folder, {})
    command = ["go", "mod", "download", "-json", f"{module}@{version}"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise BuildError(f"`{' '.join(command)}` failed: {answer.stdout.strip()}")
    return Path(json.loads(answer.stdout)["Dir"])


def build_thanos(folder: Path, log: Path) -> None:
    """Thanos, all of whose parts are one program."""
    sources = sources_of(THANOS, THANOS_VERSION, folder, log)
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", THANOS_TAGS]
    flags += ["-ldflags", THANOS_LDFLAGS, "-o", str(folder / "bin" / "thanos")]
    go(["build", *flags, "./cmd/thanos"], log, sources, {})
    check_version(folder / "bin" / "thanos", THANOS_VERSION.removeprefix("v"))


def build_victoria(folder: Path, log: Path) -> None:
    """VictoriaMetrics, the program for a single node."""
    sources = sources_of(VICTORIA, VICTORIA_VERSION, folder, log)
    program = folder / "bin" / "victoria-metrics"
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", VICTORIA_LDFLAGS]
    go(["build", *flags, "-o", str(program), "./app/victoria-metrics"], log, sources, {})
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    if VICTORIA_VERSION not in answer.stdout + answer.stderr:
        raise BuildError(f"`{program.name} -version` should say {VICTORIA_VERSION}")


STORAGE_RECIPES = (
    Recipe(
        name="thanos",
        programs={"thanos": "thanos"},
        build=build_thanos,
        versions=(THANOS, THANOS_VERSION, THANOS_TAGS, THANOS_LDFLAGS),
        files=(),
        cost="2 to 8 minutes on two cores, the first time",
    ),
    Recipe(
        name="victoria-metrics",
        programs={"victoria-metrics": "victoria-metrics"},
        build=build_victoria,
        versions=(VICTORIA, VICTORIA_VERSION, VICTORIA_LDFLAGS),
        files=(),
        cost="1 to 2 minutes on two cores, the first time",
    ),
)
