"""Writing what a command has made."""

from __future__ import annotations

import codecs
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import TextIO

#: As wide as what they stand for, so that columns stay under each other.
_SIMPLER = str.maketrans("…·°\u00d7µ\u2013—→■●│─", "~-'xu-->#*|-")
#: The folder that is none: standard output.
STDOUT = Path("-")
_HANDLER = "butterfly_otel_simpler"


def add_output(parser: argparse.ArgumentParser, *, one: str = "") -> None:
    """Add the options that say where files are written.

    Args:
        parser: Of the command.
        one: When there is one file, which may go to standard output; empty where never.
    """
    stdout = f"; - is standard output, {one}" if one else ""
    parser.add_argument(
        *("-o", "--output"),
        type=Path,
        default=Path(),
        metavar="DIR",
        help=f"where to (default: here){stdout}",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite files that say something else"
    )


def write_files(folder: Path, texts: Mapping[str, str], *, force: bool = False) -> None:
    """Write texts by file name into a folder, which is made where it is missing; name each.

    What is there and says something else is somebody's work: then nothing at all is written.

    Args:
        folder: The folder; `-` is standard output, where there is one text.
        texts: By names that may have folders in them, divided by `/`.
        force: Overwrite whatever is there.

    Raises:
        ConfigurationError: When that is not possible.
    """
    if folder == STDOUT:
        _print(texts)
        return
    try:
        same = frozenset(_same(folder, texts))
        in_the_way = [] if force else [n for n in texts if n not in same and _there(folder / n)]
        if in_the_way:
            more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
            msg = (
                f"{folder / in_the_way[0]}{more} would be overwritten, and nothing was written;"
                " choose another --output, or overwrite by --force"
            )
            raise ConfigurationError(msg)
        for name, text in texts.items():
            if name not in same:
                _write(folder / name, text, force=force)
            print(f"{'unchanged' if name in same else 'wrote'} {folder / name}")
    except OSError as error:
        msg = f"can't write to {folder}: {error.strerror or error}; choose another --output"
        raise ConfigurationError(msg) from error


def _print(texts: Mapping[str, str]) -> None:
    if len(texts) != 1:
        msg = f"{len(texts)} files can't all go to standard output; name a folder by --output"
        raise ConfigurationError(msg)
    [text] = texts.values()
    sys.stdout.flush()
    buffer: io.BufferedIOBase | None = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
    else:
        # A file's bytes, whatever the terminal's encoding and ends of lines.
        buffer.write(text.encode())
        buffer.flush()


def _same(folder: Path, texts: Mapping[str, str]) -> Iterator[str]:
    for name, text in texts.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == text.encode():
            yield name


def _there(path: Path) -> bool:
    return os.path.lexists(path)


def _write(path: Path, text: str, *, force: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What has come in the meantime is not overwritten, either.
    with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
        file.write(text)


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
