"""How each real server of the end-to-end tests is made; `servers.py` is the command.

Nothing here knows where the results are kept. A recipe fills a folder and says what decides
the result, so that a change of a version, a build tag or a lock file is a new build.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from building import BuildError, Recipe, UnavailableError, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLLECTOR_FILES = Path(__file__).resolve().parent / "servers" / "otelcol"
LOCK_FILES = ("go.mod", "go.sum")

PROMETHEUS = "github.com/prometheus/prometheus/cmd"
PROMETHEUS_VERSION = "v0.316.0"
PROMETHEUS_OWN_VERSION = "3.16.0"  # what v0.316.0 of the Go module calls itself
# Of the service discoveries only those that docs/prometheus*.yml use are built in: the others
# need the modules of a dozen clouds. Without `builtinassets` there is no web interface either.
PROMETHEUS_TAGS = "netgo,remove_all_sd,enable_dns_sd,enable_kubernetes_sd"
ALERTMANAGER = "github.com/prometheus/alertmanager/cmd"
# The last release whose Go module carries its web interface: from 0.29 on it has to be built
# with npm before Go will compile.
ALERTMANAGER_VERSION = "v0.28.1"
ALERTMANAGER_TAGS = "netgo"
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
BUILDER_VERSION = "v0.155.0"
COLLECTOR_VERSION = "0.155.0"  # as the manifest has it
COLLECTOR_TAGS = "netgo,remove_all_sd"
LDFLAGS = "-s -w"
PROMETHEUS_LDFLAGS = (
    f"{LDFLAGS} -X github.com/prometheus/common/version.Version={PROMETHEUS_OWN_VERSION}"
)
ALERTMANAGER_LDFLAGS = (
    f"{LDFLAGS} -X github.com/prometheus/common/version.Version="
    f"{ALERTMANAGER_VERSION.removeprefix('v')}"
)
GO_NEEDED = "install Go 1.26.7 or newer (https://go.dev/doc/install) and put `go` on PATH"
FETCH_TRIES = 3


def go(arguments: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]) -> None:
    """Run the go command for static binaries, outside any workspace of the user's.

    It is tried again when it fails, since modules are downloaded on the way and what was
    built so far is kept.
    """
    if shutil.which("go") is None:
        raise BuildError(f"there is no Go toolchain here: {GO_NEEDED}")
    settings = {"CGO_ENABLED": "0", "GOWORK": "off", **env}
    for _ in range(FETCH_TRIES - 1):
        with contextlib.suppress(BuildError):
            return run(["go", *arguments], log, cwd, settings)
        time.sleep(1)
    try:
        return run(["go", *arguments], log, cwd, settings)
    except BuildError as error:
        if "requires go >=" in str(error):
            raise BuildError(f"the Go toolchain here is too old: {GO_NEEDED}") from error
        raise


def check_version(program: Path, version: str) -> None:
    """Prove that `program` runs here and prints `version` of itself."""
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    printed = (answer.stdout + answer.stderr).strip()
    if answer.returncode or f"version {version}" not in printed:
        raise BuildError(f"`{program.name} --version` should say {version}; it says: {printed}")


def build_prometheus3(folder: Path, log: Path) -> None:
    """Prometheus 3 and promtool, from their Go module."""
    names = ("prometheus", "promtool")
    packages = [f"{PROMETHEUS}/{name}@{PROMETHEUS_VERSION}" for name in names]
    flags = ["-trimpath", "-tags", PROMETHEUS_TAGS, "-ldflags", PROMETHEUS_LDFLAGS]
    go(["install", *flags, *packages], log, folder, {"GOBIN": str(folder / "bin")})
    for name in names:
        check_version(folder / "bin" / name, PROMETHEUS_OWN_VERSION)


def build_alertmanager(folder: Path, log: Path) -> None:
    """Alertmanager and amtool, from their Go module."""
    names = ("alertmanager", "amtool")
    packages = [f"{ALERTMANAGER}/{name}@{ALERTMANAGER_VERSION}" for name in names]
    flags = ["-trimpath", "-tags", ALERTMANAGER_TAGS, "-ldflags", ALERTMANAGER_LDFLAGS]
    go(["install", *flags, *packages], log, folder, {"GOBIN": str(folder / "bin")})
    for name in names:
        check_version(folder / "bin" / name, ALERTMANAGER_VERSION.removeprefix("v"))


def build_prometheus2(folder: Path, log: Path) -> None:
    """Prometheus 2 and promtool out of Debian's package."""
    programs = {"prometheus": "prometheus", "promtool": "promtool"}
    unpack_debian("prometheus", programs, folder, log)
    check_debian(folder / "bin" / "prometheus", "2.")


def build_node_exporter(folder: Path, log: Path) -> None:
    """node_exporter out of Debian's package."""
    name = "prometheus-node-exporter"
    unpack_debian(name, {name: "node_exporter"}, folder, log)
    check_debian(folder / "bin" / "node_exporter", "1.")


