"""Writing what a command has made."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TextIO

#: As wide as what they stand for, so that columns stay under each other.
_SIMPLER = str.maketrans("…·°\u00d7µ\u2013—→■●│─", "~-'xu-->#*|-")
_HANDLER = "butterfly_otel_simpler"


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


def write_what_can_be_written(stream: TextIO) -> None:
    """Have a stream write something simpler in the place of what its encoding does not have.

    Otherwise ``LC_ALL=C`` or an old terminal ends a command in the middle of its output.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        codecs.register_error(_HANDLER, _simpler)
        stream.reconfigure(errors=_HANDLER)


def _simpler(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_SIMPLER)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
