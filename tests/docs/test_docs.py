"""The documentation: every block is run or checked, every quoted message is one of ours."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pydoc
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from butterfly_otel.operate.rules import recording_groups
from tests.docs.blocks import DOCS, ROOT, all_blocks, pages
from tests.promql_names import known, metrics

LANGUAGES = {"python", "text", "console", "yaml", "promql", "mermaid"}
#: Blocks that are checked here and run nowhere.
RUNNABLE = {"python", "console", "yaml"}


def _runnable() -> list[Path]:
    found = {block.page for block in all_blocks() if block.language in RUNNABLE}
    return sorted(found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the pages show a shell, and fork")
@pytest.mark.parametrize("page", _runnable(), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_block_of_a_page_works(page: Path, tmp_path: Path) -> None:
    """A page's programs run, its commands work, and they print and serve what it shows."""
    environ = {
        **os.environ,
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
    }
    # From 3.12 on a fork beside threads warns; the page on forking servers does just that.
    quiet = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    result = subprocess.run(
        [sys.executable, *quiet, "-m", "tests.docs.run_page", page],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr + result.stdout


def test_every_block_says_how_it_is_checked() -> None:
    """No block is of a language nobody checks, and no text says nothing of itself."""
    for block in all_blocks():
        directive = block.language.startswith("{")
        assert directive or block.language in LANGUAGES, f"{block}: {block.language}"
        if block.language == "text":
            assert {"output", "scrape", "message", "figure"} & set(block.marks), block


def test_every_method_in_a_picture_is_one_of_ours() -> None:
    """A picture of the code names what there is: methods as ``Class.method``, functions alone."""
    defined: set[str] = set()
    for path in (ROOT / "butterfly_otel").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                defined.add(node.name)
            elif isinstance(node, ast.ClassDef):
                inner = [each for each in node.body if isinstance(each, ast.FunctionDef)]
                defined |= {f"{node.name}.{each.name}" for each in inner}
    pictures = [block for block in all_blocks() if block.language == "mermaid"]
    named = {
        (str(block), name)
        for block in pictures
        for name in re.findall(r"<code>((?:[A-Z]\w*\.)?\w+)</code>", block.text)
    }
    assert len(named) > 6
    assert sorted(each for each in named if each[1] not in defined) == []


@pytest.mark.parametrize(
    "module",
    [
        "decorators",
        "testing",
        *(f"integrations.{each}" for each in ("aioquic", "asgi", "grpc", "starlette", "wsgi")),
    ],
)
def test_the_reference_has_every_public_function(module: str) -> None:
    """Under a name that it can be imported by; types that only annotations need are left out."""
    home = importlib.import_module(f"butterfly_otel.{module}")
    listed = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    found = re.findall(r"^\.\. auto\w+:: (\S+)$", listed, re.MULTILINE)
    documented = [pydoc.locate(each) for each in found]
    for name in home.__all__:
        value = getattr(home, name)
        if inspect.isfunction(value):
            assert any(value is each for each in documented), f"{module}.{name}"


@cache
def _messages() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every text of the code: how it begins, and a pattern in which what is filled in is free."""
    found: list[tuple[str, re.Pattern[str]]] = []
    for path in sorted((ROOT / "butterfly_otel").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            literal = _template(node)
            if len("".join(literal)) >= 12:  # shorter ones would fit anything
                pattern = "(.+?)".join(map(re.escape, literal))
                found.append((literal[0], re.compile(pattern)))
    return tuple(found)


def _template(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.split(r"%(?:\.\d)?[srdf]|\{\w+\}", node.value)
    if isinstance(node, ast.JoinedStr):
        parts, literal = [""], True
        for value in node.values:
            literal = isinstance(value, ast.Constant)
            if literal:
                parts[-1] += str(value.value)  # type: ignore[attr-defined]
            else:
                parts.append("")
        return parts
    return []


def _is_ours(message: str) -> bool:
    return any(
        # What is filled in may be a sentence of ours again, never one that nobody says.
        all(len(part) < 60 or _is_ours(part) for part in match.groups())
        for begin, pattern in _messages()
        if message.startswith(begin) and (match := pattern.fullmatch(message))
    )


def test_every_quoted_message_is_one_of_ours() -> None:
    """A block marked as a message is, line by line, a text that the code can produce."""
    quoted = [block for block in all_blocks() if "message" in block.marks]
    assert len(quoted) > 12
    for block in quoted:
        message = " ".join(block.text.split())
        assert _is_ours(message), f"{block}: {message}"
    assert not _is_ours("node_id is not given: pass configure(node_id=...)")


def test_every_query_names_what_there_is() -> None:
    """PromQL blocks select metrics of the contract, or series that the rules record."""
    recorded = {rule.record for group in recording_groups() for rule in group.rules}  # type: ignore[union-attr]
    found = [block for block in all_blocks() if block.language == "promql"]
    assert len(found) > 100
    for block in found:
        for name in metrics(block.text):
            assert known(name, recorded), f"{block}: {name}"


def test_every_page_is_in_a_table_of_contents() -> None:
    """Each page is reached from another one: nobody finds a page that is in no list."""
    listed: set[Path] = set()
    for page in pages():
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            for line in tree.splitlines():
                name = re.sub(r".*<(.*)>", r"\1", line.strip())
                if name and not name.startswith(":"):
                    listed.add((page.parent / f"{name}.md").resolve())
    assert set(pages()) - listed == {DOCS / "index.md"}


def test_yaml_of_the_docs_is_yaml() -> None:
    """What is shipped beside the pages parses."""
    for path in DOCS.glob("*.yml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
