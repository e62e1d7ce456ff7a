"""The pages on settings and commands: everything that there is, and no more."""

from __future__ import annotations

from butterfly_otel.cli import build_parser, reference
from butterfly_otel.settings.config import SETTINGS


def test_every_variable_that_is_read_is_on_the_page() -> None:
    """A variable that is read is in the table, or said to have no argument."""
    read = {variable for each in SETTINGS for variable in each.variables}
    assert len(read) > 25
    page = reference.render_settings()
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []
    _, _, without = page.partition("Variables without an argument")
    assert "`OTEL_SDK_DISABLED`" in without


def test_every_setting_has_a_meaning_and_no_markup_is_left() -> None:
    """No row is empty, and none shows reStructuredText."""
    for setting in SETTINGS:
        meaning = reference.meaning(setting)
        assert meaning, setting.key
        assert "``" not in meaning
        assert ":class:" not in meaning


def test_defaults_are_told_as_they_are_declared() -> None:
    """A row ends with the default, in Python's words, where there is one to write down."""
    meanings = {each.key: reference.meaning(each) for each in SETTINGS}
    assert meanings["export_interval"].endswith("Default 60.")
    assert meanings["zero_init"].endswith("Default True.")
    assert meanings["otlp_batch_size"].endswith("Default 5000.")
    assert meanings["exporter"].endswith("Default `prometheus`.")
    assert "Default" not in meanings["views"]


def test_every_command_has_its_options_and_examples() -> None:
    """Each command is a section with its options, and its epilogue."""
    page = reference.render_commands(build_parser())
    for command in ("catalog", "check", "demo", "render", "rules"):
        assert f"## `butterfly-otel {command}`" in page
    assert "`--threshold NAME=VALUE`" in page
    assert "gpu_celsius=85" in page
    assert "`--speed X`" in page