def unpack_debian(package: str, programs: Mapping[str, str], folder: Path, log: Path) -> None:
    """Take programs out of Debian's package, which is not installed, under other names."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnavailableError("there is no apt-get here to download Debian's package with")
    unpacked = folder / "package"
    unpacked.mkdir()
    english = {"LC_ALL": "C"}
    download = ["apt-get", "download", package]
    try:
        try:
            run(download, log, unpacked, english)
        except BuildError:  # a fresh machine has no package lists yet
            run(["apt-get", "update"], log, unpacked, english)
            run(download, log, unpacked, english)
    except BuildError as error:
        raise UnavailableError(f"Debian's package can't be downloaded: {error}") from error
    archive = next(unpacked.glob(f"{package}_*.deb"))
    run(["dpkg-deb", "-x", str(archive), str(unpacked)], log, unpacked, english)
    for program, name in programs.items():
        shutil.move(unpacked / "usr" / "bin" / program, folder / "bin" / name)
    shutil.rmtree(unpacked)


def check_debian(program: Path, version: str) -> None:
    """Prove that a program out of Debian's package runs here."""
    try:
        check_version(program, version)
    except BuildError as error:
        raise UnavailableError(f"Debian's package is of no use here: {error}") from error


def build_collector(folder: Path, log: Path) -> None:
    """The Collector, with exactly the modules of the checked-in go.mod and go.sum."""
    with tempfile.TemporaryDirectory(prefix="otelcol-") as work:
        sources = _generate_collector(Path(work), log, ["--skip-get-modules"])
        for name in LOCK_FILES:
            shutil.copyfile(COLLECTOR_FILES / name, sources / name)
        arguments = ["build", "-mod=readonly", "-trimpath", "-ldflags", LDFLAGS]
        arguments += ["-tags", COLLECTOR_TAGS, "-o", str(folder / "bin" / "otelcol"), "."]
        go(arguments, log, sources, {})
    check_version(folder / "bin" / "otelcol", COLLECTOR_VERSION)


def _generate_collector(work: Path, log: Path, options: Sequence[str]) -> Path:
    """Write the Collector's sources with the official builder; returns their folder."""
    install = ["install", "-trimpath", f"{BUILDER}@{BUILDER_VERSION}"]
    go(install, log, work, {"GOBIN": str(work / "bin")})
    manifest = ["--config", str(COLLECTOR_FILES / "manifest.yaml")]
    command = [str(work / "bin" / "builder"), *manifest, "--skip-compilation", *options]
    run(command, log, work, {"GOWORK": "off"})
    return work / "otelcol"


def relock_collector() -> None:
    """Renew the checked-in go.mod and go.sum after a change of the manifest.

    `go mod tidy` runs with -e, which the builder's own does not: it also looks for what the
    *tests* of dependencies import, and not every module of those can be had. The build needs
    none of them.
    """
    with tempfile.TemporaryDirectory(prefix="otelcol-") as work:
        log = Path(work) / "log"
        sources = Path(work) / "otelcol"
        with contextlib.suppress(BuildError):
            _generate_collector(Path(work), log, [])
        if not (sources / "go.mod").is_file():
            raise BuildError(f"the builder wrote no go.mod: {log.read_text(errors='replace')}")
        go(["mod", "tidy", "-e"], log, sources, {})
        for name in LOCK_FILES:
            shutil.copyfile(sources / name, COLLECTOR_FILES / name)


RECIPES = (
    Recipe(
        name="prometheus3",
        programs={"prometheus3": "prometheus", "promtool3": "promtool"},
        build=build_prometheus3,
        versions=(PROMETHEUS, PROMETHEUS_VERSION, PROMETHEUS_TAGS, PROMETHEUS_LDFLAGS),
        files=(),
        cost="4 to 10 minutes on two cores, the first time",
    ),
    Recipe(
        name="prometheus2",
        programs={"prometheus2": "prometheus", "promtool2": "promtool"},
        build=build_prometheus2,
        versions=("Debian's package",),
        files=(),
        cost="a download of 20 MB",
    ),
    Recipe(
        name="node_exporter",
        programs={"node_exporter": "node_exporter"},
        build=build_node_exporter,
        versions=("Debian's package",),
        files=(),
        cost="a download of 5 MB",
    ),
    Recipe(
        name="alertmanager",
        programs={"alertmanager": "alertmanager", "amtool": "amtool"},
        build=build_alertmanager,
        versions=(ALERTMANAGER, ALERTMANAGER_VERSION, ALERTMANAGER_TAGS, ALERTMANAGER_LDFLAGS),
        files=(),
        cost="1 to 3 minutes on two cores, the first time",
    ),
    Recipe(
        name="otelcol",
        programs={"otelcol": "otelcol"},
        build=build_collector,
        versions=(BUILDER, BUILDER_VERSION, COLLECTOR_TAGS, LDFLAGS),
        files=tuple(COLLECTOR_FILES / name for name in ("manifest.yaml", *LOCK_FILES)),
        cost="1 to 4 minutes on two cores, the first time",
    ),
)
