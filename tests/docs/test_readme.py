"""The README, run as it is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_python_block_runs_as_printed(number: int, tmp_path: Path) -> None:
    """Each block is a complete program; it ends well within seconds, whoever listens."""
    environ = {
        **os.environ,
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "100",
    }
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKS[number]],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_quick_start_has_ten_lines_and_serves_what_it_measures(tmp_path: Path) -> None:
    """The first block, continued by a scrape, shows the three metrics it measures."""
    block = BLOCKS[0]
    assert len(block.strip().splitlines()) <= 10
    more = """
import urllib.request
from butterfly_otel import configure
url = configure(node_id="coordinator-1", node_role="coordinator").prometheus_url
print(urllib.request.urlopen(url).read().decode())
"""
    output = subprocess.run(
        [sys.executable, "-c", block + more],
        cwd=tmp_path,
        env={**os.environ, "OTEL_EXPORTER_PROMETHEUS_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    labels = 'method="inference",node_role="coordinator"'
    assert f'butterfly_requests_total{{{labels},status="success"}} 1.0' in output
    assert f"butterfly_request_duration_seconds_count{{{labels}}} 1.0" in output
    assert 'butterfly_tasks_queued{node_id="coordinator-1"} 3.0' in output


def test_links_lead_somewhere() -> None:
    """Every relative link of the README and of docs/ is a file."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_both_commands_are_targets_of_the_makefile() -> None:
    """`make demo` and `make test` are there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)


def test_the_quick_start_stays_up_at_a_prompt(tmp_path: Path) -> None:
    """By `python -i`, as the README says, the process answers scrapes until its prompt ends."""
    assert "$ .venv/bin/python -i quickstart.py\n" in README
    (tmp_path / "quickstart.py").write_text(BLOCKS[0], encoding="utf-8")
    typed = """
import urllib.request
from butterfly_otel.runtime.lifecycle import current
print("requests_total" in urllib.request.urlopen(current().prometheus_url).read().decode())
"""
    output = subprocess.run(
        [sys.executable, "-i", "quickstart.py"],
        input=typed,
        cwd=tmp_path,
        env={**os.environ, "OTEL_EXPORTER_PROMETHEUS_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert output.strip() == "True"


def test_nobody_is_told_to_install_from_an_index() -> None:
    """The package is on no index yet: its bare name is not a thing to install anywhere."""
    pages = [ROOT / "README.md", ROOT / "examples" / "README.md", *(ROOT / "docs").rglob("*.md")]
    bare = re.compile(r"pip install (?:butterfly-otel|'butterfly-otel')(?![\[\w])")
    assert [page.name for page in pages if bare.search(page.read_text(encoding="utf-8"))] == []
