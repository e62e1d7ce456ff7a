"""promtool's and a Collector's opinion of what the documentation shows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import all_blocks

pytestmark = pytest.mark.e2e


def test_promtool_takes_every_query_and_configuration(promtool3: Path, tmp_path: Path) -> None:
    """Queries parse, and what is a Prometheus configuration is one."""
    rules = [
        {"record": f"block:number_{number}", "expr": block.text}
        for number, block in enumerate(all_blocks())
        if block.language == "promql"
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "docs", "rules": rules}]}))
    assert f"{len(rules)} rules found" in _checked(promtool3, "rules", path)
    configurations = [
        block for block in all_blocks() if block.language == "yaml" and "prometheus" in block.marks
    ]
    assert configurations
    for number, block in enumerate(configurations):
        path = tmp_path / f"prometheus-{number}.yml"
        path.write_text(block.text)
        assert "SUCCESS" in _checked(promtool3, "config", "--syntax-only", path), block


def test_the_collector_takes_every_configuration(otelcol: Path, tmp_path: Path) -> None:
    """What is a Collector's configuration is valid for a real one."""
    found = [block for block in all_blocks() if "collector" in block.marks]
    assert found
    for number, block in enumerate(found):
        path = tmp_path / f"collector-{number}.yaml"
        path.write_text(block.text)
        subprocess.run([otelcol, "validate", f"--config={path}"], check=True, timeout=60)


def _checked(promtool: Path, *arguments: str | Path) -> str:
    result = subprocess.run(
        [promtool, "check", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
