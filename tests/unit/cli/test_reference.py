"""The pages on settings and commands: everything that there is, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from butterfly_otel.cli import reference
from butterfly_otel.errors import CatalogError

PACKAGE = Path(__file__).parents[3] / "butterfly_otel"


def test_every_variable_that_is_read_is_on_the_page() -> None:
    """A variable that is read is in the table, or said to have no argument."""
    files = ("settings/config.py", "settings/exporters.py")
    code = "".join((PACKAGE / file).read_text(encoding="utf-8") for file in files)
    read = set(re.findall(r'"((?:OTEL|BUTTERFLY)_[A-Z_]+)"', code))
    otlp = re.findall(r'otlp_(?:text|file|variable)\((?:"\w+", )?"(\w+)"\)', code)
    read |= {f"OTEL_EXPORTER_OTLP_{name}" for name in otlp}
    assert len(read) > 25
    page = reference.render_settings()
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []


def test_every_setting_has_a_meaning_and_no_markup_is_left() -> None:
    """No row is empty, and none shows reStructuredText."""
    for setting in reference.settings():
        assert setting.meaning, setting.argument
        assert "``" not in setting.meaning
        assert ":class:" not in setting.meaning


def test_a_docstring_that_forgets_an_argument_is_found() -> None:
    """Rendering fails where the docstring and the signature differ."""

    def forgetful(*, told: int, forgotten: int) -> None:  # noqa: D417 - what is tested
        """Do nothing.

        Args:
            told: A number.
        """

    with pytest.raises(CatalogError, match="forgetful"):
        reference.settings(forgetful)


def test_every_command_has_its_options_and_examples() -> None:
    """Each command is a section with its options, and its epilogue."""
    page = reference.render_commands()
    for command in ("catalog", "check", "demo", "render", "rules"):
        assert f"## `butterfly-otel {command}`" in page
    assert "`--threshold NAME=VALUE`" in page
    assert "gpu_celsius=85" in page
    assert "`--speed X`" in page
