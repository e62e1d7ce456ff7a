"""Find modules of a package that import each other, directly or around several corners.

    python scripts/circles.py [FOLDER]     the package's folder (default: butterfly_otel)

Every import counts, wherever it stands: inside a function, and under TYPE_CHECKING too, since
who reads one of two modules that are tied by their types has to read the other. A module that
is imported by its name as a string is not seen. One line a circle, with what each of its modules
imports from the next.

Exit codes: 0 where there is none, 1 where there are some, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    #: What a module imports of others: the names, by module.
    Imports = dict[str, set[str]]

PACKAGE = Path(__file__).resolve().parents[1] / "butterfly_otel"


def modules(package: Path) -> dict[str, Path]:
    """Return the files of a package by the names of their modules."""
    found: dict[str, Path] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Imports:
    """Return what a module imports of the other modules of its package."""
    found: Imports = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            pairs = [(each.name, each.name.rpartition(".")[2]) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                # A package's own relative imports begin at itself.
                above = name.split(".")[: -node.level + (path.stem == "__init__") or None]
                home = ".".join((*above, *filter(None, (node.module,))))
            pairs = [
                (inner if (inner := f"{home}.{each.name}") in known else home, each.name)
                for each in node.names
            ]
        else:
            continue
        for module, imported in pairs:
            if module in known and module != name:
                found.setdefault(module, set()).add(imported)
    return found


def circles(graph: dict[str, Imports]) -> Iterator[list[str]]:
    """Yield the shortest circle through each import that is part of one, none of them twice."""
    seen: set[frozenset[str]] = set()
    for module, imported in graph.items():
        for other in imported:
            back = way(graph, other, module)
            if back and frozenset(back) not in seen:
                seen.add(frozenset(back))
                yield [module, *back]


def way(graph: dict[str, Imports], start: str, end: str) -> list[str]:
    """Return the shortest way along imports, both ends included; nothing where there is none."""
    came: dict[str, str] = {start: ""}
    left = deque([start])
    while left:
        module = left.popleft()
        if module == end:
            path = [module]
            while came[path[-1]]:
                path.append(came[path[-1]])
            return path[::-1]
        for other in graph[module]:
            if other not in came:
                came[other] = module
                left.append(other)
    return []


def shown(circle: list[str], graph: dict[str, Imports]) -> str:
    """Return a circle as a line."""
    package = circle[0].partition(".")[0] + "."
    text = circle[0].removeprefix(package)
    for module, other in pairwise(circle):
        names = ", ".join(sorted(graph[module][other]))
        text += f" -> {other.removeprefix(package)} ({names})"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=PACKAGE, metavar="FOLDER")
    package: Path = parser.parse_args(arguments).folder.resolve()
    known = modules(package)
    if not known:
        parser.error(f"there are no modules in {package}; pass the folder of a package")
    graph = {name: imports(name, path, known) for name, path in known.items()}
    found = [shown(circle, graph) for circle in circles(graph)]
    for line in found:
        print(line)
    if not found:
        print(f"no two of {len(known)} modules import each other")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
