"""What a file of YAML says, as plain data within limits.

YAML can say more than JSON can: dates, sets, bytes, keys that are not strings, parts that repeat
or contain themselves. A few hundred bytes of it can stand for gigabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    #: Returns the error that says what is wrong with a file.
    Fail = Callable[[str], Exception]

_MAX_BYTES = 1 << 20
#: Characters of the values, each counted as often as it is referred to, and so many a value.
_MAX_SIZE, _VALUE_SIZE = 1 << 21, 16
_MAX_DEPTH = 50
_MAX_INT = 1 << 63


def read_text(source: Path, fail: Fail) -> str:
    """Return the text of a file of at most a mebibyte; raises what ``fail`` returns."""
    try:
        with source.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise fail(f"can't be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path, or what no file name can have
        raise fail(f"can't be read: its path is not one, {error}") from error
    if len(data) > _MAX_BYTES:
        raise fail(f"can't be read: it is larger than {_MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(f"is not YAML: {error}") from error


def plain(value: object, fail: Fail) -> object:
    """Return what YAML says as data that JSON has, of its own; raises what ``fail`` returns."""
    return _Plain(fail).of(value, ())


class _Plain:
    """Turns what YAML says into what JSON can say, within limits.

    Args:
        fail: Returns the error that says what is wrong.
    """

    def __init__(self, fail: Fail) -> None:
        self._fail = fail
        self._left = _MAX_SIZE

    def of(self, value: object, where: tuple[str, ...]) -> object:
        """Return plain data of its own: parts that are shared in YAML are copied."""
        self._left -= _VALUE_SIZE + (len(value) if isinstance(value, str) else 0)
        if self._left < 0:
            raise self._fail(f"stands for more than {_MAX_SIZE >> 20} MiB of values")
        if len(where) > _MAX_DEPTH:
            raise self._fail(f"nests deeper than {_MAX_DEPTH} levels")
        if isinstance(value, dict):
            return dict(self._items(cast("dict[object, object]", value), where))
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self.of(item, (*where, str(at))) for at, item in enumerate(items)]
        if isinstance(value, int) and abs(value) >= _MAX_INT:
            raise self._refused(where, "is an integer beyond 64 bits")
        if value is None or isinstance(value, (str, int, float)):
            return value
        raise self._refused(where, f"is a {type(value).__name__}, which JSON does not have")

    def _items(
        self, mapping: dict[object, object], where: tuple[str, ...]
    ) -> Iterator[tuple[str, object]]:
        for key, value in mapping.items():
            if not isinstance(key, str):
                raise self._refused(where, f"has a key that is not a string but {shown(key)}")
            self._left -= len(key)
            yield key, self.of(value, (*where, key))

    def _refused(self, where: tuple[str, ...], what: str) -> Exception:
        return self._fail(f"can't be used: {'.'.join(where) or 'the top level'} {what}")
