"""Rendered files: true to the catalogue, and found out when they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from butterfly_otel import catalog, metrics
from butterfly_otel.cli import build_parser, main
from butterfly_otel.cli.render import every_artefact
from butterfly_otel.render import Copy, stale, write

ROOT = Path(__file__).parents[3]
ARTEFACTS = every_artefact(build_parser())


def copy_of_the_tree(folder: Path) -> Path:
    """Return a source tree with the rendered files in it, and with what some are copies of."""
    (folder / "butterfly_otel" / "catalog").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    sources = [each.source for each in ARTEFACTS if isinstance(each, Copy)]
    for path in (*(each.path for each in ARTEFACTS), *sources):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    return folder


def test_the_checked_in_files_are_up_to_date() -> None:
    """Nothing rendered differs from what the catalogue says now."""
    assert stale(ROOT, ARTEFACTS) == []


def test_check_finds_a_stale_file_and_render_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edited or missing file fails the check; rendering makes it pass."""
    root = copy_of_the_tree(tmp_path)
    edited, missing = (root / each.path for each in ARTEFACTS[:2])
    edited.write_text(edited.read_text() + "# edited\n")
    missing.unlink()
    assert main(["render", "--check", "--root", str(root)]) == 1
    assert "metrics.py is out of date" in capsys.readouterr().err
    assert [each.path for each in write(root, ARTEFACTS)] == [each.path for each in ARTEFACTS[:2]]
    assert main(["render", "--check", "--root", str(root)]) == 0


def test_render_outside_a_source_tree_is_a_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is none, or has no more than the installed package, is not written to."""
    assert main(["render", "--root", str(tmp_path)]) == 2
    assert "no source tree" in capsys.readouterr().err
    (tmp_path / "butterfly_otel" / "catalog").mkdir(parents=True)
    assert main(["render", "--root", str(tmp_path)]) == 2
    assert "no source tree" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["butterfly_otel"]


def test_docstrings_of_handles_give_unit_labels_and_query() -> None:
    """Each handle's documentation has the facts a caller needs."""
    for handle in metrics.ALL:
        text = type(handle).__doc__ or ""
        assert f"unit ``{handle.metric.unit}``" in text
        assert handle.metric.query in text
        for label in handle.metric.labels:
            assert f"{label.key}:" in text


def test_the_reference_has_every_metric() -> None:
    """The metrics reference has a heading for each metric, the SDK's own included."""
    text = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    for metric in catalog.ALL:
        assert f"### `{metric.name}`" in text
