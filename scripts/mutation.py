"""Change one thing in the code, run the tests of that room, and tell which changes nobody notices.

    python scripts/mutation.py [--sample 40] [--seed 1] [--only exporters/push.py …] [--near]

The changes are those of cosmic-ray, but for annotations, which nothing reads; a sample takes
places, then one of the changes that can be made there. `[tool.mutation]` in `pyproject.toml` says
which tests are `near` a room, and which are `wide`: these run where those near noticed nothing. A
change whose tests fail or take too long is killed; one that survives is shown. It all happens in
a copy of the checkout, so the checkout may be worked on meanwhile. Whether the tests pass without
a change is asked first, and how long they take.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "butterfly_otel"
COPIED = (PACKAGE, "tests", "views", "docs", "deploy", "examples", "scripts", "benchmarks")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile")


class Mutant(NamedTuple):
    """One change that can be made.

    Attributes:
        module: The file, from the package's folder.
        place: Line and column.
        operator: What cosmic-ray calls this kind of change.
        occurrence: Which of the places of this kind.
    """

    module: str
    place: tuple[int, int]
    operator: str
    occurrence: int

    def apply(self, source: str) -> str | None:
        """Return the changed source; None where nothing changes."""
        changed = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        return None if changed == source else changed


def settings() -> dict[str, Any]:
    """Return the table of `pyproject.toml`."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(document["tool"]["mutation"])


def modules(chosen: Sequence[str], rooms: Iterable[str]) -> Iterator[str]:
    """Yield the files of the rooms, or those that were asked for, from the package's folder."""
    package = ROOT / PACKAGE
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.startswith(tuple(rooms)) and (not chosen or name.startswith(tuple(chosen))):
            yield name


def is_read(node: Any) -> bool:  # noqa: ANN401 - a node of parso's, which has no types
    """Tell whether a node is run: annotations and imports for type checkers aren't."""
    if node.type == "if_stmt" and _is_for_type_checkers(node):
        return False
    while node.parent is not None:
        parent = node.parent
        if parent.type == "annassign" and node is parent.children[1]:
            return False
        if parent.type in {"tfpdef", "param"} and node is not parent.children[0]:
            return parent.type == "param" and node is getattr(parent, "default", None)
        if parent.type == "funcdef" and node is parent.annotation:
            return False
        if parent.type == "if_stmt" and _is_for_type_checkers(parent):
            return False
        node = parent
    return True


def _is_for_type_checkers(node: Any) -> bool:  # noqa: ANN401
    return bool(node.children[1].get_code().strip() == "TYPE_CHECKING")


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every change that can be made to a module."""
    tree = get_ast((ROOT / PACKAGE / module).read_text(encoding="utf-8"))
    nodes = list(ast_nodes(tree))
    for name in operator_names():
        if get_operator(name).arguments():
            continue  # for names that somebody would have to give
        operator = get_operator(name)()
        found = [(node, begin) for node in nodes for begin, _ in operator.mutation_positions(node)]
        for occurrence, (node, begin) in enumerate(found):
            if is_read(node):
                yield Mutant(module, begin, name, occurrence)


def sample(every: Sequence[Mutant], size: int | None, seed: int) -> list[Mutant]:
    """Return one change at each of so many places; all there are without a size."""
    if size is None:
        return list(every)
    places: dict[tuple[str, tuple[int, int]], list[Mutant]] = {}
    for mutant in every:
        places.setdefault((mutant.module, mutant.place), []).append(mutant)
    chance = random.Random(seed)  # noqa: S311 - it is to be repeatable
    some = chance.sample(sorted(places), min(size, len(places)))
    return [chance.choice(places[place]) for place in some]


def tests_of(module: str, rooms: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the tests of the innermost room that a module is in."""
    return tuple(rooms[max((room for room in rooms if module.startswith(room)), key=len)])


def copy_to(place: Path) -> None:
    """Copy what the tests need."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, place / name)


class Checkout:
    """A copy of the checkout, in which tests are run."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._said = place / "said.txt"
        self._limits: dict[tuple[str, ...], float] = {}

    def notices(self, mutant: Mutant, changed: str, tests: tuple[str, ...]) -> bool:
        """Tell whether a changed module makes some of the tests fail."""
        if tests not in self._limits:
            began = time.monotonic()
            # Once more: on a machine at work, what has a deadline may fail.
            if not (self._pass(tests, 900) or self._pass(tests, 900)):
                said = self._said.read_text(encoding="utf-8")
                sys.exit(f"{said}\n{' '.join(tests)} fail without any change")
            self._limits[tests] = 10 + 3 * (time.monotonic() - began)
        path = self.place / PACKAGE / mutant.module
        source = path.read_text(encoding="utf-8")
        path.write_text(changed, encoding="utf-8")
        try:
            return not self._pass(tests, self._limits[tests])
        finally:
            path.write_text(source, encoding="utf-8")

    def _pass(self, tests: Sequence[str], limit: float) -> bool:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        environ = {**os.environ, "PYTHONPATH": str(self.place), "PYTHONDONTWRITEBYTECODE": "1"}
        with (
            self._said.open("w", encoding="utf-8") as said,
            subprocess.Popen(
                command, cwd=self.place, env=environ, stdout=said, stderr=said
            ) as process,
        ):
            try:
                return process.wait(limit) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                return False


def shown(module: str, source: str, changed: str) -> str:
    """Return what a change does, a line before and a line after."""
    lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), n=1, lineterm="")
    return "\n".join([f"survived in {module}", *("    " + line for line in list(lines)[2:])])


def main() -> int:
    """Try the changes; return 1 if one survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, help="how many changes; all without it")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--only", nargs="+", default=[], help="files or rooms in the package")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no more after so long")
    parser.add_argument("--near", action="store_true", help="ask the near tests alone")
    options = parser.parse_args()
    table = settings()
    every = [each for name in modules(options.only, table["near"]) for each in mutants_of(name)]
    chosen = sample(every, options.sample, options.seed)
    print(f"{len(chosen)} of {len(every)} changes, seed {options.seed}", flush=True)
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        copy_to(Path(folder))
        asked = {name: table[name] for name in ("near",) + ("wide",) * (not options.near)}
        return try_all(chosen, Checkout(Path(folder)), asked, until)


def try_all(
    chosen: Sequence[Mutant], checkout: Checkout, asked: dict[str, Any], until: float
) -> int:
    """Try each change in the copy and say how it ended; return 1 if one survived."""
    killed, survived = 0, 0
    for number, mutant in enumerate(chosen, 1):
        if time.monotonic() > until:
            break
        print(f"{number}/{len(chosen)}", mutant.module, file=sys.stderr, flush=True)
        source = (checkout.place / PACKAGE / mutant.module).read_text(encoding="utf-8")
        changed = mutant.apply(source)
        if changed is None:
            continue
        tests = [tests_of(mutant.module, rooms) for rooms in asked.values()]
        if any(checkout.notices(mutant, changed, each) for each in tests):
            killed += 1
        else:
            survived += 1
            print(shown(mutant.module, source, changed), flush=True)
    tried = killed + survived
    print(f"{killed} of {tried} killed ({killed / max(tried, 1):.0%})")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
