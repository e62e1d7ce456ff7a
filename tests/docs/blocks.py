"""The code blocks of the documentation, and the words after a fence that say what is checked.

=========================  ====================================================================
``python``                 run, one after the other, in one process a page
``python raises=Error``    run; it must end in that exception
``python file=NAME``       written to NAME for the blocks that follow
``python replaces``        another library's side of a comparison: run by itself
``text output``            what the block before prints; ``…`` stands for anything
``text scrape``            lines that ``/metrics`` shows now, in any order
``text message``           a log line or an error that the code can produce
``text figure``            a drawing: nothing to check
``console``                commands behind ``$``, and what they print; see ``run_page.py``
``console exit=1``         the last command ends so
``console session=FILE``   ``python -i FILE``: the blocks that follow are typed at its prompt
``console shown``          for other machines: only the syntax is checked, and our extras
``yaml file=NAME``         parsed and written to NAME
``promql``                 parsed by promtool, its names looked up
``mermaid``                a picture: the methods that it names in ``<code>`` are looked up
=========================  ====================================================================

``warns`` after any of them: it logs a warning on purpose; ``warns=perhaps``: on some machines. A
comment ``<!-- python … -->`` is run
and not shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Commands for a clone, which take minutes.
_NOT_RUN = {DOCS / "benchmarks.md"}
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]+)\n(?P<text>.*?)^(?P=indent)```$"
    r"|^<!-- python\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The file it is in.
        line: The line its text begins in.
        language: The first word after the fence.
        marks: The other words, by name; those without ``=`` have an empty value.
        text: What is inside.
    """

    page: Path
    line: int
    language: str
    marks: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        hidden = match["hidden"]
        inner = match["text"] if hidden is None else hidden
        start = match.start("text" if hidden is None else "hidden")
        language, *words = (match["info"] or "python").split()
        marks = dict(word.partition("=")[::2] for word in words)
        line = text.count("\n", 0, start) + 1
        indent = match["indent"] or ""
        lines = [each.removeprefix(indent) for each in inner.splitlines(keepends=True)]
        found.append(Block(page, line, language, marks, "".join(lines)))
    return found


def pages() -> list[Path]:
    """Return every page of the documentation."""
    return sorted(DOCS.rglob("*.md"))


def all_blocks() -> list[Block]:
    """Return every block that is run or checked."""
    return [block for page in pages() if page not in _NOT_RUN for block in blocks_of(page)]
