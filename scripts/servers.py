"""Build the real servers of the end-to-end tests once, and find them again.

    python scripts/servers.py build [SERVER ...]   build what is missing
    python scripts/servers.py path PROGRAM         print where a built program is
    python scripts/servers.py list                 say what is built, and where
    python scripts/servers.py relock               renew the Collector's go.mod and go.sum

Servers: `prometheus3`, `alertmanager` and `otelcol`, built with Go, and `prometheus2` and
`node_exporter`, Debian's packages, which are optional; `helm` and `kubetypes`, built with Go, check
what is deployed to Kubernetes; where none is named, all of these. Asked for by name: `thanos` and
`victoria-metrics`, built with Go. Programs: the names of the servers, `promtool3`, `promtool2` and
`amtool`.

`building.py` says where they are kept.

Exit codes: 0 for done, also where an optional server can't be had; 1 where a build failed or a
program is not built; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from building import BuildError, built, try_make
from kube_recipes import RECIPES as KUBE_RECIPES
from server_recipes import RECIPES, relock_collector
from storage_recipes import STORAGE_RECIPES

if TYPE_CHECKING:
    from pathlib import Path

SERVERS = {recipe.name: recipe for recipe in (*RECIPES, *KUBE_RECIPES, *STORAGE_RECIPES)}
PROGRAMS = {program: recipe for recipe in SERVERS.values() for program in recipe.programs}


def find(program: str) -> Path | None:
    """The path of a built `program`, or None."""
    return built(PROGRAMS[program], program)


def print_path(program: str) -> int:
    """Print where `program` is; 1 when it is not built."""
    path = find(program)
    if path is None:
        server = PROGRAMS[program].name
        target = "storage-servers" if PROGRAMS[program] in STORAGE_RECIPES else "servers"
        command = f"python scripts/servers.py build {server}"
        print(f"{program} is not built; run `make {target}` or `{command}`", file=sys.stderr)
        return 1
    print(path)
    return 0


def print_list() -> int:
    """Print each program and where it is."""
    for program in PROGRAMS:
        print(f"{program:17} {find(program) or 'not built'}")
    return 0


def relock() -> int:
    """Renew the Collector's go.mod and go.sum."""
    try:
        relock_collector()
    except BuildError as error:
        print(f"otelcol: not locked: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build the servers that are missing")
    builder.add_argument("servers", nargs="*", metavar="SERVER", help=", ".join(SERVERS))
    finder = commands.add_parser("path", help="print where a built program is")
    finder.add_argument("program", choices=PROGRAMS)
    commands.add_parser("list", help="say what is built, and where")
    commands.add_parser("relock", help="renew the Collector's go.mod and go.sum")
    options = parser.parse_args()
    if options.command == "build":
        unknown = sorted(set(options.servers) - set(SERVERS))
        if unknown:
            parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(SERVERS)}")
        usual = [recipe.name for recipe in (*RECIPES, *KUBE_RECIPES)]
        wanted = [SERVERS[name] for name in dict.fromkeys(options.servers or usual)]
        done = [try_make(recipe) for recipe in wanted]
        return 0 if all(done) else 1
    if options.command == "path":
        return print_path(options.program)
    return print_list() if options.command == "list" else relock()


if __name__ == "__main__":
    sys.exit(main())
