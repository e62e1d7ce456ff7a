"""Writing what a command has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by file name into a folder, which is made where it is missing; name each.

    Raises:
        ConfigurationError: When that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {folder / name}")
    except OSError as error:
        msg = f"can't write to {folder}: {error.strerror or error}; choose another --output"
        raise ConfigurationError(msg) from error
